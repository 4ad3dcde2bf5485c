//! Values of an answer as JSON: numbers where JSON's are exact, else text.

use crate::StoreError;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::array_value_to_string;
use serde_json::{Map, Number, Value as Json};
use sonder_dsl::time::Moment;
use std::fmt::Write as _;

/// The value in `row` of a column whose SQL type is `kind`.
pub(crate) fn cell(array: &ArrayRef, row: usize, kind: &str) -> Result<Json, StoreError> {
    if array.is_null(row) {
        return Ok(Json::Null);
    }
    Ok(match array.data_type() {
        DataType::Null => Json::Null,
        DataType::Boolean => Json::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Json::from(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => Json::from(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => Json::from(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Json::from(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Json::from(array.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => Json::from(array.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => Json::from(array.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => Json::from(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            Json::String(decimal(array.as_primitive::<Decimal128Type>().value(row), *scale))
        }
        DataType::Utf8 => text(array.as_string::<i32>().value(row), kind),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), kind),
        DataType::Binary => Json::String(hex(array.as_binary::<i32>().value(row))),
        DataType::LargeBinary => Json::String(hex(array.as_binary::<i64>().value(row))),
        DataType::FixedSizeBinary(_) => Json::String(hex(array.as_fixed_size_binary().value(row))),
        DataType::Timestamp(unit, _) => Json::String(moment(array, row, *unit).to_string()),
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row)),
        DataType::List(_) => list(&array.as_list::<i32>().value(row), kind)?,
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row), kind)?,
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row), kind)?,
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let mut object = Map::with_capacity(fields.len());
            for (field, column) in fields.iter().zip(columns) {
                object.insert(field.name().clone(), cell(column, row, "")?);
            }
            Json::Object(object)
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let mut object = Map::with_capacity(entries.len());
            for entry in 0..entries.len() {
                let key = match cell(keys, entry, "")? {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                object.insert(key, cell(values, entry, "")?);
            }
            Json::Object(object)
        }
        _ => Json::String(array_value_to_string(array, row)?),
    })
}

/// The SQL type for an Arrow type, where DuckDB was not asked.
pub(crate) fn kind_of(arrow: &DataType) -> String {
    match arrow {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int32 => "INTEGER".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::UInt64 => "UBIGINT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Timestamp(..) => "TIMESTAMP".into(),
        DataType::Decimal128(width, scale) => format!("DECIMAL({width},{scale})"),
        DataType::List(item) => format!("{}[]", kind_of(item.data_type())),
        _ => "VARCHAR".into(),
    }
}

/// About how many bytes a value takes.
pub(crate) fn bytes(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::String(text) => 24 + text.len(),
        Json::Array(items) => 24 + items.iter().map(bytes).sum::<usize>(),
        Json::Object(fields) => 24 + fields.iter().map(|(key, value)| 24 + key.len() + bytes(value)).sum::<usize>(),
    }
}

fn list(items: &ArrayRef, kind: &str) -> Result<Json, StoreError> {
    let kind = kind.strip_suffix("[]").unwrap_or_default();
    (0..items.len()).map(|item| cell(items, item, kind)).collect()
}

/// Ids are UUIDs in the database and 32 digits everywhere else.
fn text(text: &str, kind: &str) -> Json {
    if kind == "UUID" { Json::String(text.replace('-', "")) } else { Json::String(text.to_owned()) }
}

fn float(value: f64) -> Json {
    Number::from_f64(value).map_or_else(|| Json::String(value.to_string()), Json::Number)
}

fn decimal(units: i128, scale: i8) -> String {
    let Ok(scale @ 1..) = usize::try_from(scale) else { return units.to_string() };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn moment(array: &ArrayRef, row: usize, unit: TimeUnit) -> Moment {
    Moment(match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row) / 1_000,
    })
}

fn date(days: i32) -> Json {
    let span = jiff::Span::new().try_days(days);
    let date = span.and_then(|span| jiff::civil::date(1970, 1, 1).checked_add(span));
    Json::String(date.map_or_else(|_| format!("{days}d"), |date| date.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_scale() {
        for (units, scale, text) in
            [(4995, 2, "49.95"), (-7, 2, "-0.07"), (0, 2, "0.00"), (12, 0, "12"), (5, 3, "0.005")]
        {
            assert_eq!(decimal(units, scale), text);
        }
    }

    #[test]
    fn dates_before_the_epoch() {
        assert_eq!(date(-1), Json::String("1969-12-31".into()));
    }
}
