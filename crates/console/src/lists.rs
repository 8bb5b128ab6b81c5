//! What is listed a page at a time, and where the next page begins: the same for people and for programs.

use std::time::Duration;

use domain::product::Product;
use domain::{BusinessId, OrderKey};
use queue::ParkedSight;
use store::audit::{AuditLine, AuditOf};
use store::callbacks::ParkedReport;
use store::doubt_desk::{DeskPlace, OpenCase};
use store::endpoints::EndpointLine;
use store::resend::ResendJob;
use store::story::{BalanceLine, LedgerLine};
use uuid::Uuid;

use crate::desk::Desk;
use crate::trouble::Trouble;

/// The orders of a page of a batch.
pub(crate) const ORDERS: i64 = 100;
/// The furthest that a batch is leafed through.
const LAST_ORDER: i64 = 1_000_000;
/// The cases, reports, jobs or deeds of a page.
const ROWS: i64 = 50;
/// The businesses, products or lines of a ledger of a page.
const LINES: i64 = 100;
/// The most endpoints that are listed.
const ENDPOINTS: usize = 500;
/// The parked messages that are listed.
const MESSAGES: usize = 50;
/// How long the broker may take to show them.
const BROKER_WITHIN: Duration = Duration::from_secs(3);

/// One page of a list.
pub(crate) struct Listed<T> {
    pub(crate) rows: Vec<T>,
    /// Where the next page begins; nothing when this is the last.
    pub(crate) next: Option<String>,
}

impl<T> Listed<T> {
    /// A page that is full has one after it.
    fn of(rows: Vec<T>, most: i64, place: impl FnOnce(&T) -> String) -> Self {
        let is_full = i64::try_from(rows.len()).is_ok_and(|listed| listed >= most);
        let next = rows.last().filter(|_| is_full).map(place);
        Self { rows, next }
    }
}

impl Desk {
    /// Doubts, or discrepancies, the oldest first.
    pub(crate) async fn cases(
        &self,
        kind: &str,
        after: Option<DeskPlace>,
    ) -> Result<Listed<OpenCase>, Trouble> {
        let cases = self.store.open_cases_after(Some(kind), after, ROWS);
        let place = |last: &OpenCase| format!("{}-{}", last.opened_us, last.key.order);
        Ok(Listed::of(self.ask(cases).await?, ROWS, place))
    }

    /// Reports that were given up, of one business or of all.
    pub(crate) async fn given_up(
        &self,
        business: Option<&BusinessId>,
        after: Option<&OrderKey>,
    ) -> Result<Listed<ParkedReport>, Trouble> {
        let parked = self.store.parked_reports_after(business, after, ROWS);
        let place = |last: &ParkedReport| format!("{}:{}", last.key.order, last.key.business);
        Ok(Listed::of(self.ask(parked).await?, ROWS, place))
    }

    /// The newest jobs that send reports again.
    pub(crate) async fn jobs(
        &self,
        business: Option<&BusinessId>,
    ) -> Result<Vec<ResendJob>, Trouble> {
        self.ask(self.store.resend_jobs(business, ROWS)).await
    }

    /// Businesses, by name.
    pub(crate) async fn businesses(&self, after: &str) -> Result<Listed<BalanceLine>, Trouble> {
        let lines = self.ask(self.store.business_lines(after, LINES)).await?;
        Ok(Listed::of(lines, LINES, |last| last.business.to_string()))
    }

    /// The ledger of a business, the newest orders first.
    pub(crate) async fn ledger(
        &self,
        business: &BusinessId,
        before: Option<(Uuid, i16)>,
    ) -> Result<Listed<LedgerLine>, Trouble> {
        let lines = self.store.ledger(business, before, LINES);
        let place = |last: &LedgerLine| format!("{}.{}", last.posting_ref, last.step);
        Ok(Listed::of(self.ask(lines).await?, LINES, place))
    }

    /// Products, by code.
    pub(crate) fn products(&self, after: &str) -> Listed<Product> {
        let catalogue = self.catalogue();
        let mut products: Vec<Product> = catalogue.products.values().cloned().collect();
        products.retain(|product| product.code.as_str() > after);
        products.sort_by(|a, b| a.code.cmp(&b.code));
        products.truncate(usize::try_from(LINES).unwrap_or(0));
        Listed::of(products, LINES, |last| last.code.to_string())
    }

    /// What persons did, the newest first.
    pub(crate) async fn audit(
        &self,
        of: &AuditOf,
        before: Option<i64>,
    ) -> Result<Listed<AuditLine>, Trouble> {
        let lines = self.ask(self.store.audit(of, before, ROWS)).await?;
        Ok(Listed::of(lines, ROWS, |last| last.no.to_string()))
    }

    /// Endpoints that are not well, and how many more there are.
    pub(crate) async fn endpoints(&self) -> Result<(Vec<EndpointLine>, usize), Trouble> {
        let mut endpoints = self.ask(self.store.unwell_endpoints()).await?;
        let more = endpoints.len().saturating_sub(ENDPOINTS);
        endpoints.truncate(ENDPOINTS);
        Ok((endpoints, more))
    }

    /// The oldest parked messages; nothing when the broker is away.
    pub(crate) async fn parked(&self) -> Option<ParkedSight> {
        let looked = self.queues.lookout.parked(MESSAGES);
        let looked = tokio::time::timeout(BROKER_WITHIN, looked).await;
        looked.ok().and_then(Result::ok)
    }
}

/// Whose deeds, or those about what; a person goes before an object.
pub(crate) fn audit_of(by: &str, object: &str) -> AuditOf {
    match (by.trim(), object.trim()) {
        ("", "") => AuditOf::Everything,
        ("", object) => AuditOf::Object(object.to_owned()),
        (by, _) => AuditOf::Operator(by.to_owned()),
    }
}

/// Where a page of a batch begins.
pub(crate) fn batch_place(from: i64) -> i64 {
    from.clamp(0, LAST_ORDER)
}

/// Where a page of cases ended.
pub(crate) fn case_place(text: &str) -> Option<DeskPlace> {
    let (opened_us, order) = text.split_once('-')?;
    Some(DeskPlace {
        opened_us: opened_us.parse().ok()?,
        order: order.parse::<Uuid>().ok()?,
    })
}

/// Where a page of reports ended.
pub(crate) fn report_place(text: &str) -> Option<OrderKey> {
    let (order, business) = text.split_once(':').filter(|_| !text.contains('\0'))?;
    Some(OrderKey {
        business: BusinessId::new(business),
        order: order.parse().ok()?,
    })
}

/// Where a page of a ledger ended.
pub(crate) fn ledger_place(text: &str) -> Option<(Uuid, i16)> {
    let (posting_ref, step) = text.split_once('.')?;
    Some((posting_ref.parse().ok()?, step.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use domain::OrderCode;

    use super::*;

    #[test]
    fn a_full_page_says_where_the_next_begins_and_the_last_one_does_not() {
        let page = |rows: Vec<i64>| Listed::of(rows, 3, ToString::to_string).next;
        assert_eq!(page(vec![1, 2, 3]), Some("3".into()));
        assert_eq!(page(vec![1, 2]), None);
        assert_eq!(page(vec![]), None);
    }

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is() {
        let code = OrderCode::generate();
        let case = case_place(&format!("17-{code}")).unwrap();
        assert_eq!((case.opened_us, case.order), (17, code.uuid()));
        let report = report_place(&format!("{code}:a:b")).unwrap();
        assert_eq!((report.order, report.business.as_str()), (code, "a:b"));
        let id = Uuid::nil();
        assert_eq!(ledger_place(&format!("{id}.2")), Some((id, 2)));
        for wrong in ["", "-", "17-", "x-1", ":b", "1:b", ".", "1.2", "\0:\0"] {
            assert!(case_place(wrong).is_none(), "{wrong}");
            assert!(report_place(wrong).is_none(), "{wrong}");
            assert!(ledger_place(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn deeds_are_of_a_person_or_about_an_object() {
        assert_eq!(audit_of(" ", ""), AuditOf::Everything);
        assert_eq!(audit_of("", " lane m "), AuditOf::Object("lane m".into()));
        assert_eq!(audit_of("wang", "x"), AuditOf::Operator("wang".into()));
    }
}
