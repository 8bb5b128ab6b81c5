//! Moments as flags say them.

use std::time::{Duration, SystemTime};

use domain::UnixMs;

/// What a flag may say: with the offset of any time zone (the console's pages show one), or so long ago.
const FORM: &str = "a moment like 2026-01-31T00:00:00Z or 2026-01-31T08:00:00+08:00, or a span before now like 24h";

/// Reads a moment.
pub(crate) fn moment(text: &str) -> Result<UnixMs, String> {
    read(text)
        .and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok())
        .as_ref()
        .map(Duration::as_millis)
        .and_then(|ms| i64::try_from(ms).ok())
        .map(UnixMs)
        .ok_or_else(|| FORM.into())
}

fn read(text: &str) -> Option<SystemTime> {
    if let Ok(at) = humantime::parse_rfc3339(text) {
        return Some(at);
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return SystemTime::now().checked_sub(ago);
    }
    let (there, offset) = text.split_at_checked(text.len().checked_sub("+08:00".len())?)?;
    if there.ends_with('Z') {
        return None;
    }
    let at = humantime::parse_rfc3339(&format!("{there}Z")).ok()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let number = |text: &str, below: u64| {
        let is_number = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<u64>().ok().filter(|n| is_number && *n < below)
    };
    let minutes = number(hours, 24)? * 60 + number(minutes, 60)?;
    let offset_is = Duration::from_secs(minutes * 60);
    match offset.as_bytes().first()? {
        b'+' => at.checked_sub(offset_is),
        b'-' => at.checked_add(offset_is),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_in_every_time_zone() {
        let at = Ok(UnixMs(1_769_817_600_000));
        for text in [
            "2026-01-31T00:00:00Z",
            "2026-01-31T08:00:00+08:00",
            "2026-01-30T18:30:00-05:30",
        ] {
            assert_eq!(moment(text), at, "{text}");
        }
        assert!(moment("24h").unwrap() < moment("1h").unwrap());
    }

    #[test]
    fn what_is_no_moment_is_told_how_one_is_written() {
        for text in [
            "",
            "yesterday",
            "+08:00",
            "2026-01-31T08:00:00+8:00",
            "2026-01-31T08:00:00+25:00",
            "2026-01-31T08:00:00Z+08:00",
            "2026-01-31T08:00:00 08:00",
            "2026-01-31T08:00:00+０8:00",
            "1969-12-31T00:00:00Z",
        ] {
            assert_eq!(moment(text), Err(FORM.into()), "{text}");
        }
    }
}
