//! What is answered.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Status, JSON-RPC code and message, for comparison at once.
    pub(crate) fn error(&self) -> (u16, i64, String) {
        let error = self.json()["error"].clone();
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        (
            self.status.as_u16(),
            error["code"].as_i64().unwrap_or_default(),
            message,
        )
    }

    /// The data of each event.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        mcp::sse::Decoder::new(1 << 20)
            .feed(self.text.as_bytes(), |event| {
                // A priming event has no data.
                if !event.data.is_empty() {
                    events.push(serde_json::from_slice(&event.data).unwrap());
                }
            })
            .unwrap();
        events
    }
}
