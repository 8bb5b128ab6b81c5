//! A lane whose queue nobody takes from is seen to be wrong, on the overview as on the page of the lanes, and while somebody looks.

use regex::Regex;

use crate::harness::{Fleet, Ground, Merchant, Outside, until};

const WRONG: &str = "nobody takes them";

/// What a page's table says of the lane `mobile` at the broker: ready, growth, consumers.
fn at_the_broker(page: &str) -> Option<[String; 3]> {
    let row = Regex::new(r"(?s)<tr[^>]*><td>(?:<a [^>]*>)?mobile(?:</a>)?</td>(.*?)</tr>").unwrap();
    let cell = Regex::new(r#"(?s)<td class="n">(.*?)</td>"#).unwrap();
    let tag = Regex::new("<[^>]*>").unwrap();
    let row = row.captures(page)?;
    let cells: Vec<String> = cell
        .captures_iter(&row[1])
        .map(|cell| tag.replace_all(&cell[1], "").trim().to_owned())
        .collect();
    cells[5..].to_vec().try_into().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_whose_messages_nobody_takes_is_wrong_on_the_overview_until_somebody_does() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    fleet.furnish(&outside);
    fleet.start("ingress", &[]).await;
    fleet.start("console", &[]).await;
    let wang = fleet.wang("viewer").await;

    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    merchant.order("early", 3).await;
    // Nobody asks for a page anew: what is open says it by itself.
    wang.page_until("/live", WRONG).await;
    let seen = async |path: &str, wanted: &dyn Fn(&[String; 3]) -> bool| {
        until(
            path,
            async || at_the_broker(&wang.page(path).await).filter(wanted),
            String::new,
        )
        .await
    };
    for path in ["/", "/lanes"] {
        seen(path, &|[ready, _, takers]| ready != "0" && takers == WRONG).await;
    }
    let overview = wang.page("/").await;
    let (_, alarms) = overview.split_once(r#"<section class="alarms""#).unwrap();
    let (alarms, _) = alarms.split_once("</section>").unwrap();
    assert!(alarms.contains("refill.orders.mobile</b>: "), "{alarms}");

    fleet.start("fulfillment", &[]).await;
    for path in ["/", "/lanes"] {
        seen(path, &|[ready, _, takers]| ready == "0" && takers == "1").await;
    }
    for role in ["ingress", "console", "fulfillment"] {
        fleet.stop(role);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_a_lane_that_no_product_travels_any_more_are_done_by_new_workers_too() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    fleet.furnish(&outside);
    fleet.start("ingress", &[]).await;
    fleet.start("callback", &[]).await;
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    merchant.order("before", 3).await;
    let file = fleet.write_catalogue(&outside);
    let lanes = std::fs::read_to_string(&file).unwrap();
    let moved = lanes.replace(r#"lane = "mobile""#, r#"lane = "moved""#);
    std::fs::write(&file, moved).unwrap();
    fleet.done("catalog", &["catalog", "import", &file]);
    fleet.start("fulfillment", &[]).await;
    merchant.wait_for_all_reports(&outside).await;
    for role in ["ingress", "callback", "fulfillment"] {
        fleet.stop(role);
    }
}
