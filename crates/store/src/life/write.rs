//! Writes what was decided for a set of orders: each table once, whatever the size of the set.
//!
//! The balance comes last, one row per business: it is the row that everybody shares.

mod attempts;
mod doubts;
mod money;
mod reports;

use domain::life::{self, AttemptChange, Change, Doubt, Posting, Wait};
use domain::{BusinessId, Catalogue, Evidence, Lane, OrderKey, ProductCode};

use self::attempts::{change_attempts, open_attempts, repeat_attempts};
use self::doubts::{close_doubts, open_doubts};
use self::money::{post, return_stock};
use self::reports::{write_batch_reports, write_reports};
use super::load::{Loaded, arrays};
use super::rows::{self, Ticket};
use super::{Fate, Moved};
use crate::StoreError;
use crate::transaction::Transaction;

/// One order and what is to be written of it.
pub(super) struct Written {
    order: Loaded,
    change: Change,
    /// Only what is kept.
    evidence: Option<Evidence>,
    /// Of a new attempt.
    ticket: Option<Ticket>,
    /// `None`: the product is no longer in the catalogue; the timer keeps the lane that it has.
    lane: Option<Lane>,
    actor: Option<String>,
    note: Option<String>,
    posting: Option<Posting>,
    /// Its merchant wants to be told when the whole batch is final.
    batch_report: bool,
}

impl Written {
    pub(super) fn new(
        order: Loaded,
        change: Change,
        evidence: Option<Evidence>,
        note: Option<String>,
        catalogue: &Catalogue,
    ) -> Result<Self, StoreError> {
        let ticket = match &change.attempt {
            AttemptChange::Open { no, supplier } => {
                Some(rows::new_ticket(&order, *no, supplier, catalogue)?)
            }
            _ => None,
        };
        let actor = evidence.as_ref().and_then(|e| e.actor.clone());
        let evidence = evidence.filter(|e| change.attempt.keeps_evidence(&order.life.attempts, e));
        let lane = catalogue
            .products
            .get(&order.product)
            .map(|p| p.lane.clone());
        let posting = change.posting(order.life.state);
        let business = catalogue.businesses.get(&order.key.business);
        Ok(Self {
            batch_report: business.is_some_and(|b| b.batch_report),
            order,
            change,
            evidence,
            ticket,
            lane,
            actor,
            note,
            posting,
        })
    }

    pub(super) const fn key(&self) -> &OrderKey {
        &self.order.key
    }

    /// The counted product of which a unit is free again.
    pub(super) fn stock_it_returns(&self) -> Option<&ProductCode> {
        let returns = self.order.counted && self.posting == Some(Posting::Release);
        returns.then_some(&self.order.product)
    }

    /// The account whose balance moves.
    pub(super) fn balance_it_moves(&self) -> Option<&BusinessId> {
        self.posting.map(|_| &self.order.key.business)
    }

    /// The same order, left for its next look.
    pub(super) fn put_off(self) -> Self {
        Self {
            change: life::put_off(&self.order.life, self.order.now),
            evidence: None,
            ticket: None,
            note: None,
            posting: None,
            ..self
        }
    }

    fn fate(&self, report: bool) -> Fate {
        match (&self.change.doubt, self.change.wait) {
            _ if self.posting.is_some() => Fate::Finished { report },
            (Doubt::Open(_), _) => Fate::Doubt,
            (_, Wait::Check(at)) if at <= self.order.now => Fate::Again,
            _ => Fate::Waiting,
        }
    }

    fn moved(&self, report: bool) -> Moved {
        Moved {
            key: self.order.key.clone(),
            state: self.change.state,
            fate: self.fate(report),
            lane: self.lane.clone().unwrap_or_else(|| Lane::new("")),
            attempt: self.change.attempt.no(),
            traceparent: self.order.traceparent.clone(),
        }
    }
}

/// Writes the set. Returns what became of each order, in order.
pub(super) async fn changes(
    tx: &Transaction<'_>,
    set: &[Written],
) -> Result<Vec<Moved>, StoreError> {
    if set.is_empty() {
        return Ok(vec![]);
    }
    // Sent at once and run in this order, in one round trip: none of them needs what another says.
    let (.., reported, ()) = futures::try_join!(
        open_attempts(tx, set),
        repeat_attempts(tx, set),
        change_attempts(tx, set),
        change_orders(tx, set),
        set_timers(tx, set),
        clear_timers(tx, set),
        open_doubts(tx, set),
        close_doubts(tx, set),
        write_reports(tx, set),
        move_money(tx, set),
    )?;
    write_batch_reports(tx, set).await?;
    Ok(set
        .iter()
        .map(|w| w.moved(reported.contains(&w.order.key.order.uuid())))
        .collect())
}

async fn move_money(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    return_stock(tx, set).await?;
    post(tx, set).await
}

async fn change_orders(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let changed: Vec<&Written> = set
        .iter()
        .filter(|w| w.change.state != w.order.life.state || w.change.epoch != w.order.life.epoch)
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(changed.iter().map(|w| w.key()));
    let before: Vec<i32> = changed.iter().map(|w| w.order.life.epoch.0).collect();
    let epochs: Vec<i32> = changed.iter().map(|w| w.change.epoch.0).collect();
    let states: Vec<i16> = changed.iter().map(|w| w.change.state.number()).collect();
    let messages: Vec<Option<&str>> = changed
        .iter()
        .map(|w| w.change.message.as_deref())
        .collect();
    let vouchers: Vec<Option<&str>> = changed
        .iter()
        .map(|w| w.change.voucher.as_deref())
        .collect();
    let statement = tx
        .prepare_cached(
            "UPDATE orders o
             SET state = c.state, epoch = c.epoch, message = c.message, voucher = c.voucher,
                 finished_at = CASE WHEN c.state >= 2 THEN clock_timestamp() END
             FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::smallint[], $6::text[], $7::text[])
                 AS c (business_id, order_code, epoch_before, epoch, state, message, voucher)
             WHERE o.business_id = c.business_id AND o.order_code = c.order_code AND o.epoch = c.epoch_before",
        )
        .await?;
    let rows = tx
        .execute(
            &statement,
            &[
                &businesses,
                &codes,
                &before,
                &epochs,
                &states,
                &messages,
                &vouchers,
            ],
        )
        .await?;
    if rows == changed.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::unreadable("an order changed under its lock"))
    }
}

async fn set_timers(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let waiting: Vec<_> = set
        .iter()
        .filter(|w| w.change.wait != w.order.life.wait)
        .filter_map(|w| Some((w, rows::timer(w.change.wait)?)))
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(waiting.iter().map(|(w, _)| w.key()));
    let lanes: Vec<Option<&str>> = waiting
        .iter()
        .map(|(w, _)| w.lane.as_ref().map(Lane::as_str))
        .collect();
    let kinds: Vec<i16> = waiting.iter().map(|(_, (kind, _))| *kind).collect();
    let due: Vec<i64> = waiting.iter().map(|(_, (_, due))| *due).collect();
    let statement = tx
        .prepare_cached(
            "INSERT INTO timers AS t (business_id, order_code, lane, kind, due_at)
             SELECT business_id, order_code, coalesce(lane, ''), kind, 'epoch'::timestamptz + due_ms * interval '1 millisecond'
             FROM unnest($1::text[], $2::uuid[], $3::text[], $4::smallint[], $5::bigint[])
                 AS w (business_id, order_code, lane, kind, due_ms)
             ON CONFLICT (business_id, order_code) DO UPDATE
             SET lane = coalesce(nullif(excluded.lane, ''), t.lane), kind = excluded.kind, due_at = excluded.due_at",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &codes, &lanes, &kinds, &due])
        .await?;
    Ok(())
}

async fn clear_timers(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let idle: Vec<_> = set
        .iter()
        .filter(|w| rows::timer(w.change.wait).is_none() && w.change.wait != w.order.life.wait)
        .map(Written::key)
        .collect();
    if idle.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(idle);
    let statement = tx
        .prepare_cached(
            "DELETE FROM timers t USING unnest($1::text[], $2::uuid[]) AS idle (business_id, order_code)
             WHERE t.business_id = ANY (ARRAY[idle.business_id]) AND t.order_code = idle.order_code",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &codes]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::{AttemptState, OrderState};

    #[test]
    fn the_numbers_in_the_statements_are_those_of_the_states() {
        assert_eq!(AttemptState::NotCharged.number(), 4);
        assert_eq!(
            AttemptState::ALL
                .into_iter()
                .filter(|s| !s.is_live())
                .map(AttemptState::number)
                .min(),
            Some(3)
        );
        assert_eq!(
            OrderState::ALL
                .into_iter()
                .filter(|s| s.is_final())
                .map(OrderState::number)
                .min(),
            Some(2)
        );
    }
}
