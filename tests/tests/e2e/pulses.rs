//! How it went is kept: the charts outlive the console that drew them, what was never known is a gap, and a page comes without them.

use regex::Regex;

use crate::harness::{Scene, until};

/// Half an hour that ended ten minutes ago, at 4 orders a second; in the middle the server began to count anew. And what is too old.
const PAST: &str = "
    INSERT INTO pulses (slot, at, counted_since, stored, ended, doubts, reports, unasked_ms)
        SELECT now.slot - back, to_timestamp((now.slot - back) * 10), CASE WHEN back > 150 THEN '2026-01-01' ELSE '2026-01-02' END::timestamptz,
               CASE WHEN back > 150 THEN 1000000 ELSE 0 END + (240 - back) * 40, 0, 3, back, 90000
        FROM (SELECT floor(extract(epoch FROM now()) / 10)::bigint AS slot) now, generate_series(60, 240) back;
    INSERT INTO pulses (slot, at, counted_since, stored, ended, doubts, reports, unasked_ms)
        SELECT now.slot - 9500 - n, to_timestamp((now.slot - 9500 - n) * 10), '2026-01-01', 0, 0, 0, 0, 0
        FROM (SELECT floor(extract(epoch FROM now()) / 10)::bigint AS slot) now, generate_series(1, 150) n;";

/// Of each chart that is drawn its label, and in how many pieces its first line is.
fn charts(page: &str) -> Vec<(String, usize)> {
    let chart =
        Regex::new(r#"(?s)<svg [^>]*aria-label="([^"]*)">.*?<path class="\w+" d="([^"]*)""#)
            .unwrap();
    chart
        .captures_iter(page)
        .map(|chart| (chart[1].to_owned(), chart[2].matches('M').count()))
        .collect()
}

/// The charts, once the first of them has its two pieces from before; a third is of now.
async fn drawn(scene: &Scene) -> Vec<(String, usize)> {
    until(
        "the charts of the past",
        async || {
            let charts = charts(&scene.platform.console_page("/").await);
            let past = charts.first().is_some_and(|(_, pieces)| *pieces >= 2);
            past.then_some(charts)
        },
        String::new,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_charts_outlive_a_console_and_a_count_that_begins_anew_is_a_gap() {
    let mut scene = Scene::start().await;
    scene.ground.ask(PAST).await;
    let before = drawn(&scene).await;
    tokio::task::block_in_place(|| {
        scene.platform.stop();
        scene.platform.go_on();
    });
    let after = drawn(&scene).await;
    for charts in [before, after] {
        let [hour, day, doubts, reports, unasked] = &charts[..] else {
            panic!("{charts:?}")
        };
        for (flow, ends) in [(hour, "most 4"), (day, "most 4")] {
            let said = &flow.0;
            assert!(
                said.contains("per second") && said.ends_with(ends),
                "{said}"
            );
        }
        assert!(doubts.0.starts_with("orders in doubt") && doubts.0.ends_with("most 3"));
        assert!(reports.0.starts_with("reports waiting"), "{}", reports.0);
        assert!(unasked.0.ends_with("most 90 s"), "{}", unasked.0);
    }
    let too_old =
        "SELECT count(*) FROM pulses WHERE slot < floor(extract(epoch FROM now()) / 10) - 9010";
    until(
        "the end of what is too old",
        async || (scene.ground.ask(too_old).await == "0").then_some(()),
        String::new,
    )
    .await;

    // As if it could not be read: the page comes, and says that there is nothing.
    scene.ground.ask("ALTER TABLE pulses RENAME TO gone").await;
    let page = until(
        "a page without charts",
        async || {
            let page = scene.platform.console_page("/").await;
            charts(&page).is_empty().then_some(page)
        },
        String::new,
    )
    .await;
    assert_eq!(page.matches("No data yet.").count(), 5, "{page}");
    scene.ground.ask("ALTER TABLE gone RENAME TO pulses").await;
    scene.end().await;
}
