//! DuckDB's SQL.

use super::Dialect;
use crate::ir::Type;
use crate::time::{Duration, Moment};

/// The dialect of DuckDB 1.5.
#[derive(Clone, Copy, Debug, Default)]
pub struct DuckDb;

impl Dialect for DuckDb {
    fn name(&self) -> &'static str {
        "duckdb"
    }

    fn quote(&self, identifier: &str) -> String {
        let plain = identifier.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && identifier.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain && RESERVED.binary_search(&identifier).is_err() {
            identifier.to_owned()
        } else {
            format!("\"{}\"", identifier.replace('"', "\"\""))
        }
    }

    fn moment(&self, moment: Moment) -> String {
        match jiff::Timestamp::from_microsecond(moment.0) {
            Ok(timestamp) => format!("TIMESTAMP '{}'", timestamp.strftime("%Y-%m-%d %H:%M:%S%.f")),
            // Beyond the calendar there is no event either.
            Err(_) => format!("make_timestamp({})", moment.0),
        }
    }

    fn place(&self, text: &str) -> String {
        let code = format!("replace(upper(trim({text})), '_', '-')");
        format!(
            "CASE WHEN regexp_full_match(trim({text}), '[A-Za-z]{{2}}([-_][A-Za-z0-9]{{1,3}})?')\n    THEN regexp_replace({code}, '^UK', 'GB') END"
        )
    }

    fn current_moment(&self) -> &'static str {
        "(now() AT TIME ZONE 'UTC')"
    }

    fn interval(&self, length: Duration) -> String {
        let units = [
            (86_400_000_000, "DAY"),
            (3_600_000_000, "HOUR"),
            (60_000_000, "MINUTE"),
            (1_000_000, "SECOND"),
            (1_000, "MILLISECOND"),
        ];
        let (size, unit) = units.into_iter().find(|(size, _)| length.0 % size == 0).unwrap_or((1, "MICROSECOND"));
        format!("INTERVAL {} {unit}", length.0 / size)
    }

    fn micros(&self, moment: &str) -> String {
        format!("epoch_us({moment})")
    }

    fn moved(&self, moment: &str, by_micros: &str) -> String {
        format!("({moment} + to_microseconds({by_micros}))")
    }

    fn type_name(&self, kind: &Type) -> String {
        match kind {
            Type::Bool => "BOOLEAN".to_owned(),
            Type::Int | Type::Duration => "BIGINT".to_owned(),
            Type::Decimal { scale } => format!("DECIMAL(38, {scale})"),
            Type::Float => "DOUBLE".to_owned(),
            Type::String { .. } => "VARCHAR".to_owned(),
            Type::Time => "TIMESTAMP".to_owned(),
            Type::List(element) => format!("{}[]", self.type_name(element)),
        }
    }

    fn convert(&self, value: &str, to: &Type) -> String {
        format!("TRY_CAST({value} AS {})", self.type_name(to))
    }

    fn checked(&self, expression: &str) -> String {
        format!("TRY({expression})")
    }

    fn float_units(&self, value: &str) -> String {
        format!("CASE WHEN abs({value}) <= 1e17 THEN CAST(round({value} * 1e12) AS HUGEINT) END")
    }

    fn float_of_units(&self, units: &str) -> String {
        format!("CAST({units} AS DOUBLE) / 1e12")
    }

    fn earliest(&self, value: &str) -> String {
        format!("arg_min({value}, (occurred_at, seq))")
    }

    fn latest(&self, value: &str) -> String {
        format!("arg_max({value}, (occurred_at, seq))")
    }

    fn largest_by(&self, value: &str, key: &[&str]) -> String {
        format!("arg_max({value}, ({}))", key.join(", "))
    }
}

/// Words that name a column or relation only in quotes: what `duckdb_keywords()` does not call unreserved. Sorted.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "anti",
    "any",
    "array",
    "as",
    "asc",
    "asof",
    "asymmetric",
    "at",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "by",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "columns",
    "columns",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "describe",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "generated",
    "generated",
    "glob",
    "group",
    "grouping",
    "grouping_id",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lambda",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "map",
    "map",
    "national",
    "natural",
    "nchar",
    "none",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "pivot",
    "pivot_longer",
    "pivot_wider",
    "placing",
    "position",
    "positional",
    "precision",
    "primary",
    "qualify",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "semi",
    "setof",
    "show",
    "similar",
    "smallint",
    "some",
    "struct",
    "struct",
    "substring",
    "summarize",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "try_cast",
    "try_cast",
    "tuple",
    "tuple",
    "union",
    "unique",
    "unpack",
    "unpivot",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];
