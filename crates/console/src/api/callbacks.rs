//! Reports to merchants: those that were given up, and the jobs that send reports again.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use domain::{BusinessId, OrderCode, UnixMs};
use serde::Deserialize;
use serde_json::json;
use store::reads::OrderName;
use store::resend::{JobOrder, Resend, ResendRequest};

use super::answer::{Answer, Refusal};
use super::door::Caller;
use super::orders::listed;
use super::said::{Asked, At, Nothing, Said};
use crate::actions::{self, Action, NotDone};
use crate::desk::Desk;
use crate::lists::report_place;
use crate::told;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    business: Option<String>,
    after: Option<String>,
}

/// Reports that were given up, and the newest jobs.
pub(super) async fn callbacks(State(desk): State<Arc<Desk>>, Asked(place): Asked<Place>) -> Answer {
    let only = place.business.map(BusinessId::new);
    let after = place.after.as_deref().map(report_place);
    if after == Some(None) {
        return Err(Refusal::field("after", "must be the `next` of a page"));
    }
    let after = after.flatten();
    let page = desk.given_up(only.as_ref(), after.as_ref()).await?;
    let jobs = desk.jobs(only.as_ref()).await?;
    Ok(Json(json!({
        "parked": listed(&page.rows, told::parked_report), "next": page.next, "jobs": listed(&jobs, told::job),
    })))
}

/// As the flags of `refill callback resend` say it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Wish {
    business: String,
    order: Option<OrderCode>,
    biz_code: Option<String>,
    batch: Option<String>,
    #[serde(default)]
    parked: bool,
    from: Option<i64>,
    to: Option<i64>,
    #[serde(default)]
    only_parked: bool,
    per_second: Option<u32>,
    #[serde(default)]
    dry_run: bool,
}

impl Wish {
    fn request(self, asked_by: &str) -> Result<ResendRequest, Refusal> {
        let per_second = self.per_second.unwrap_or(actions::PER_SECOND);
        if !(1..=10_000).contains(&per_second) {
            return Err(Refusal::field("perSecond", "1 to 10000"));
        }
        if self.to.is_some() && self.from.is_none() {
            return Err(Refusal::field("to", "needs from"));
        }
        let placed = |from| actions::placed(UnixMs(from), self.to.map_or_else(now, UnixMs));
        let named = [
            self.order
                .map(|code| Ok(Resend::Order(OrderName::Code(code)))),
            self.biz_code
                .map(|number| Ok(Resend::Order(OrderName::BizCode(number)))),
            self.batch.map(|number| Ok(Resend::Batch(number))),
            self.parked.then_some(Ok(Resend::Parked)),
            self.from.map(placed),
        ];
        let mut named = named.into_iter().flatten();
        let (Some(which), None) = (named.next(), named.next()) else {
            let rule = "one of order, bizCode, batch, parked, from: which reports";
            return Err(Refusal::field("which", rule));
        };
        Ok(ResendRequest {
            business: BusinessId::new(self.business),
            which: which?,
            only_parked: self.only_parked,
            per_second,
            asked_by: asked_by.to_owned(),
        })
    }
}

fn now() -> UnixMs {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    UnixMs(i64::try_from(now).unwrap_or(i64::MAX))
}

/// Sends reports again, or only counts them.
pub(super) async fn resend(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    Said(wish): Said<Wish>,
) -> Answer {
    let only_counted = wish.dry_run;
    let request = wish.request(&actor.name)?;
    if !only_counted {
        let job = actions::resend(&desk.store, &actor, &request).await?;
        return Ok(Json(told::job(&job)));
    }
    let action = Action::Resend;
    if !actor.may(action) {
        return Err(NotDone::NotAllowed(action.word(), action.least().word()).into());
    }
    let count = desk.store.count_resend(&request).await;
    Ok(Json(told::would_be_sent(count.map_err(NotDone::from)?)))
}

pub(super) async fn pause_job(
    desk: State<Arc<Desk>>,
    caller: Caller,
    At(id): At<String>,
    Said(_): Said<Nothing>,
) -> Answer {
    order(desk, caller, &id, JobOrder::Pause).await
}

pub(super) async fn resume_job(
    desk: State<Arc<Desk>>,
    caller: Caller,
    At(id): At<String>,
    Said(_): Said<Nothing>,
) -> Answer {
    order(desk, caller, &id, JobOrder::Resume).await
}

pub(super) async fn cancel_job(
    desk: State<Arc<Desk>>,
    caller: Caller,
    At(id): At<String>,
    Said(_): Said<Nothing>,
) -> Answer {
    order(desk, caller, &id, JobOrder::Cancel).await
}

async fn order(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    id: &str,
    order: JobOrder,
) -> Answer {
    let id = id.parse().map_err(|_| Refusal::NOWHERE)?;
    let job = actions::order_job(&desk.store, &actor, id, order).await?;
    Ok(Json(told::job(&job)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ResendRequest, Refusal> {
        serde_json::from_str::<Wish>(text).unwrap().request("wang")
    }

    #[test]
    fn exactly_one_says_which_reports() {
        let which = |text: &str| read(text).map(|request| request.which);
        assert_eq!(
            which(r#"{"business":"b","batch":"n"}"#),
            Ok(Resend::Batch("n".into()))
        );
        assert_eq!(
            which(r#"{"business":"b","from":1,"to":2}"#),
            Ok(Resend::Placed(UnixMs(1), UnixMs(2)))
        );
        for wrong in [
            r#"{"business":"b"}"#,
            r#"{"business":"b","parked":true,"batch":"n"}"#,
            r#"{"business":"b","parked":true,"to":2}"#,
            r#"{"business":"b","from":2,"to":2}"#,
            r#"{"business":"b","parked":true,"perSecond":0}"#,
            r#"{"business":"b","parked":true,"perSecond":10001}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let usual = read(r#"{"business":"b","parked":true}"#).unwrap();
        assert_eq!((usual.per_second, usual.asked_by.as_str()), (20, "wang"));
    }
}
