//! What a fake server was sent.

use std::sync::Mutex;
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;
use tokio::sync::Notify;

/// The entry for a call whose caller has gone.
pub(super) const ABANDONED: &str = "(abandoned)";

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The JSON-RPC method; `(response)` for an answer to a request of the server; the HTTP
    /// method where there is no body.
    pub method: String,
    pub headers: HeaderMap,
    /// Null where there is none.
    pub body: Value,
}

impl Received {
    /// A header's value; the empty text when it is absent or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Record {
    all: Mutex<Vec<Received>>,
    more: Notify,
}

impl Record {
    pub(super) fn add(&self, received: Received) {
        self.all.lock().expect("no panic while held").push(received);
        self.more.notify_waiters();
    }

    pub(super) fn abandoned(&self) {
        let method = ABANDONED.to_owned();
        self.add(Received {
            method,
            headers: HeaderMap::new(),
            body: Value::Null,
        });
    }

    pub(super) fn all(&self) -> Vec<Received> {
        self.all.lock().expect("no panic while held").clone()
    }

    pub(super) async fn wait_for(&self, is_it: impl Fn(&Received) -> bool, what: &str) -> Received {
        let found = async {
            loop {
                let mut more = std::pin::pin!(self.more.notified());
                more.as_mut().enable();
                if let Some(found) = self.all().into_iter().find(&is_it) {
                    return found;
                }
                more.await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(10), found).await {
            Ok(found) => found,
            Err(_) => panic!("no {what} came within 10 s, only {:?}", self.all()),
        }
    }
}
