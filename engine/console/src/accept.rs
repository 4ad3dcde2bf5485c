//! Which format a client wants: the `Accept` header, with its weights.

use crate::error::ApiError;
use axum::http::{HeaderMap, StatusCode, header};

/// A format that answers with rows come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json`
    Json,
    /// `text/csv`
    Csv,
    /// `application/vnd.apache.parquet`
    Parquet,
}

impl Format {
    /// Its media type, in two parts.
    const fn media(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::Csv => ("text", "csv"),
            Self::Parquet => ("application", "vnd.apache.parquet"),
        }
    }
}

/// The format the client likes best of those that an answer comes in; the first of them when it does not care.
pub fn preferred(headers: &HeaderMap, offered: &[Format]) -> Result<Format, ApiError> {
    let first = offered.first().copied().unwrap_or(Format::Json);
    if !headers.contains_key(header::ACCEPT) {
        return Ok(first);
    }
    let ranges: Vec<(String, f32)> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(range)
        .collect();
    let mut best = (first, 0.0);
    for format in offered {
        let (family, member) = format.media();
        let weight = weight(&ranges, family, member);
        if weight > best.1 {
            best = (*format, weight);
        }
    }
    if best.1 > 0.0 {
        return Ok(best.0);
    }
    let known = offered.iter().map(|it| format!("`{}/{}`", it.media().0, it.media().1));
    Err(ApiError::new(
        StatusCode::NOT_ACCEPTABLE,
        "not_acceptable",
        "this answer does not come in the format that `Accept` asks for",
        format!("ask for {}", known.collect::<Vec<_>>().join(" or ")),
    ))
}

/// `text/csv;q=0.5` as (`text/csv`, 0.5).
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().filter(|kind| !kind.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(1.0), |weight| weight.parse().ok())?;
    Some((kind, weight))
}

/// The weight of the most specific range that fits.
fn weight(ranges: &[(String, f32)], family: &str, member: &str) -> f32 {
    let of = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, weight)| *weight);
    of(&format!("{family}/{member}")).or_else(|| of(&format!("{family}/*"))).or_else(|| of("*/*")).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        preferred(&headers, &[Format::Json, Format::Csv, Format::Parquet]).ok()
    }

    #[test]
    fn weights_decide() {
        assert_eq!(asked("*/*"), Some(Format::Json));
        assert_eq!(asked("text/csv"), Some(Format::Csv));
        assert_eq!(asked("text/html, text/*;q=0.9, */*;q=0.8"), Some(Format::Csv));
        assert_eq!(asked("text/csv;q=0.5, application/json"), Some(Format::Json));
        assert_eq!(asked("text/csv;q=0, */*"), Some(Format::Json));
        assert_eq!(asked("application/*"), Some(Format::Json));
        assert_eq!(asked("application/vnd.apache.parquet, */*;q=0.1"), Some(Format::Parquet));
        assert_eq!(asked("image/png"), None);
    }
}
