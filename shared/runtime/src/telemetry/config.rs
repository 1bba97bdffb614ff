//! Where traces go, and how many of them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use serde::{Deserialize, Serialize};

/// Where the OTLP specification has traces when an address names no path.
const PATH: &str = "/v1/traces";

/// Traces for a collector that speaks OTLP over HTTP with protobuf. Off without an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// `http://` or `https://` address of the collector, e.g. `http://127.0.0.1:4318`. Without a
    /// path, `/v1/traces` is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// A file with header fields for the collector, one `name: value` a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_headers_file: Option<PathBuf>,
    /// Certificate authorities (PEM) for the collector, beside the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_ca_file: Option<PathBuf>,
    /// Part of the traces that are begun here and recorded, 0 to 1. A trace that a client has
    /// begun is recorded if the client says that it records it.
    pub sample_ratio: f64,
    /// Spans that wait for the collector; more are dropped, and counted.
    pub queue: usize,
    /// How long one export may take.
    #[serde(with = "crate::seconds")]
    pub export_timeout: Duration,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers_file: None,
            otlp_ca_file: None,
            sample_ratio: 1.0,
            queue: 8_192,
            export_timeout: Duration::from_secs(10),
        }
    }
}

/// A setting of `[telemetry]` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryConfigError {
    #[error("telemetry.otlp_endpoint must be an http:// or https:// address")]
    Endpoint,
    #[error("telemetry.otlp_headers_file {0}")]
    Headers(String),
    #[error("telemetry.sample_ratio must be between 0 and 1")]
    Ratio,
    #[error("telemetry.queue must be between 1 and 1000000")]
    Queue,
    #[error("telemetry.export_timeout must be more than 0")]
    Timeout,
}

/// Where to, checked.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) uri: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.uri.host())
            .finish_non_exhaustive()
    }
}

impl TelemetryConfig {
    /// The collector; none when traces are off.
    pub(super) fn target(&self) -> Result<Option<Target>, TelemetryConfigError> {
        use TelemetryConfigError as Bad;
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err(Bad::Ratio);
        }
        if !(1..=1_000_000).contains(&self.queue) {
            return Err(Bad::Queue);
        }
        if self.export_timeout.is_zero() {
            return Err(Bad::Timeout);
        }
        let Some(endpoint) = &self.otlp_endpoint else {
            return Ok(None);
        };
        let uri: Uri = endpoint.parse().map_err(|_| Bad::Endpoint)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(Bad::Endpoint);
        }
        let mut parts = uri.into_parts();
        let path = parts.path_and_query.as_ref();
        if path.is_none_or(|path| path.as_str() == "/") {
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static(PATH));
        }
        let uri = Uri::from_parts(parts).map_err(|_| Bad::Endpoint)?;
        let headers = match &self.otlp_headers_file {
            None => Vec::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Bad::Headers(format!("cannot be read: {error}")))?;
                headers(&text)?
            }
        };
        Ok(Some(Target { uri, headers }))
    }
}

/// The values are secrets: an error names the line alone.
fn headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, TelemetryConfigError> {
    let mut all = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let field = field(line).ok_or_else(|| {
            let number = at + 1;
            TelemetryConfigError::Headers(format!("holds no `name: value` in its {number}. line"))
        })?;
        all.push(field);
    }
    Ok(all)
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let mut value: HeaderValue = value.trim().parse().ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: &str) -> TelemetryConfig {
        TelemetryConfig {
            otlp_endpoint: Some(endpoint.to_owned()),
            ..TelemetryConfig::default()
        }
    }

    #[test]
    fn an_address_without_a_path_means_where_the_specification_has_traces() {
        for (given, meant) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("https://c/otlp/v1/traces", "https://c/otlp/v1/traces"),
        ] {
            let target = config(given).target().unwrap().unwrap();
            assert_eq!(target.uri.to_string(), meant);
        }
        assert!(TelemetryConfig::default().target().unwrap().is_none());
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_and_no_header_is_repeated() {
        use TelemetryConfigError as Bad;
        for endpoint in ["", "collector", "ftp://c", "/v1/traces", "c:4317"] {
            assert_eq!(config(endpoint).target().unwrap_err(), Bad::Endpoint);
        }
        let ratio = TelemetryConfig {
            sample_ratio: f64::NAN,
            ..config("http://c")
        };
        assert_eq!(ratio.target().unwrap_err(), Bad::Ratio);
        let queue = TelemetryConfig {
            queue: 0,
            ..config("http://c")
        };
        assert_eq!(queue.target().unwrap_err(), Bad::Queue);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        std::fs::write(&path, "x-a: 1\nsecret\n").unwrap();
        let headers = TelemetryConfig {
            otlp_headers_file: Some(path.clone()),
            ..config("http://c")
        };
        assert_eq!(
            headers.target().unwrap_err().to_string(),
            "telemetry.otlp_headers_file holds no `name: value` in its 2. line"
        );
        std::fs::write(&path, "x-a: 1\n\nAuthorization: Bearer k\n").unwrap();
        let target = headers.target().unwrap().unwrap();
        assert_eq!(target.headers.len(), 2);
        assert!(!format!("{target:?}").contains("Bearer"));
    }
}
