//! Reports that are sent again on request: as a job, a few each second, which can be paused, resumed and cancelled.

mod meant;

use domain::{BusinessId, OrderCode, UnixMs};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

pub(crate) use self::meant::first_code_at;
use self::meant::{count, meant, span};
use crate::audit::Deed;
use crate::reads::OrderName;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

/// A job that could not move for a while does not catch up: at most so many seconds' worth at once.
const MOST_SECONDS: f64 = 5.0;
/// Jobs that are moved in one round.
const JOBS_AT_ONCE: i64 = 16;
/// The most jobs of one business that run or are paused.
const MOST_OPEN: i64 = 20;

/// Which reports are to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend {
    /// That of one order.
    Order(OrderName),
    /// Those of a batch, by the merchant's number.
    Batch(String),
    /// Those that were given up.
    Parked,
    /// Those of orders that were placed from the first moment to before the second.
    Placed(UnixMs, UnixMs),
}

/// Who asks for what, how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendRequest {
    /// Whose reports.
    pub business: BusinessId,
    /// Which of them.
    pub which: Resend,
    /// Only those that were given up, not those that were delivered.
    pub only_parked: bool,
    /// Reports per second.
    pub per_second: u32,
    /// Who asks.
    pub asked_by: String,
}

impl ResendRequest {
    fn only_parked(&self) -> bool {
        self.only_parked || self.which == Resend::Parked
    }
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Reports go out.
    Running,
    /// By hand.
    Paused,
    /// By hand, for ever.
    Cancelled,
    /// All have been sent.
    Done,
}

/// What a person can do to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOrder {
    /// No more for now.
    Pause,
    /// Go on.
    Resume,
    /// No more.
    Cancel,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendJob {
    /// Its number.
    pub id: Uuid,
    /// Whose reports.
    pub business: BusinessId,
    /// How it stands.
    pub state: JobState,
    /// How many reports there were to send when it was asked for, counted up to a million.
    pub total: i64,
    /// How many of them have been handed to the callback workers.
    pub done: i64,
    /// How fast.
    pub per_second: i32,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: UnixMs,
}

/// Why a job is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NoJob {
    /// The business, or its order or batch, is not there.
    #[error("there is no such business, or it has no such order or batch")]
    NothingNamed,
    /// Too many already.
    #[error("{MOST_OPEN} jobs of this business are open already")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Counts what would be sent again.
    pub async fn count_resend(&self, request: &ResendRequest) -> Result<i64, NoJob> {
        self.bounded(async {
            let mut session = self.session().await?;
            let tx = session.begin();
            let Some(span) = span(&tx, request).await? else {
                return Ok(None);
            };
            let count = count(&tx, request, &span).await?;
            tx.commit().await?;
            session.give_back();
            Ok::<_, StoreError>(Some(count))
        })
        .await?
        .ok_or(NoJob::NothingNamed)
    }

    /// Takes a job that a merchant asks for; its first reports go out within seconds.
    pub async fn begin_resend(&self, request: &ResendRequest) -> Result<ResendJob, NoJob> {
        self.take_resend(request, None).await
    }

    /// The same for one of our own people.
    pub async fn begin_resend_by(
        &self,
        request: &ResendRequest,
        deed: &Deed,
    ) -> Result<ResendJob, NoJob> {
        self.take_resend(request, Some(deed)).await
    }

    async fn take_resend(
        &self,
        request: &ResendRequest,
        deed: Option<&Deed>,
    ) -> Result<ResendJob, NoJob> {
        let (job, open) = self
            .bounded(async {
                let mut session = self.session().await?;
                let tx = session.begin();
                let Some(span) = span(&tx, request).await? else {
                    return Ok((None, 0));
                };
                let open = "SELECT count(*) FROM resend_jobs WHERE business_id = $1 AND state < 2";
                let open: i64 = tx
                    .query_one(open, &[&request.business.as_str()])
                    .await?
                    .get(0);
                if open >= MOST_OPEN {
                    return Ok((None, open));
                }
                let total = count(&tx, request, &span).await?;
                let insert = format!(
                    "INSERT INTO resend_jobs (job_id, business_id, batch_id, low, high, only_parked, per_second, state, total,
                                              after, asked_by)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $8::bigint = 0 THEN 3 ELSE 0 END, $8, '00000000-0000-0000-0000-000000000000', $9)
                     RETURNING {JOB}"
                );
                let per_second = i32::try_from(request.per_second.clamp(1, 10_000)).unwrap_or(1);
                let row = tx
                    .query_one(
                        &insert,
                        &[
                            &Uuid::now_v7(),
                            &request.business.as_str(),
                            &span.batch,
                            &span.low,
                            &span.high,
                            &request.only_parked(),
                            &per_second,
                            &total,
                            &request.asked_by,
                        ],
                    )
                    .await?;
                let job = job(&row)?;
                if let Some(deed) = deed {
                    // An order that was named by its merchant's number is kept by ours, as if it had been named so.
                    let object = match &request.which {
                        Resend::Order(_) => Deed::order(OrderCode::from_uuid(span.low)),
                        _ => deed.object.clone(),
                    };
                    let detail = format!("job {}, {total} reports", job.id);
                    deed.done_to(&tx, &[object], &detail).await?;
                }
                commit(tx, "resend").await?;
                session.give_back();
                Ok::<_, StoreError>((Some(job), open))
            })
            .await?;
        match job {
            Some(job) => Ok(job),
            None if open > 0 => Err(NoJob::TooMany),
            None => Err(NoJob::NothingNamed),
        }
    }

    /// The newest jobs, of one business or of all.
    pub async fn resend_jobs(
        &self,
        business: Option<&BusinessId>,
        limit: i64,
    ) -> Result<Vec<ResendJob>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            // A job's number begins with the moment at which it was asked for.
            let newest = match business {
                Some(_) => "business_id = $1 ORDER BY asked_at DESC",
                None => "$1::text IS NULL ORDER BY job_id DESC",
            };
            let sql = format!("SELECT {JOB} FROM resend_jobs WHERE {newest} LIMIT $2");
            let statement = session.client().prepare_cached(&sql).await?;
            let business = business.map(BusinessId::as_str);
            let rows = session
                .client()
                .query(&statement, &[&business, &limit])
                .await?;
            session.give_back();
            rows.iter().map(job).collect()
        })
        .await
    }

    /// Pauses, resumes or cancels a job. `None`: there is none that this could be done to.
    pub async fn order_resend_job(
        &self,
        id: Uuid,
        order: JobOrder,
        deed: &Deed,
    ) -> Result<Option<ResendJob>, StoreError> {
        let (from, to): (&[i16], i16) = match order {
            JobOrder::Pause => (&[0], 1),
            JobOrder::Resume => (&[1], 0),
            JobOrder::Cancel => (&[0, 1], 2),
        };
        let sql = format!(
            "UPDATE resend_jobs SET state = $3, moved_at = now() WHERE job_id = $1 AND state = ANY ($2) RETURNING {JOB}"
        );
        let mut session = self.session().await?;
        let (tx, row) = self
            .bounded(async {
                let tx = session.begin();
                let row = tx.query_opt(&sql, &[&id, &from, &to]).await?;
                if row.is_some() {
                    deed.done(&tx, "").await?;
                }
                Ok((tx, row))
            })
            .await?;
        commit(tx, "resend").await?;
        session.give_back();
        row.as_ref().map(job).transpose()
    }

    /// Lets the next reports of running jobs go, as many as the time since the last round allows. Returns how many. Safe to run
    /// in any number of processes.
    pub async fn move_resend_jobs(&self) -> Result<u64, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let tx = session.begin();
            let due = tx
                .prepare_cached(
                    "SELECT job_id, business_id, batch_id, low, high, only_parked, after,
                            least(per_second * least(extract(epoch FROM now() - moved_at), $1::float8), 10000)::bigint AS room
                     FROM resend_jobs WHERE state = 0 AND now() - moved_at > interval '200 ms'
                     ORDER BY moved_at LIMIT $2 FOR UPDATE SKIP LOCKED",
                )
                .await?;
            let mut moved = 0;
            for row in tx.query(&due, &[&MOST_SECONDS, &JOBS_AT_ONCE]).await? {
                moved += move_job(&tx, &row).await?;
            }
            commit(tx, "resend").await?;
            session.give_back();
            Ok(moved)
        })
        .await
    }
}

const JOB: &str = "job_id, business_id, state, total, done, per_second, asked_by, (extract(epoch FROM asked_at) * 1000)::bigint";

async fn move_job(tx: &Transaction<'_>, job: &Row) -> Result<u64, StoreError> {
    let room: i64 = job.get("room");
    let room = room.max(1);
    let meant = meant(job.get("only_parked"));
    let sql = format!(
        "WITH next AS (SELECT c.business_id, c.order_code {meant} ORDER BY c.order_code LIMIT $6 FOR UPDATE),
         sent AS (
             UPDATE callbacks c SET state = 0, tries = 0, round = c.round + 1, due_at = now() FROM next n
             WHERE c.business_id = n.business_id AND c.order_code = n.order_code RETURNING c.order_code
         )
         SELECT count(*), max(order_code::text)::uuid FROM sent"
    );
    let statement = tx.prepare_cached(&sql).await?;
    let (id, business): (Uuid, String) = (job.get("job_id"), job.get("business_id"));
    let (low, high): (Uuid, Uuid) = (job.get("low"), job.get("high"));
    let (batch, after): (Option<Uuid>, Uuid) = (job.get("batch_id"), job.get("after"));
    let values: [&(dyn ToSql + Sync); 6] = [&business, &low, &high, &batch, &after, &room];
    let row = tx.query_one(&statement, &values).await?;
    let (sent, last): (i64, Option<Uuid>) = (row.get(0), row.get(1));
    let ended = sent < room;
    tx.execute(
        "UPDATE resend_jobs SET done = done + $2, after = coalesce($3, after), moved_at = now(),
                state = CASE WHEN $4 THEN 3 ELSE state END WHERE job_id = $1",
        &[&id, &sent, &last, &ended],
    )
    .await?;
    Ok(sent.unsigned_abs())
}

fn job(row: &Row) -> Result<ResendJob, StoreError> {
    Ok(ResendJob {
        id: row.get(0),
        business: BusinessId::new(row.get::<_, String>(1)),
        state: match row.get::<_, i16>(2) {
            0 => JobState::Running,
            1 => JobState::Paused,
            2 => JobState::Cancelled,
            3 => JobState::Done,
            other => return Err(StoreError::unreadable(format!("job state {other}"))),
        },
        total: row.get(3),
        done: row.get(4),
        per_second: row.get(5),
        asked_by: row.get(6),
        asked_at: UnixMs(row.get(7)),
    })
}
