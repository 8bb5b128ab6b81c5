//! Which build this is: two commits of one version can behave differently, and a fleet that is half renewed runs both.

use std::sync::LazyLock;

/// The version of the code.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

const COMMIT: Option<&str> = option_env!("REFILL_COMMIT");

/// The commit that the binary was built from, where whoever built it said so.
pub(crate) fn commit() -> Option<&'static str> {
    said(COMMIT)
}

/// Both, like `0.1.0+1a2b3c4`; without a commit the version alone.
pub(crate) fn of_this_build() -> &'static str {
    static BOTH: LazyLock<String> = LazyLock::new(|| both(COMMIT));
    &BOTH
}

/// A container that is built without one has it empty.
fn said(commit: Option<&str>) -> Option<&str> {
    commit.filter(|commit| !commit.is_empty())
}

fn both(commit: Option<&str>) -> String {
    match said(commit) {
        Some(commit) => format!("{VERSION}+{commit}"),
        None => VERSION.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_told_from_another_of_the_same_version() {
        assert_eq!(both(Some("1a2b3c4")), format!("{VERSION}+1a2b3c4"));
        assert_eq!(both(Some("")), VERSION, "the container was built without");
        assert_eq!(both(None), VERSION);
    }
}
