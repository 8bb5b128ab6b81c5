//! A supplier's own book: what it was asked for, and what it really charged. Nothing else proves a double charge.

mod file;

use std::collections::{HashMap, HashSet};
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
    /// The customer's batch; empty where the shape has none.
    #[serde(default)]
    pub batch: String,
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

/// What one request entered: all of its orders or none, and the batch that they came in, where the shape has batches.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<Batch>,
    pub(crate) entries: Vec<Entry>,
}

/// A batch's number, and a digest of what was asked under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) number: String,
    pub(crate) content: String,
}

/// What became of a page.
#[derive(Clone, Debug)]
pub(crate) enum Entered {
    /// It stands in the book now.
    New,
    /// The same batch stood there before, with these orders.
    Again(Vec<Entry>),
    /// A number was used before for something else: this one.
    Used(String),
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
    /// The most orders that were being given at the same time.
    #[serde(default)]
    pub most_at_once: u64,
}

/// Orders that a supplier has accepted, by reference.
#[derive(Debug, Default)]
pub(crate) struct Book {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<String, Entry>,
    batches: HashMap<String, (String, Vec<String>)>,
    rejected: u64,
    repeated: u64,
    present: u64,
    most_at_once: u64,
    file: Option<BookFile>,
}

/// Someone who is giving an order.
#[derive(Debug)]
pub(crate) struct Present<'a>(&'a Book);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.lock().present -= 1;
    }
}

impl Book {
    /// In memory only, or going on with a file.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, SimulatorError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let (file, pages) = BookFile::open(path)?;
        let mut kept = Kept::default();
        for page in pages {
            kept.insert(page);
        }
        kept.file = Some(file);
        Ok(Self {
            kept: Mutex::new(kept),
        })
    }

    /// Writes a page, unless one of its numbers is known.
    pub(crate) fn enter(&self, page: Page) -> Result<Entered, SimulatorError> {
        let mut kept = self.lock();
        if let Some(known) = kept.known(&page) {
            kept.repeated += 1;
            return Ok(known);
        }
        if let Some(file) = &mut kept.file {
            file.append(&page)?;
        }
        kept.insert(page);
        Ok(Entered::New)
    }

    /// Counts someone in, until the answer is given or nobody waits for it.
    pub(crate) fn come_in(&self) -> Present<'_> {
        let mut kept = self.lock();
        kept.present += 1;
        kept.most_at_once = kept.most_at_once.max(kept.present);
        Present(self)
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
            most_at_once: kept.most_at_once,
        }
    }

    /// A write either happened or did not, so a poisoned lock guards nothing that is broken.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn known(&self, page: &Page) -> Option<Entered> {
        if let Some(batch) = &page.batch
            && let Some((content, references)) = self.batches.get(&batch.number)
        {
            return Some(if *content == batch.content {
                let known = references.iter().filter_map(|r| self.entries.get(r));
                Entered::Again(known.cloned().collect())
            } else {
                Entered::Used(batch.number.clone())
            });
        }
        let mut seen = HashSet::new();
        page.entries
            .iter()
            .map(|entry| &entry.reference)
            .find(|reference| self.entries.contains_key(*reference) || !seen.insert(*reference))
            .map(|reference| Entered::Used(reference.clone()))
    }

    fn insert(&mut self, page: Page) {
        if let Some(batch) = page.batch {
            let references = page.entries.iter().map(|e| e.reference.clone()).collect();
            self.batches
                .insert(batch.number, (batch.content, references));
        }
        for entry in page.entries {
            self.entries.insert(entry.reference.clone(), entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(reference: &str, charged: u32) -> Entry {
        Entry {
            reference: reference.into(),
            number: format!("N{reference}"),
            batch: String::new(),
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

    fn page(batch: Option<(&str, &str)>, entries: &[(&str, u32)]) -> Page {
        Page {
            batch: batch.map(|(number, content)| Batch {
                number: number.into(),
                content: content.into(),
            }),
            entries: entries
                .iter()
                .map(|(r, charged)| entry(r, *charged))
                .collect(),
        }
    }

    #[test]
    fn a_number_is_entered_once_and_the_sums_say_what_was_charged() {
        let book = Book::open(None).unwrap();
        let enter = |entries: &[(&str, u32)]| book.enter(page(None, entries)).unwrap();
        assert!(matches!(enter(&[("a", 1)]), Entered::New));
        assert!(matches!(enter(&[("a", 1)]), Entered::Used(r) if r == "a"));
        assert!(matches!(enter(&[("b", 0)]), Entered::New));
        let sums = book.summary();
        assert_eq!(
            (sums.orders, sums.charged, sums.failed, sums.repeated),
            (2, 1, 1, 1)
        );
    }

    #[test]
    fn a_page_is_entered_whole_or_not_at_all() {
        let book = Book::open(None).unwrap();
        let enter = |page| book.enter(page).unwrap();
        assert!(matches!(
            enter(page(Some(("b1", "x")), &[("a", 1), ("b", 1)])),
            Entered::New
        ));
        for refused in [
            page(Some(("b1", "y")), &[("c", 1)]),
            page(Some(("b2", "x")), &[("c", 1), ("a", 1)]),
            page(Some(("b2", "x")), &[("c", 1), ("c", 1)]),
        ] {
            assert!(matches!(enter(refused), Entered::Used(_)));
        }
        assert!(book.get("c").is_none());
        let again = enter(page(Some(("b1", "x")), &[("a", 1), ("b", 1)]));
        assert!(
            matches!(again, Entered::Again(known) if known.len() == 2 && known[1].reference == "b")
        );
        assert_eq!(book.summary().orders, 2);
    }

    #[test]
    fn a_book_with_a_file_goes_on_where_it_stopped_and_drops_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        let book = Book::open(Some(&path)).unwrap();
        book.enter(page(Some(("b1", "x")), &[("a", 1)])).unwrap();
        drop(book);
        let mut text = std::fs::read(&path).unwrap();
        // Torn in the middle of a character.
        text.extend_from_slice(b"{\"entries\":[{\"reference\":\"\xe5\x85");
        std::fs::write(&path, text).unwrap();
        let book = Book::open(Some(&path)).unwrap();
        assert_eq!(book.summary().orders, 1);
        book.enter(page(None, &[("b", 1)])).unwrap();
        drop(book);
        let book = Book::open(Some(&path)).unwrap();
        assert_eq!(book.summary().orders, 2);
        let again = book.enter(page(Some(("b1", "x")), &[("a", 1)])).unwrap();
        assert!(matches!(again, Entered::Again(_)));
    }

    #[test]
    fn a_book_that_is_not_one_and_a_book_in_use_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        std::fs::write(&path, "once upon a time\n").unwrap();
        let error = Book::open(Some(&path)).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
        std::fs::write(&path, "").unwrap();
        let first = Book::open(Some(&path)).unwrap();
        assert!(Book::open(Some(&path)).is_err());
        drop(first);
    }
}
