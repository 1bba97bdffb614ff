//! An event stream to a client.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use super::Got;
use super::wire::header;

/// An event stream.
pub(crate) struct Stream {
    response: Response,
    buffer: Vec<u8>,
    /// Id of the last event that had one.
    pub(crate) last_id: String,
}

/// What a stream brings.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Value),
    /// It ended in good order.
    End,
    Broken(String),
}

impl Stream {
    /// Sends a request whose answer is a stream.
    ///
    /// # Errors
    /// What came in its place.
    pub(super) async fn open(request: RequestBuilder) -> Result<Self, Got> {
        let broken = |error: reqwest::Error| Got::Broken(format!("{error:?}"));
        let response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        if status != 200 {
            let text = response.text().await.map_err(broken)?;
            return Err(Got::Refused(status, text));
        }
        let kind = header(response.headers(), "content-type");
        if !kind.starts_with("text/event-stream") {
            return Err(Got::parse(&response.text().await.map_err(broken)?));
        }
        Ok(Self {
            response,
            buffer: Vec::new(),
            last_id: String::new(),
        })
    }

    /// The next event that holds a message.
    pub(crate) async fn next(&mut self) -> Next {
        loop {
            if let Some(message) = self.take() {
                return Next::Message(message);
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) => return Next::End,
                Err(error) => return Next::Broken(format!("{error:?}")),
            }
        }
    }

    /// The next message, which must come within the limit.
    pub(crate) async fn message(&mut self, limit: Duration) -> Value {
        match tokio::time::timeout(limit, self.next()).await {
            Ok(Next::Message(message)) => message,
            other => panic!("no message: {other:?}"),
        }
    }

    /// A whole event out of the buffer. Those without data, as a comment or the first one that
    /// only has an id, bring no message.
    fn take(&mut self) -> Option<Value> {
        loop {
            let end = self.buffer.windows(2).position(|two| two == b"\n\n")?;
            let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let event = String::from_utf8(event).unwrap();
            let mut data = String::new();
            for line in event.lines() {
                if let Some(id) = line.strip_prefix("id:") {
                    self.last_id = id.trim().to_owned();
                } else if let Some(text) = line.strip_prefix("data:") {
                    data.push_str(text.trim());
                }
            }
            if !data.is_empty() {
                return Some(serde_json::from_str(&data).unwrap());
            }
        }
    }
}
