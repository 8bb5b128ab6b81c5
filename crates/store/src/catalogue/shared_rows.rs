//! What an import sets in rows that all who order and all who end orders wait for: counted stocks, and balances. Each in one statement, in
//! the order in which every transaction locks them, and after all else, so that nobody waits for the rest of a long file.

use std::collections::BTreeMap;

use domain::catalogue_file::CatalogueFile;
use uuid::Uuid;

use crate::StoreError;
use crate::transaction::Transaction;

/// Sets them; returns how many opening deposits were booked.
pub(super) async fn set(tx: &Transaction<'_>, file: &CatalogueFile) -> Result<usize, StoreError> {
    set_stocks(tx, file).await?;
    set_credit_lines(tx, file).await?;
    book_opening_deposits(tx, file).await
}

/// An entry that comes twice counts as it comes last.
fn columns<'f>(entries: impl Iterator<Item = (&'f str, i64)>) -> (Vec<&'f str>, Vec<i64>) {
    entries.collect::<BTreeMap<_, _>>().into_iter().unzip()
}

async fn set_stocks(tx: &Transaction<'_>, file: &CatalogueFile) -> Result<(), StoreError> {
    let stocks = file
        .product
        .iter()
        .filter_map(|product| Some((product.code.as_str(), i64::from(product.stock?))));
    let (products, units) = columns(stocks);
    let sql = "INSERT INTO stock (product_code, units_left)
               SELECT * FROM unnest($1::text[], $2::bigint[]) AS given (product_code, units) ORDER BY product_code
               ON CONFLICT (product_code) DO UPDATE SET units_left = excluded.units_left";
    tx.execute(sql, &[&products, &units]).await?;
    Ok(())
}

async fn set_credit_lines(tx: &Transaction<'_>, file: &CatalogueFile) -> Result<(), StoreError> {
    let lines = file
        .business
        .iter()
        .map(|business| (business.id.as_str(), business.credit_line.units()));
    let (businesses, lines) = columns(lines);
    let sql = "INSERT INTO balances (business_id, credit_line)
               SELECT * FROM unnest($1::text[], $2::bigint[]) AS given (business_id, line) ORDER BY business_id
               ON CONFLICT (business_id) DO UPDATE SET credit_line = excluded.credit_line";
    tx.execute(sql, &[&businesses, &lines]).await?;
    Ok(())
}

async fn book_opening_deposits(
    tx: &Transaction<'_>,
    file: &CatalogueFile,
) -> Result<usize, StoreError> {
    let deposits = file
        .business
        .iter()
        .map(|business| (business.id.as_str(), business.opening_deposit.units()))
        .filter(|(_, units)| *units != 0);
    let (businesses, units) = columns(deposits);
    let sql = "WITH deposit AS (
                   INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta, note)
                   SELECT business_id, $2, 0, 'deposit', units, 0, 'opening deposit'
                   FROM unnest($1::text[], $3::bigint[]) AS given (business_id, units) ORDER BY business_id
                   ON CONFLICT DO NOTHING RETURNING business_id, prepaid_delta
               )
               UPDATE balances b SET prepaid = prepaid + prepaid_delta FROM deposit d WHERE b.business_id = d.business_id";
    // The nil number, because no order and no other deposit can have it: booked once for ever.
    let booked = tx
        .execute(sql, &[&businesses, &Uuid::nil(), &units])
        .await?;
    Ok(usize::try_from(booked).unwrap_or(usize::MAX))
}
