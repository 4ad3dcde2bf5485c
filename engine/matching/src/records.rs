//! Records in columns: each different value once, and which record has which.

use crate::value::Value;
use crate::{MatchError, limits};
use rustc_hash::FxHashMap;
use sonder_dsl::model::Comparison;

/// No value.
pub(crate) const NOTHING: u32 = u32::MAX;

/// What is matched: the records of one table, to find who is in it twice; or of two, to find who is in both.
#[derive(Clone, Debug)]
pub struct Records {
    pub(crate) fields: Vec<Field>,
    len: usize,
    /// Where the second table begins.
    second: Option<usize>,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub name: String,
    pub comparison: Comparison,
    /// Each different value once.
    pub values: Vec<Value>,
    /// Its value, by record.
    pub of: Vec<u32>,
    /// How many records have it, by value: in the first table, and in the second.
    pub counts: [Vec<u32>; 2],
    /// How many records have any.
    pub known: [u64; 2],
    ids: FxHashMap<Box<str>, u32>,
}

impl Records {
    /// No records yet, of fields that are compared so.
    ///
    /// # Errors
    /// When there are no fields, or more than can be compared.
    pub fn new(fields: &[(String, Comparison)]) -> Result<Self, MatchError> {
        if fields.is_empty() || fields.len() > limits::MAX_FIELDS {
            return Err(MatchError::Fields { count: fields.len() });
        }
        let field = |(name, comparison): &(String, Comparison)| Field {
            name: name.clone(),
            comparison: *comparison,
            values: Vec::new(),
            of: Vec::new(),
            counts: [Vec::new(), Vec::new()],
            known: [0; 2],
            ids: FxHashMap::default(),
        };
        Ok(Self { fields: fields.iter().map(field).collect(), len: 0, second: None })
    }

    /// Takes in a record: a cell for each field, in their order; `None` where there is none.
    ///
    /// # Errors
    /// When there are too many.
    pub fn push<'a>(&mut self, cells: impl IntoIterator<Item = Option<&'a str>>) -> Result<(), MatchError> {
        if self.len >= limits::MAX_RECORDS {
            return Err(MatchError::Records);
        }
        let table = usize::from(self.second.is_some());
        let mut cells = cells.into_iter();
        for field in &mut self.fields {
            field.push(cells.next().flatten(), table);
        }
        self.len += 1;
        Ok(())
    }

    /// From here on, the records are of the second table.
    pub fn begin_second(&mut self) {
        self.second = Some(self.len);
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the second table begins, if there is one.
    #[must_use]
    pub const fn second(&self) -> Option<usize> {
        self.second
    }

    /// How many pairs of records could be the same.
    #[must_use]
    pub fn pairs(&self) -> f64 {
        match self.second {
            Some(second) => second as f64 * (self.len - second) as f64,
            None => self.len as f64 * self.len.saturating_sub(1) as f64 / 2.0,
        }
    }

    /// Whether these two are a pair that is looked for.
    pub(crate) fn may_match(&self, a: usize, b: usize) -> bool {
        self.second.is_none_or(|second| (a < second) != (b < second))
    }

    /// The names of the fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }
}

impl Field {
    fn push(&mut self, cell: Option<&str>, table: usize) {
        let value = cell.and_then(|cell| Value::read(cell, self.comparison));
        let Some(value) = value else {
            self.of.push(NOTHING);
            return;
        };
        let id = match self.ids.get(&value.text) {
            Some(id) => *id,
            None => {
                let id = self.values.len() as u32;
                self.ids.insert(value.text.clone(), id);
                self.values.push(value);
                self.counts.iter_mut().for_each(|counts| counts.push(0));
                id
            }
        };
        self.of.push(id);
        self.counts[table][id as usize] += 1;
        self.known[table] += 1;
    }

    /// The value of a record.
    pub fn value(&self, record: usize) -> Option<&Value> {
        self.values.get(self.of[record] as usize)
    }

    /// How likely it is that a record has this value, of those that have one.
    pub fn frequency(&self, id: u32) -> f64 {
        let count: u32 = self.counts.iter().map(|counts| counts[id as usize]).sum();
        f64::from(count) / (self.known[0] + self.known[1]).max(1) as f64
    }

    /// How likely it is that two records that both have a value have the same one.
    pub fn chance_of_equal(&self, links: bool) -> f64 {
        let [first, second] = &self.counts;
        let (equal, all) = if links {
            let equal: f64 = first.iter().zip(second).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            (equal, self.known[0] as f64 * self.known[1] as f64)
        } else {
            let equal: f64 = first.iter().map(|it| f64::from(*it) * (f64::from(*it) - 1.0)).sum();
            (equal, self.known[0] as f64 * (self.known[0] as f64 - 1.0))
        };
        if all > 0.0 { equal / all } else { 0.0 }
    }
}
