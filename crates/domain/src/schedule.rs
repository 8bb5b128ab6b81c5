//! When a status report is tried again (`CONTRACT.md` §6).

use std::time::Duration;

/// The waits after the first, second, … failed try.
const WAITS: [Duration; 9] = [
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_mins(3),
    Duration::from_mins(10),
    Duration::from_mins(20),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(3),
    Duration::from_hours(6),
];

/// The most tries that one report gets before it is parked.
pub const MAX_TRIES: i16 = 10;

/// How long to wait after `failed_tries` failures; `None`: park the report.
pub fn wait_after(failed_tries: i16) -> Option<Duration> {
    let index = usize::try_from(failed_tries).ok()?.checked_sub(1)?;
    WAITS.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_waits_then_parked() {
        let seconds: Vec<_> = (1..=MAX_TRIES)
            .map(|n| wait_after(n).map(|d| d.as_secs()))
            .collect();
        assert_eq!(
            seconds,
            [
                Some(15),
                Some(30),
                Some(180),
                Some(600),
                Some(1_200),
                Some(1_800),
                Some(3_600),
                Some(10_800),
                Some(21_600),
                None
            ]
        );
    }
}
