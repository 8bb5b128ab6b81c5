//! Both languages have every word, each in its own.

use super::*;

#[test]
fn both_tables_are_complete() {
    for (name, english, chinese) in ALL {
        assert!(
            !english.trim().is_empty() && !chinese.trim().is_empty(),
            "{name}"
        );
        let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        assert!(!english.contains(is_han), "{name}: {english}");
        let code = english == chinese;
        assert!(
            chinese.contains(is_han) || code || *name == "lang",
            "{name}: {chinese}"
        );
    }
}

#[test]
fn no_word_is_the_same_in_both_but_what_has_no_other_name() {
    let same: Vec<_> = ALL
        .iter()
        .filter(|(_, e, c)| e == c)
        .map(|(name, ..)| *name)
        .collect();
    assert!(same.iter().all(|name| NAMES.contains(name)), "{same:?}");
}

const NAMES: [&str; 1] = ["sku"];
