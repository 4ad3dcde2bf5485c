//! Typed event tables: one table for each event type, one column for each declared property, so that SQL never parses
//! JSON.
//!
//! Rules, which the table `typed_columns` records and SQL may read:
//! - The table of event `product_viewed` is `ev_product_viewed`. Its first columns are those of [`HEADER`].
//! - A property's column has its name. Names of columns differ by more than case, so a property whose name is taken (by
//!   the header, or by one that differs only in case) is called `property_<name>`, then `property_<name>_2` …
//! - A property that a new version of the schema adds gets a column, which is filled from the payloads in the log.
//! - When a property's type changes, its column is renamed to `<column>__v<n>` and keeps what it has; a new column of
//!   the new type takes its name and is filled from the payloads.
//! - A property that is no longer declared keeps its column; new rows have NULL there.
//! - Where personal data is sealed, the column of a property that is marked `pii` is text: `sealed` where there is a value. One
//!   that had the values is dropped.
//! - A value that does not fit its column is NULL there; the payload has it. So is one that was stripped because it violates
//!   the schema. Rules see the same.

mod backfill;
mod catalog;
mod column;
mod rows;

pub(crate) use backfill::again as fill_again;
pub(crate) use catalog::{Catalog, Layout, TABLES, TypedTable, Wanted};
pub(crate) use column::{ColumnBuilder, ColumnKind};
pub(crate) use rows::{Header, TypedRows};

/// The columns that every typed table begins with, and their types.
pub(crate) const HEADER: [(&str, &str); 7] = [
    ("seq", "UBIGINT"),
    ("occurred_at", "TIMESTAMP"),
    ("received_at", "TIMESTAMP"),
    ("source", "VARCHAR"),
    ("message_id", "VARCHAR"),
    ("anonymous_id", "VARCHAR"),
    ("user_id", "VARCHAR"),
];
