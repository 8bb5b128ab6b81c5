//! What persons did, and what they were kept from doing. A row is written in the transaction of the deed itself, so that there is
//! never the one without the other; the database refuses to change or remove it.

use domain::{BusinessId, OrderCode, UnixMs};
use serde_json::Value;
use tokio_postgres::Row;

use crate::story::OrderStory;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

/// Something that a person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The person: a name of the console, or `cli:NAME` by command.
    pub operator: String,
    /// The role in which it was done.
    pub role: &'static str,
    /// What is done, like `supplier.pause`.
    pub action: &'static str,
    /// To what, like `supplier swift`; to an order or a batch, as [`Deed::order`] and [`Deed::batch`] name them.
    pub object: String,
    /// How, without secrets.
    pub parameters: Value,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeedOutcome {
    /// It was done.
    Done,
    /// Everything was so already.
    Unchanged,
    /// It was not allowed, or not possible.
    Refused,
}

/// A row of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number; later ones are higher.
    pub no: i64,
    /// When.
    pub at: UnixMs,
    /// Who.
    pub operator: String,
    /// In which role.
    pub role: String,
    /// What.
    pub action: String,
    /// To what.
    pub object: String,
    /// How, as JSON.
    pub parameters: String,
    /// `done`, `unchanged` or `refused`.
    pub outcome: String,
    /// What came of it, or why it was refused.
    pub detail: String,
}

/// Which rows are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditOf {
    /// All.
    #[default]
    Everything,
    /// Those of one operator.
    Operator(String),
    /// Those about one object.
    Object(String),
}

impl DeedOutcome {
    /// As it is stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

const WRITE: &str =
    "INSERT INTO audit (operator, role, action, object, parameters, outcome, detail)
    SELECT $1, $2, $3, object, $5::text::jsonb, $6, $7 FROM unnest($4::text[]) AS o (object)";

impl Deed {
    /// How an order is named as an object.
    pub fn order(code: OrderCode) -> String {
        format!("order {code}")
    }

    /// How a batch is named as one, by the merchant's number.
    pub fn batch(business: &BusinessId, batch: &str) -> String {
        format!("batch {batch} of {business}")
    }

    /// Writes that it was done, within the deed's own transaction.
    pub(crate) async fn done(&self, tx: &Transaction<'_>, detail: &str) -> Result<(), StoreError> {
        let objects = std::slice::from_ref(&self.object);
        self.write(tx, objects, DeedOutcome::Done, detail).await
    }

    /// The same for each of several objects, in the place of its own.
    pub(crate) async fn done_to(
        &self,
        tx: &Transaction<'_>,
        objects: &[String],
        detail: &str,
    ) -> Result<(), StoreError> {
        self.write(tx, objects, DeedOutcome::Done, detail).await
    }

    async fn write(
        &self,
        tx: &Transaction<'_>,
        objects: &[String],
        outcome: DeedOutcome,
        detail: &str,
    ) -> Result<(), StoreError> {
        let statement = tx.prepare_cached(WRITE).await?;
        let parameters = self.parameters.to_string();
        tx.execute(
            &statement,
            &[
                &self.operator,
                &self.role,
                &self.action,
                &objects,
                &parameters,
                &outcome.word(),
                &detail,
            ],
        )
        .await?;
        Ok(())
    }
}

impl Store {
    /// Writes a deed that changed nothing, or was not allowed, and therefore has no transaction of its own.
    pub async fn note_deed(
        &self,
        deed: &Deed,
        outcome: DeedOutcome,
        detail: &str,
    ) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let tx = self
            .bounded(async {
                let tx = session.begin();
                let objects = std::slice::from_ref(&deed.object);
                deed.write(&tx, objects, outcome, detail).await?;
                Ok(tx)
            })
            .await?;
        commit(tx, "audit").await?;
        session.give_back();
        Ok(())
    }

    /// What was done to an order, or to its batch as a whole: the newest `limit` of each.
    pub async fn deeds_about(
        &self,
        order: &OrderStory,
        limit: i64,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let key = &order.key;
        let itself = AuditOf::Object(Deed::order(key.order));
        let batch = AuditOf::Object(Deed::batch(&key.business, &order.batch_biz_code));
        let mut deeds = self.audit(&itself, None, limit).await?;
        deeds.extend(self.audit(&batch, None, limit).await?);
        Ok(deeds)
    }

    /// A page of the audit, the newest first: at most `limit` rows that are older than the row `before`.
    pub async fn audit(
        &self,
        of: &AuditOf,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let (of, value) = match of {
            AuditOf::Everything => (None, None),
            AuditOf::Operator(name) => (Some("operator"), Some(name)),
            AuditOf::Object(object) => (Some("object"), Some(object)),
        };
        // Asked by both columns of its index: by the number alone, the server may walk through all that others did since somebody was last here.
        let (range, order) = match of {
            None => (
                "$3::text IS NULL AND audit_no < $1".into(),
                "audit_no DESC".into(),
            ),
            Some(of) => (
                format!("({of}, audit_no) < ($3, $1) AND ({of}, audit_no) > ($3, 0)"),
                format!("{of} DESC, audit_no DESC"),
            ),
        };
        let sql = format!(
            "SELECT audit_no, (extract(epoch FROM at) * 1000)::bigint, operator, role, action, object, parameters::text, outcome, detail
             FROM audit WHERE {range} ORDER BY {order} LIMIT $2"
        );
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&sql).await?;
            let before = before.unwrap_or(i64::MAX);
            let rows = session
                .client()
                .query(&statement, &[&before, &limit, &value])
                .await?;
            session.give_back();
            Ok(rows.iter().map(line).collect())
        })
        .await
    }
}

fn line(row: &Row) -> AuditLine {
    AuditLine {
        no: row.get(0),
        at: UnixMs(row.get(1)),
        operator: row.get(2),
        role: row.get(3),
        action: row.get(4),
        object: row.get(5),
        parameters: row.get(6),
        outcome: row.get(7),
        detail: row.get(8),
    }
}
