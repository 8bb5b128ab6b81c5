//! What our own people read: one order's whole story, a search by its numbers, and what waits now. Nothing here writes.
//!
//! Accounts leave this room masked, and vouchers not at all: whoever looks into an order need not be able to use it.

mod at_suppliers;
mod books;
mod outcomes;
mod search;

use std::time::Duration;

use domain::{
    AttemptNo, AttemptState, BusinessId, Money, OrderCode, OrderKey, OrderState, ProductCode,
    Source, SupplierId, UnixMs, Verdict, masked_account,
};
use tokio_postgres::Row;

use crate::reads::order_state;
use crate::session::{Session, in_ms};
use crate::transaction::Transaction;
use crate::{Store, StoreError};

pub use at_suppliers::AtSupplier;
pub use books::{BalanceLine, LedgerLine};
pub use outcomes::{OUTCOMES_OF, SupplierOutcomes};
pub use search::{FoundOrder, MOST_FOUND};

/// How long the server works on one question of a person.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// The most entries of one kind that a story tells, the newest.
pub const MOST_ENTRIES: i64 = 300;

/// All that is known about one order.
#[derive(Clone, Debug)]
pub struct OrderStory {
    /// Which order.
    pub key: OrderKey,
    /// The merchant's number.
    pub biz_code: String,
    /// The merchant's number of the batch.
    pub batch_biz_code: String,
    /// Orders in the batch.
    pub batch_items: i32,
    /// The price of the whole batch.
    pub batch_total: Money,
    /// The product.
    pub product: ProductCode,
    /// What is topped up, masked.
    pub account: String,
    /// The face value.
    pub spec: Money,
    /// What the merchant pays.
    pub price: Money,
    /// Where it stands.
    pub state: OrderState,
    /// Why, where that is known.
    pub message: Option<String>,
    /// Whether the supplier gave a voucher for it.
    pub has_voucher: bool,
    /// How often it has been claimed.
    pub claims: i32,
    /// When it was stored.
    pub created_at: UnixMs,
    /// When it reached its final state.
    pub finished_at: Option<UnixMs>,
    /// What it waits for, and until when.
    pub waits: Option<(&'static str, UnixMs)>,
    /// At which suppliers, in order.
    pub attempts: Vec<AttemptLine>,
    /// What was heard, in order.
    pub evidence: Vec<EvidenceLine>,
    /// The money that moved for it.
    pub postings: Vec<PostingLine>,
    /// When it waited for a person, and why.
    pub doubts: Vec<DoubtLine>,
    /// Its report to the merchant, from the moment that it is final.
    pub report: Option<ReportLine>,
    /// The tries to deliver the report, in order.
    pub tries: Vec<TryLine>,
}

/// One attempt at a supplier.
#[derive(Clone, Debug)]
pub struct AttemptLine {
    /// Its number.
    pub no: AttemptNo,
    /// At whom.
    pub supplier: SupplierId,
    /// Our reference there.
    pub reference: String,
    /// The supplier's number of the product.
    pub sku: String,
    /// The most that we pay.
    pub cost: Money,
    /// Where it stands.
    pub state: AttemptState,
    /// Calls so far.
    pub calls: i16,
    /// The supplier's own number.
    pub upstream_no: Option<String>,
    /// When the first call began.
    pub first_call_at: UnixMs,
    /// When the last call began.
    pub last_call_at: UnixMs,
    /// When it was closed.
    pub closed_at: Option<UnixMs>,
}

/// One piece of evidence.
#[derive(Clone, Debug)]
pub struct EvidenceLine {
    /// About which attempt.
    pub attempt: AttemptNo,
    /// Where it comes from, in a word.
    pub source: &'static str,
    /// What it says, in a word.
    pub verdict: &'static str,
    /// The supplier's own number.
    pub upstream_no: Option<String>,
    /// The answer's substance.
    pub detail: String,
    /// Who decided, where a person did.
    pub actor: Option<String>,
    /// When it was written.
    pub at: UnixMs,
}

/// One movement of money.
#[derive(Clone, Debug)]
pub struct PostingLine {
    /// `hold`, `settle` or `release`.
    pub kind: String,
    /// What it did to the prepaid money.
    pub prepaid: Money,
    /// What it did to the held money.
    pub held: Money,
    /// When.
    pub at: UnixMs,
}

/// A time that the order waited for a person.
#[derive(Clone, Debug)]
pub struct DoubtLine {
    /// `doubt` or `discrepancy`.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub opened_at: UnixMs,
    /// Until when, and by whose word.
    pub closed: Option<(UnixMs, String)>,
}

/// The report to the merchant.
#[derive(Clone, Debug)]
pub struct ReportLine {
    /// Where it goes.
    pub url: String,
    /// Where it stands, in a word.
    pub state: &'static str,
    /// When its next try is due.
    pub due_at: Option<UnixMs>,
    /// When it was written.
    pub created_at: UnixMs,
}

/// One try to deliver it.
#[derive(Clone, Debug)]
pub struct TryLine {
    /// Its round.
    pub round: i16,
    /// Its number in the round.
    pub no: i16,
    /// When it began.
    pub started_at: UnixMs,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i32>,
    /// The HTTP status, where there was an answer.
    pub http_status: Option<i16>,
    /// What it came to; `None`: not known yet, or lost with its worker.
    pub outcome: Option<String>,
    /// What happened.
    pub detail: Option<String>,
    /// Whose fault it was, in one word.
    pub fault: Option<String>,
    /// Whether it counts as one of the ten.
    pub charged: bool,
}

impl Store {
    /// The story of an order, as of one moment; `None`: there is no such order.
    pub async fn order_story(&self, code: &OrderCode) -> Result<Option<OrderStory>, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let read = one_moment(&mut session).await?;
            let story = tell(&read, *code).await?;
            read.commit().await?;
            session.give_back();
            Ok(story)
        })
        .await
    }
}

/// A transaction that sees one moment and cannot write.
pub(crate) async fn one_moment(session: &mut Session) -> Result<Transaction<'_>, StoreError> {
    let read = session.begin_reading();
    let limit = format!("SET LOCAL statement_timeout = {}", in_ms(READ_WITHIN));
    read.batch_execute(&limit).await?;
    Ok(read)
}

async fn tell(read: &Transaction<'_>, code: OrderCode) -> Result<Option<OrderStory>, StoreError> {
    // No index begins with the code: one short search in each business.
    let statement = read
        .prepare_cached(
            "SELECT o.business_id, o.biz_code, b.batch_biz_code, b.item_count, b.total, o.product_code, o.account, o.spec,
                    o.price, o.state, o.message, o.voucher IS NOT NULL AS has_voucher, o.epoch, t.kind,
                    (extract(epoch FROM o.created_at) * 1000)::bigint AS created_ms,
                    (extract(epoch FROM o.finished_at) * 1000)::bigint AS finished_ms,
                    (extract(epoch FROM t.due_at) * 1000)::bigint AS due_ms
             FROM businesses s
             CROSS JOIN LATERAL (SELECT * FROM orders WHERE business_id = s.business_id AND order_code = $1 OFFSET 0) o
             CROSS JOIN LATERAL (SELECT * FROM batches WHERE business_id = o.business_id AND batch_id = o.batch_id OFFSET 0) b
             LEFT JOIN timers t ON t.business_id = o.business_id AND t.order_code = o.order_code",
        )
        .await?;
    let Some(row) = read.query_opt(&statement, &[&code.uuid()]).await? else {
        return Ok(None);
    };
    let mut story = opening(&row, code)?;
    let key = story.key.clone();
    let attempts = "SELECT attempt_no, supplier_id, reference, sku, cost, state, calls, upstream_no,
            (extract(epoch FROM first_call_at) * 1000)::bigint, (extract(epoch FROM last_call_at) * 1000)::bigint,
            (extract(epoch FROM closed_at) * 1000)::bigint
        FROM attempts WHERE business_id = $1 AND order_code = $2 ORDER BY attempt_no DESC LIMIT $3";
    let attempts = entries(read, &key, attempts, attempt).await?;
    story.attempts = attempts.into_iter().collect::<Result<_, _>>()?;
    let evidence =
        "SELECT attempt_no, source, verdict, upstream_no, detail, actor, (extract(epoch FROM at) * 1000)::bigint
        FROM evidence WHERE business_id = $1 AND order_code = $2 ORDER BY attempt_no DESC, evidence_no DESC LIMIT $3";
    story.evidence = entries(read, &key, evidence, heard).await?;
    let postings = "SELECT kind, prepaid_delta, held_delta, (extract(epoch FROM at) * 1000)::bigint
        FROM ledger WHERE business_id = $1 AND posting_ref = $2 ORDER BY step DESC LIMIT $3";
    story.postings = entries(read, &key, postings, posting).await?;
    let doubts = "SELECT kind, reason, (extract(epoch FROM opened_at) * 1000)::bigint,
            (extract(epoch FROM closed_at) * 1000)::bigint, closed_by
        FROM doubts WHERE business_id = $1 AND order_code = $2 ORDER BY doubt_no DESC LIMIT $3";
    story.doubts = entries(read, &key, doubts, doubt).await?;
    let reports = "SELECT url, state, (extract(epoch FROM due_at) * 1000)::bigint, (extract(epoch FROM created_at) * 1000)::bigint
        FROM callbacks WHERE business_id = $1 AND order_code = $2 LIMIT $3";
    let mut reports = entries(read, &key, reports, report).await?;
    story.report = reports.pop().transpose()?;
    let tries = "SELECT round, try_no, (extract(epoch FROM started_at) * 1000)::bigint, duration_ms, http_status, outcome, detail, fault,
            charged
        FROM callback_tries WHERE business_id = $1 AND order_code = $2 ORDER BY epoch DESC LIMIT $3";
    story.tries = entries(read, &key, tries, tried).await?;
    Ok(Some(story))
}

/// The newest entries of one table about one order, the oldest of them first.
async fn entries<T>(
    read: &Transaction<'_>,
    key: &OrderKey,
    sql: &str,
    entry: impl Fn(&Row) -> T,
) -> Result<Vec<T>, StoreError> {
    let statement = read.prepare_cached(sql).await?;
    let rows = read
        .query(
            &statement,
            &[&key.business.as_str(), &key.order.uuid(), &MOST_ENTRIES],
        )
        .await?;
    Ok(rows.iter().rev().map(entry).collect())
}

fn opening(row: &Row, order: OrderCode) -> Result<OrderStory, StoreError> {
    let wait = match row.get::<_, Option<i16>>("kind") {
        None => None,
        Some(0) => Some("a worker"),
        Some(1) => Some("the end of a call"),
        Some(2) => Some("the next look at the supplier"),
        Some(kind) => return Err(StoreError::unreadable(format!("timer kind {kind}"))),
    };
    let due_at: Option<i64> = row.get("due_ms");
    Ok(OrderStory {
        key: OrderKey {
            business: BusinessId::new(row.get::<_, String>("business_id")),
            order,
        },
        biz_code: row.get("biz_code"),
        batch_biz_code: row.get("batch_biz_code"),
        batch_items: row.get("item_count"),
        batch_total: Money::from_units(row.get("total")),
        product: ProductCode::new(row.get::<_, String>("product_code")),
        account: masked_account(row.get("account")),
        spec: Money::from_units(row.get("spec")),
        price: Money::from_units(row.get("price")),
        state: order_state(row.get("state"))?,
        message: row.get("message"),
        has_voucher: row.get("has_voucher"),
        claims: row.get("epoch"),
        created_at: UnixMs(row.get("created_ms")),
        finished_at: row.get::<_, Option<i64>>("finished_ms").map(UnixMs),
        waits: wait.zip(due_at.map(UnixMs)),
        attempts: Vec::new(),
        evidence: Vec::new(),
        postings: Vec::new(),
        doubts: Vec::new(),
        report: None,
        tries: Vec::new(),
    })
}

fn attempt(row: &Row) -> Result<AttemptLine, StoreError> {
    let state: i16 = row.get(5);
    Ok(AttemptLine {
        no: AttemptNo(row.get(0)),
        supplier: SupplierId::new(row.get::<_, String>(1)),
        reference: row.get(2),
        sku: row.get(3),
        cost: Money::from_units(row.get(4)),
        state: AttemptState::from_number(state)
            .ok_or_else(|| StoreError::unreadable(format!("attempt state {state}")))?,
        calls: row.get(6),
        upstream_no: row.get(7),
        first_call_at: UnixMs(row.get(8)),
        last_call_at: UnixMs(row.get(9)),
        closed_at: row.get::<_, Option<i64>>(10).map(UnixMs),
    })
}

/// Reads a row of evidence: attempt, source, verdict, upstream number, detail, actor, time.
pub(crate) fn heard(row: &Row) -> EvidenceLine {
    EvidenceLine {
        attempt: AttemptNo(row.get(0)),
        source: Source::word_of(row.get(1)),
        verdict: Verdict::word_of(row.get(2)),
        upstream_no: row.get(3),
        detail: row.get(4),
        actor: row.get(5),
        at: UnixMs(row.get(6)),
    }
}

fn posting(row: &Row) -> PostingLine {
    PostingLine {
        kind: row.get(0),
        prepaid: Money::from_units(row.get(1)),
        held: Money::from_units(row.get(2)),
        at: UnixMs(row.get(3)),
    }
}

fn doubt(row: &Row) -> DoubtLine {
    let closed_at: Option<i64> = row.get(3);
    let closed_by: Option<String> = row.get(4);
    DoubtLine {
        kind: row.get(0),
        reason: row.get(1),
        opened_at: UnixMs(row.get(2)),
        closed: closed_at.map(|at| (UnixMs(at), closed_by.unwrap_or_default())),
    }
}

fn report(row: &Row) -> Result<ReportLine, StoreError> {
    Ok(ReportLine {
        url: row.get(0),
        state: match row.get::<_, i16>(1) {
            0 => "waiting",
            1 => "being sent",
            2 => "delivered",
            3 => "parked",
            state => return Err(StoreError::unreadable(format!("report state {state}"))),
        },
        due_at: row.get::<_, Option<i64>>(2).map(UnixMs),
        created_at: UnixMs(row.get(3)),
    })
}

fn tried(row: &Row) -> TryLine {
    TryLine {
        round: row.get(0),
        no: row.get(1),
        started_at: UnixMs(row.get(2)),
        duration_ms: row.get(3),
        http_status: row.get(4),
        outcome: row.get(5),
        detail: row.get(6),
        fault: row.get(7),
        charged: row.get(8),
    }
}
