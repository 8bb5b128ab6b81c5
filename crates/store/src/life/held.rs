//! What the end of an order needs beside the order's own row: counted stock, and the balance of its account. Others share it, and
//! whoever must not wait for them takes these locks first, as far as they are free.

use std::collections::{BTreeSet, HashSet};

use domain::{BusinessId, ProductCode};

use super::write::Written;
use crate::StoreError;
use crate::patience::{BALANCES, not_free};
use crate::transaction::Transaction;

/// What to do about rows that another transaction holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// Wait for them: where many work on the same accounts, each gets his turn.
    Wait,
    /// Leave the order as it is: somebody may hold them for long.
    Skip,
}

/// Accounts and counted products that another transaction holds.
pub(super) struct Held {
    businesses: HashSet<String>,
    products: HashSet<String>,
}

impl Held {
    /// Whether the order cannot end now.
    pub(super) fn stop(&self, written: &Written) -> bool {
        let stock = written.stock_it_returns();
        let balance = written.balance_it_moves();
        stock.is_some_and(|product| self.products.contains(product.as_str()))
            || balance.is_some_and(|business| self.businesses.contains(business.as_str()))
    }
}

/// Locks what the ends in this set need, in the order in which all transactions do, and returns what it did not get.
pub(super) async fn by_others(tx: &Transaction<'_>, set: &[Written]) -> Result<Held, StoreError> {
    let products = set.iter().filter_map(Written::stock_it_returns);
    let products: BTreeSet<&str> = products.map(ProductCode::as_str).collect();
    let businesses = set.iter().filter_map(Written::balance_it_moves);
    let businesses: BTreeSet<&str> = businesses.map(BusinessId::as_str).collect();
    Ok(Held {
        products: not_free(
            tx,
            "SELECT product_code FROM stock WHERE product_code = ANY ($1) ORDER BY product_code FOR UPDATE SKIP LOCKED",
            products,
        )
        .await?,
        businesses: not_free(
            tx,
            BALANCES,
            businesses,
        )
        .await?,
    })
}
