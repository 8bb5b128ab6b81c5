//! The one row that an order has.

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::FloorError;

#[derive(Clone)]
pub(crate) struct Rows {
    pool: Pool,
}

impl Rows {
    /// Connects, and begins with an empty table.
    pub(crate) async fn open(url: &str) -> Result<Self, FloorError> {
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(url.parse()?, NoTls, recycling);
        let pool = Pool::builder(manager).max_size(16).build()?;
        let sql = "DROP TABLE IF EXISTS floor_order;
            CREATE TABLE floor_order (
                id uuid PRIMARY KEY, biz_code text NOT NULL UNIQUE, account text NOT NULL, state smallint NOT NULL DEFAULT 1, upstream_no text
            )";
        pool.get().await?.batch_execute(sql).await?;
        Ok(Self { pool })
    }

    /// Stores a batch.
    pub(crate) async fn insert(
        &self,
        ids: &[Uuid],
        biz_codes: &[&str],
        accounts: &[&str],
    ) -> Result<(), FloorError> {
        let client = self.pool.get().await?;
        let sql = "INSERT INTO floor_order (id, biz_code, account) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])";
        let statement = client.prepare_cached(sql).await?;
        client
            .execute(&statement, &[&ids, &biz_codes, &accounts])
            .await?;
        Ok(())
    }

    /// Records that orders were charged.
    pub(crate) async fn succeeded(
        &self,
        ids: &[Uuid],
        upstream: &[String],
    ) -> Result<(), FloorError> {
        let client = self.pool.get().await?;
        let sql = "UPDATE floor_order o SET state = 2, upstream_no = r.no FROM unnest($1::uuid[], $2::text[]) r(id, no) WHERE o.id = r.id";
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, &[&ids, &upstream]).await?;
        Ok(())
    }

    /// Records that merchants were told.
    pub(crate) async fn reported(&self, ids: &[Uuid]) -> Result<(), FloorError> {
        let client = self.pool.get().await?;
        let sql = "UPDATE floor_order SET state = 3 WHERE id = ANY($1)";
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, &[&ids]).await?;
        Ok(())
    }
}
