//! Addresses of the wire protocols, found by their ends, so that the collector may live under any path of a site.

use sonder_core::message::Call;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// One message, of this call.
    Single(Call),
    /// Many messages.
    Batch,
    /// Many messages of the past.
    Import,
    /// One message in the query, answered with a picture whatever comes.
    Pixel(Call),
    /// Segment's settings of this write key.
    Settings(String),
    /// Rudder's settings.
    SourceConfig,
    /// What pages show their visitor.
    Feed,
    /// What SDKs tell about themselves; taken and forgotten.
    SdkMetrics,
    /// Whether the server is there.
    Health,
}

impl Endpoint {
    /// The endpoint at the end of `path`, and the part before it.
    pub(crate) fn of(path: &str) -> Option<(Self, &str)> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut rest = path;
        let mut parts = [""; 4];
        for part in &mut parts {
            let Some((before, last)) = rest.rsplit_once('/') else { break };
            (*part, rest) = (last, before);
        }
        let (endpoint, length) = match parts {
            ["settings", key, "projects", "v1"] if !key.is_empty() => (Self::Settings(key.to_owned()), 4),
            [call, "pixel", "v1", _] => (Self::Pixel(Call::named(call)?), 3),
            [call, "v1", "pixel", _] => (Self::Pixel(Call::named(call)?), 3),
            ["batch", "v1", "beacon", _] => (Self::Batch, 3),
            [name, "v1", _, _] => (Self::of_version_1(name)?, 2),
            ["sourceConfig", ..] => (Self::SourceConfig, 1),
            ["rsaMetrics", ..] => (Self::SdkMetrics, 1),
            ["health", ..] => (Self::Health, 1),
            _ => return None,
        };
        let ends: usize = parts.iter().take(length).map(|part| part.len() + 1).sum();
        Some((endpoint, path.get(..path.len() - ends).unwrap_or_default()))
    }

    fn of_version_1(name: &str) -> Option<Self> {
        Some(match name {
            "t" => Self::Single(Call::Track),
            "p" => Self::Single(Call::Page),
            "i" => Self::Single(Call::Identify),
            "g" => Self::Single(Call::Group),
            "a" => Self::Single(Call::Alias),
            "s" => Self::Single(Call::Screen),
            "b" | "batch" => Self::Batch,
            "import" => Self::Import,
            "m" => Self::SdkMetrics,
            "feed" => Self::Feed,
            name => Self::Single(Call::named(name)?),
        })
    }

    /// Whether it takes POST, or else GET.
    pub(crate) const fn takes_body(&self) -> bool {
        matches!(self, Self::Single(_) | Self::Batch | Self::Import | Self::SdkMetrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_under_any_prefix() {
        for (path, endpoint, prefix) in [
            ("/v1/t", Endpoint::Single(Call::Track), ""),
            ("/v1/screen", Endpoint::Single(Call::Screen), ""),
            ("/cdp/x/v1/batch", Endpoint::Batch, "/cdp/x"),
            ("/v1/batch/", Endpoint::Batch, ""),
            ("/v1/b", Endpoint::Batch, ""),
            ("/beacon/v1/batch", Endpoint::Batch, ""),
            ("/v1/import", Endpoint::Import, ""),
            ("/v1/pixel/track", Endpoint::Pixel(Call::Track), ""),
            ("/x/pixel/v1/page", Endpoint::Pixel(Call::Page), "/x"),
            ("/a/v1/projects/wk/settings", Endpoint::Settings("wk".into()), "/a"),
            ("/sourceConfig/", Endpoint::SourceConfig, ""),
            ("/x/sourceConfig", Endpoint::SourceConfig, "/x"),
            ("/v1/m", Endpoint::SdkMetrics, ""),
            ("/x/v1/feed", Endpoint::Feed, "/x"),
            ("/rsaMetrics", Endpoint::SdkMetrics, ""),
            ("/health", Endpoint::Health, ""),
        ] {
            assert_eq!(Endpoint::of(path), Some((endpoint, prefix)), "{path}");
        }
        for path in [
            "/",
            "",
            "/v1",
            "/v1/",
            "/v1/x",
            "/v2/t",
            "/t",
            "/v1/pixel/x",
            "/v1/projects//settings",
            "/v1/merge",
            "v1/t",
        ] {
            assert_eq!(Endpoint::of(path), None, "{path}");
        }
    }
}
