//! What forms of answer a client takes.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// The forms that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepts {
    pub(crate) json: bool,
    pub(crate) stream: bool,
}

impl Accepts {
    /// Reads `Accept`; none at all accepts everything (RFC 9110 §12.5.1).
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accepts = Self {
            json: false,
            stream: false,
        };
        let mut any = false;
        for value in headers.get_all(ACCEPT) {
            any = true;
            for range in value.to_str().unwrap_or_default().split(',') {
                accepts.add(range);
            }
        }
        if any {
            accepts
        } else {
            Self {
                json: true,
                stream: true,
            }
        }
    }

    fn add(&mut self, range: &str) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            let quality = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            quality.and_then(|q| q.parse::<f32>().ok()) == Some(0.0)
        });
        if refused {
            return;
        }
        let is = |text: &str| media.eq_ignore_ascii_case(text);
        self.json |= is("application/json") || is("application/*") || is("*/*");
        self.stream |= is("text/event-stream") || is("text/*") || is("*/*");
    }

    pub(crate) fn nothing(self) -> bool {
        !self.json && !self.stream
    }
}

/// Whether the body says that it is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let media = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_read_with_wildcards_and_refusals() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, text.parse().unwrap());
            let accepts = Accepts::of(&headers);
            (accepts.json, accepts.stream)
        };
        assert_eq!(read("application/json, text/event-stream"), (true, true));
        assert_eq!(read("Application/JSON; q=0.5"), (true, false));
        assert_eq!(read("text/event-stream"), (false, true));
        assert_eq!(read("*/*"), (true, true));
        assert_eq!(read("application/json;q=0, text/*"), (false, true));
        assert_eq!(read("text/html"), (false, false));
        assert_eq!(
            Accepts::of(&HeaderMap::new()),
            Accepts {
                json: true,
                stream: true
            }
        );
    }
}
