//! How an account is shown to people who need not know it.

/// Characters of an account that are always hidden.
const HIDDEN: usize = 4;

/// An account with its middle hidden: `138****8001`. A short one keeps less, so that at least four characters are hidden.
pub fn masked_account(account: &str) -> String {
    let characters: Vec<char> = account.chars().collect();
    let shown = characters.len().saturating_sub(HIDDEN).min(7);
    let (first, last) = (shown * 3 / 7, shown - shown * 3 / 7);
    let mut masked: String = characters.iter().take(first).collect();
    masked.push_str("****");
    masked.extend(&characters[characters.len() - last..]);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_keeps_its_ends_and_hides_at_least_four_characters() {
        assert_eq!(masked_account("13800008001"), "138****8001");
        assert_eq!(masked_account("someone@example.org"), "som****.org");
        assert_eq!(masked_account("1234567"), "1****67");
        assert_eq!(masked_account("1234"), "****");
        assert_eq!(masked_account("用户名字很长的人"), "用****长的人");
        assert_eq!(masked_account(""), "****");
    }
}
