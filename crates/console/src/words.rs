//! How moments, spans, states and addresses are written on the pages, and by commands that tell what a page shows.

use std::time::{Duration, UNIX_EPOCH};

use domain::{Money, OrderState, UnixMs};

use crate::tongue::Words;

/// China Standard Time: eight hours ahead all year.
const CHINA: Duration = Duration::from_hours(8);
/// The last second that four digits of a year can name, less a day for the zone.
const LAST_MS: u64 = 253_402_214_400_000;

/// A moment in China Standard Time, to the millisecond: `2026-01-31 09:15:00.123`.
pub fn moment(at: UnixMs) -> String {
    let ms = u64::try_from(at.0).unwrap_or(0).min(LAST_MS);
    let there = UNIX_EPOCH + Duration::from_millis(ms) + CHINA;
    let text = humantime::format_rfc3339_millis(there).to_string();
    text.replace('T', " ").replace('Z', "")
}

/// The same to the second, where nobody compares moments: `2026-01-31 09:15:00`.
pub fn second(at: UnixMs) -> String {
    let text = moment(at);
    let (second, _) = text.split_once('.').unwrap_or((&text, ""));
    second.to_owned()
}

/// Of a moment the hour and the minute, where the day is known: `09:15`.
pub(crate) fn minute(at: UnixMs) -> String {
    let text = moment(at);
    text.get(11..16).unwrap_or_default().to_owned()
}

/// Money as columns of it are read: thousands apart, two decimals at least: `12,345.60`.
pub fn money(money: Money) -> String {
    let units = money.units().unsigned_abs();
    let sign = if money.units() < 0 { "-" } else { "" };
    let rest = format!("{:04}", units % 10_000);
    let (cents, finer) = rest.split_at(2);
    let finer = finer.trim_end_matches('0');
    format!("{sign}{}.{cents}{finer}", grouped(units / 10_000))
}

/// A number, thousands apart.
pub(crate) fn number(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

/// A span in its largest unit: `12 s`, `3 min`, `5 h`, `2 d`.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The same of a duration.
pub(crate) fn age(age: Duration) -> String {
    span(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

/// A number that was counted no further than `store::vitals::COUNTED_TO`.
pub(crate) fn counted(count: i64) -> String {
    if count >= store::vitals::COUNTED_TO {
        format!("{}+", number(store::vitals::COUNTED_TO))
    } else {
        number(count)
    }
}

/// The share of the first among both, in whole percent; a dash when there is none.
pub(crate) fn share(these: i64, others: i64) -> String {
    let all = these + others;
    if all == 0 {
        return "–".into();
    }
    format!("{} %", these * 100 / all)
}

/// An address without what may be secret in it: who, and the query.
pub fn address(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("://") else {
        return bare.to_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// The word for what a moment of an order belongs to.
pub(crate) fn kind(w: &Words, kind: &str) -> &'static str {
    match kind {
        "money" => w.kind_money,
        "attempt" => w.kind_attempt,
        "evidence" => w.kind_evidence,
        "doubt" => w.kind_doubt,
        "report" => w.kind_report,
        "person" => w.kind_person,
        _ => w.kind_order,
    }
}

/// The word for what became of a deed.
pub(crate) fn outcome(w: &Words, outcome: &str) -> &'static str {
    match outcome {
        "done" => w.outcome_done,
        "refused" => w.outcome_refused,
        _ => w.outcome_unchanged,
    }
}

/// The word for a state, in the language of `w`.
pub(crate) fn state(w: &Words, state: OrderState) -> &'static str {
    if w.lang == "en" {
        return state.word();
    }
    match state {
        OrderState::Stored => "待处理",
        OrderState::Processing => "处理中",
        OrderState::Succeeded => "成功",
        OrderState::Failed => "失败",
        OrderState::Cancelled => "已取消",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_china_standard_time() {
        assert_eq!(moment(UnixMs(0)), "1970-01-01 08:00:00.000");
        assert_eq!(moment(UnixMs(1_767_139_200_123)), "2025-12-31 08:00:00.123");
        assert_eq!(second(UnixMs(1_767_139_200_123)), "2025-12-31 08:00:00");
        assert_eq!(minute(UnixMs(1_767_139_200_123)), "08:00");
    }

    #[test]
    fn a_column_of_money_is_told_in_thousands_and_cents_and_loses_nothing() {
        let told = [0, 5, 491_000, 12_345_678, -10_000_000, i64::MIN]
            .map(|units| money(Money::from_units(units)));
        assert_eq!(
            told,
            [
                "0.00",
                "0.0005",
                "49.10",
                "1,234.5678",
                "-1,000.00",
                "-922,337,203,685,477.5808"
            ]
        );
        assert_eq!(
            [0, 999, 1_000, -1_234_567].map(number),
            ["0", "999", "1,000", "-1,234,567"]
        );
    }

    #[test]
    fn a_moment_out_of_range_is_no_panic() {
        assert_eq!(moment(UnixMs(i64::MIN)), "1970-01-01 08:00:00.000");
        assert!(moment(UnixMs(i64::MAX)).starts_with("9999-"));
    }

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        let spans = [-5, 1_999, 119_000, 120_000, 7_200_000, 172_800_000].map(span);
        assert_eq!(spans, ["0 s", "1 s", "119 s", "2 min", "2 h", "2 d"]);
    }

    #[test]
    fn a_share_is_of_what_there_is() {
        assert_eq!(
            [share(0, 0), share(1, 0), share(0, 5), share(2, 1)],
            ["–", "100 %", "0 %", "66 %"]
        );
    }

    #[test]
    fn an_address_keeps_its_host_and_path_only() {
        assert_eq!(
            address("https://user:secret@shop.example:8443/cb/1?token=x#y"),
            "https://shop.example:8443/cb/1"
        );
        assert_eq!(
            address("https://shop.example?token=x"),
            "https://shop.example"
        );
        assert_eq!(address("no address"), "no address");
    }
}
