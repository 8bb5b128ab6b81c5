//! A supplier's own book: what it was asked for, and what it really charged. Nothing else proves a double charge.

mod file;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::error::SimulatorError;
use file::BookFile;

/// How an order ends at the supplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Charged.
    Succeeded,
    /// Not charged.
    Failed,
    /// Partly charged; not counted as a charge.
    Partial,
    /// In progress, for ever.
    Never,
}

/// One order in the book.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The customer's number.
    pub reference: String,
    /// The supplier's number.
    pub number: String,
    /// What was topped up.
    pub account: String,
    /// What was ordered.
    pub product: String,
    /// The face value, as it was sent.
    pub face: String,
    /// How it ends.
    pub end: End,
    /// From when on that is visible to those who ask, Unix milliseconds.
    pub ends_at: u64,
    /// How often the account was charged.
    pub charged: u32,
}

impl Entry {
    /// How it ends, once that is visible.
    pub(crate) fn visible_end(&self) -> Option<End> {
        (self.end != End::Never && now_ms() >= self.ends_at).then_some(self.end)
    }

    /// What the charged account got.
    pub(crate) fn voucher(&self) -> String {
        format!("V{}", self.number)
    }
}

/// The sums of a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookSummary {
    /// Orders that were accepted.
    pub orders: u64,
    /// Orders that were charged.
    pub charged: u64,
    /// Orders that were charged more than once.
    pub charged_more_than_once: u64,
    /// Orders that failed.
    pub failed: u64,
    /// Orders that were explicitly not accepted.
    pub rejected: u64,
    /// Numbers that came again and were refused or answered from the book.
    pub repeated: u64,
}

/// Orders that a supplier has accepted, by reference.
#[derive(Debug, Default)]
pub(crate) struct Book {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<String, Entry>,
    rejected: u64,
    repeated: u64,
    file: Option<BookFile>,
}

impl Book {
    /// In memory only, or going on with a file.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, SimulatorError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let (file, entries) = BookFile::open(path)?;
        let kept = Kept {
            entries: entries
                .into_iter()
                .map(|e| (e.reference.clone(), e))
                .collect(),
            file: Some(file),
            ..Kept::default()
        };
        Ok(Self {
            kept: Mutex::new(kept),
        })
    }

    /// Writes a new order, unless its number is known: then that one comes back.
    pub(crate) fn enter(&self, entry: Entry) -> Result<Result<Entry, Entry>, SimulatorError> {
        let mut kept = self.lock();
        if let Some(known) = kept.entries.get(&entry.reference).cloned() {
            kept.repeated += 1;
            return Ok(Err(known));
        }
        if let Some(file) = &mut kept.file {
            file.append(&entry)?;
        }
        kept.entries.insert(entry.reference.clone(), entry.clone());
        Ok(Ok(entry))
    }

    pub(crate) fn note_rejected(&self) {
        self.lock().rejected += 1;
    }

    pub(crate) fn get(&self, reference: &str) -> Option<Entry> {
        self.lock().entries.get(reference).cloned()
    }

    /// All orders of an account, or all.
    pub(crate) fn list(&self, account: Option<&str>) -> Vec<Entry> {
        let kept = self.lock();
        let of_account = |e: &&Entry| account.is_none_or(|a| a == e.account);
        let mut list: Vec<Entry> = kept.entries.values().filter(of_account).cloned().collect();
        list.sort_by(|a, b| a.number.cmp(&b.number));
        list
    }

    pub(crate) fn summary(&self) -> BookSummary {
        let kept = self.lock();
        let count = |keep: &dyn Fn(&Entry) -> bool| {
            u64::try_from(kept.entries.values().filter(|e| keep(e)).count()).unwrap_or(u64::MAX)
        };
        BookSummary {
            orders: count(&|_| true),
            charged: count(&|e| e.charged > 0),
            charged_more_than_once: count(&|e| e.charged > 1),
            failed: count(&|e| e.end == End::Failed),
            rejected: kept.rejected,
            repeated: kept.repeated,
        }
    }

    /// A write either happened or did not, so a poisoned lock guards nothing that is broken.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(reference: &str, charged: u32) -> Entry {
        Entry {
            reference: reference.into(),
            number: format!("N{reference}"),
            account: "13800138001".into(),
            product: "p".into(),
            face: "50".into(),
            end: if charged > 0 {
                End::Succeeded
            } else {
                End::Failed
            },
            ends_at: 0,
            charged,
        }
    }

    #[test]
    fn a_number_is_entered_once_and_the_sums_say_what_was_charged() {
        let book = Book::open(None).unwrap();
        assert!(book.enter(entry("a", 1)).unwrap().is_ok());
        assert!(book.enter(entry("a", 1)).unwrap().is_err());
        assert!(book.enter(entry("b", 0)).unwrap().is_ok());
        let sums = book.summary();
        assert_eq!(
            (sums.orders, sums.charged, sums.failed, sums.repeated),
            (2, 1, 1, 1)
        );
    }

    #[test]
    fn a_book_with_a_file_goes_on_where_it_stopped_and_drops_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        let book = Book::open(Some(&path)).unwrap();
        book.enter(entry("a", 1)).unwrap().unwrap();
        drop(book);
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"reference\":\"torn");
        std::fs::write(&path, text).unwrap();
        let book = Book::open(Some(&path)).unwrap();
        assert_eq!(book.summary().orders, 1);
        book.enter(entry("b", 1)).unwrap().unwrap();
        drop(book);
        assert_eq!(Book::open(Some(&path)).unwrap().summary().orders, 2);
    }
}
