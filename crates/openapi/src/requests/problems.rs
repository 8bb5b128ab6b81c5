//! What is wrong with a body, named by field and rule.

use std::fmt;

use domain::product::Fault;
use serde::Serialize;

use crate::status::Status;
use crate::strict_json::NotStrictJson;

/// How many problems an answer lists; the rest is only counted.
pub const MOST_LISTED: usize = 100;

/// Why a request is refused for its body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Not JSON that can be read in one way only.
    #[error(transparent)]
    Json(#[from] NotStrictJson),
    /// A field against its rule.
    #[error("{} {}", .0.field, .0.reason)]
    Field(Fault),
    /// Items against their rules.
    #[error("{0}")]
    Items(ItemProblems),
    /// Numbers that come twice in one batch.
    #[error("{0}")]
    NumbersRepeated(ItemProblems),
}

impl From<Fault> for BadRequest {
    fn from(fault: Fault) -> Self {
        Self::Field(fault)
    }
}

impl BadRequest {
    /// What it answers.
    pub const fn status(&self) -> Status {
        match self {
            Self::Json(_) | Self::Field(_) | Self::Items(_) => Status::Malformed,
            Self::NumbersRepeated(_) => Status::NumberRepeated,
        }
    }

    /// The items' problems, for the answer's `data`.
    pub const fn item_problems(&self) -> Option<&ItemProblems> {
        match self {
            Self::Json(_) | Self::Field(_) => None,
            Self::Items(problems) | Self::NumbersRepeated(problems) => Some(problems),
        }
    }
}

/// One problem of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemProblem {
    /// The item's place in `itemList`, from 0.
    pub index: usize,
    /// The item's number, where it can be read.
    pub biz_code: Option<String>,
    /// The field.
    pub field: &'static str,
    /// The rule that it breaks.
    pub reason: String,
}

/// The problems of a batch: the first hundred, and how many there are. In an answer it is the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ItemProblems {
    listed: Vec<ItemProblem>,
    #[serde(skip)]
    total: usize,
}

impl ItemProblems {
    /// Adds one.
    pub fn note(&mut self, index: usize, biz_code: Option<&str>, fault: Fault) {
        self.total += 1;
        if self.listed.len() < MOST_LISTED {
            self.listed.push(ItemProblem {
                index,
                biz_code: biz_code.map(str::to_owned),
                field: fault.field,
                reason: fault.reason,
            });
        }
    }

    /// The first hundred.
    pub fn listed(&self) -> &[ItemProblem] {
        &self.listed
    }

    /// How many there are in all.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl fmt::Display for ItemProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.total == 1 {
            "problem"
        } else {
            "problems"
        };
        write!(f, "itemList has {} {noun}; nothing was stored", self.total)?;
        match self.listed.first() {
            Some(first) => write!(
                f,
                "; item {}: {} {}",
                first.index, first.field, first.reason
            ),
            None => Ok(()),
        }
    }
}
