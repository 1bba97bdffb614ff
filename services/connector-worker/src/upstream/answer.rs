//! Reading what comes back for one request, up to its response.

use bytes::{BufMut, Bytes, BytesMut};
use domain::limits::JSON_MAX_DEPTH;
use egress::Deadline;
use fabric::{CallEvent, Failure, FailureKind, RpcError};
use http::HeaderMap;
use mcp::{Id, Message};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

use super::notices::Notices;
use super::related::without_task;
use super::reply::reply_to;
use super::sink::Sink;
use super::{Exchange, Transport};
use crate::failure::sent;

/// How long a server waits for our answer to its ping at most.
pub(super) const REPLY_WITHIN: Duration = Duration::from_secs(10);

/// The response to a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// A raw JSON object.
    Result(Bytes),
    Error(RpcError),
}

/// What to do with messages that are not the response.
pub(super) struct Reader<'a> {
    /// The request's id and progress token.
    pub(super) id: u64,
    pub(super) sink: &'a Sink,
    /// How to answer requests of the server, where it may make any.
    pub(super) replies: Option<(&'a dyn Transport, &'a HeaderMap)>,
    /// Where notifications go that concern no call.
    pub(super) notices: Option<&'a Notices>,
    pub(super) deadline: Deadline,
}

impl Reader<'_> {
    /// Reads to the response.
    pub(super) async fn read(&self, exchange: &mut dyn Exchange) -> Result<Answer, Failure> {
        while let Some(message) = exchange.next().await? {
            if let Some(answer) = self.take(&message).await? {
                return Ok(answer);
            }
        }
        Err(sent(
            FailureKind::Died,
            "the MCP server closed the stream before it answered",
        ))
    }

    async fn take(&self, text: &Bytes) -> Result<Option<Answer>, Failure> {
        match parse(text)? {
            Message::Batch(batch) => self.take_batch(batch, text).await,
            message => self.take_one(&message, text).await,
        }
    }

    async fn take_batch(&self, batch: &RawValue, text: &Bytes) -> Result<Option<Answer>, Failure> {
        let parts: Vec<&RawValue> =
            serde_json::from_str(batch.get()).map_err(|_| garbage("an array that is no batch"))?;
        let mut answer = None;
        for part in parts {
            let message = parse(part.get().as_bytes())?;
            let part = text.slice_ref(part.get().as_bytes());
            answer = self.take_one(&message, &part).await?.or(answer);
        }
        Ok(answer)
    }

    async fn take_one(
        &self,
        message: &Message<'_>,
        text: &Bytes,
    ) -> Result<Option<Answer>, Failure> {
        match message {
            Message::Result { id, .. } if !self.is_ours(*id) => {
                Err(garbage("a response to another request"))
            }
            Message::Result { result, .. } if !result.get().starts_with('{') => {
                Err(garbage("a result that is no JSON object"))
            }
            Message::Result { result, .. } => Ok(Some(Answer::Result(
                text.slice_ref(result.get().as_bytes()),
            ))),
            Message::Error { id: Some(id), .. } if !self.is_ours(*id) => {
                Err(garbage("a response to another request"))
            }
            Message::Error { error, .. } => Ok(Some(Answer::Error(rpc_error(error)?))),
            Message::Notification { method, params } => {
                self.notice(method, *params, text).await;
                Ok(None)
            }
            Message::Request { id, method, params } => {
                self.asked(id.raw(), method, *params).await;
                Ok(None)
            }
            Message::Batch(_) => Err(garbage("a batch in a batch")),
        }
    }

    /// Whether `id` is that of our request. Servers in languages whose numbers are all floating
    /// point may send it back as `7.0`.
    fn is_ours(&self, id: Id<'_>) -> bool {
        is_number(id.raw(), self.id)
    }

    async fn notice(&self, method: &str, params: Option<&RawValue>, text: &Bytes) {
        match (method, params) {
            ("notifications/progress", Some(params)) => {
                if let Some(progress) = without_token(params.get(), self.id) {
                    let progress = without_task(progress);
                    self.sink.put(CallEvent::Progress(progress)).await;
                }
            }
            ("notifications/message", Some(params)) => self.sink.log(params, text).await,
            ("notifications/cancelled", Some(params)) => {
                if let Some(id) = cancelled_id(params) {
                    self.sink.withdraw(id);
                }
            }
            ("notifications/elicitation/complete", Some(params)) => {
                self.sink.completed(params, text).await;
            }
            _ => {
                if let Some(notices) = self.notices {
                    notices.publish(text.clone());
                }
            }
        }
    }

    async fn asked(&self, id: &str, method: &str, params: Option<&RawValue>) {
        let Some((transport, headers)) = self.replies else {
            return;
        };
        let Some(reply) = reply_to(id, method, params, self.sink) else {
            return;
        };
        let deadline = self.deadline.within(REPLY_WITHIN);
        if let Err(failure) = transport.notify(reply, headers.clone(), deadline).await {
            tracing::debug!("could not answer a request of the MCP server: {failure}");
        }
    }
}

/// The id, raw, of the request that the server takes back.
pub(super) fn cancelled_id(params: &RawValue) -> Option<&str> {
    #[derive(Deserialize)]
    struct Cancelled<'a> {
        #[serde(borrow, rename = "requestId")]
        id: &'a RawValue,
    }
    let cancelled: Cancelled<'_> = serde_json::from_str(params.get()).ok()?;
    Some(cancelled.id.get())
}

/// Reads one message.
pub(super) fn parse(text: &[u8]) -> Result<Message<'_>, Failure> {
    mcp::parse(text, JSON_MAX_DEPTH).map_err(|error| match error.kind {
        mcp::ParseErrorKind::TooDeep => garbage("JSON that is nested too deeply"),
        mcp::ParseErrorKind::NotJson => garbage("something that is not JSON"),
        mcp::ParseErrorKind::NotAMessage => garbage("JSON that is no JSON-RPC message"),
    })
}

pub(super) fn garbage(what: &str) -> Failure {
    sent(
        FailureKind::Garbage,
        format!("the MCP server answered {what}"),
    )
}

/// Reads a JSON-RPC error object, and keeps it as it is.
pub(super) fn rpc_error(error: &RawValue) -> Result<RpcError, Failure> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        code: &'a RawValue,
        #[serde(default)]
        message: String,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    let no_code = || garbage("an error without a numeric code");
    let raw = Bytes::copy_from_slice(error.get().as_bytes());
    let wire: Wire<'_> = serde_json::from_slice(&raw).map_err(|_| no_code())?;
    Ok(RpcError {
        code: integer(wire.code.get()).ok_or_else(no_code)?,
        message: wire.message,
        data: wire.data.map(|data| raw.slice_ref(data.get().as_bytes())),
        raw: Some(raw.clone()),
    })
}

/// The error that an answer of a client is, if it is one: `{"error":{"code":…}}`.
pub(super) fn error_in(answer: &RawValue) -> Option<RpcError> {
    match &mcp::members(answer.get()).ok()?[..] {
        [(name, error)] if name == "error" => rpc_error(error).ok(),
        _ => None,
    }
}

/// An integer, however it is written: where all numbers are floating point it may be `-32000.0`.
fn integer(raw: &str) -> Option<i64> {
    let float = |raw: &str| {
        let number = raw.parse::<f64>().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float holds these exactly"
        )]
        (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
    };
    raw.parse().ok().or_else(|| float(raw))
}

fn is_number(raw: &str, number: u64) -> bool {
    match raw.parse::<u64>() {
        Ok(found) => found == number,
        // Ids count up from 1: far from where a float loses integers.
        #[expect(clippy::cast_precision_loss, reason = "2^53 requests are never made")]
        Err(_) => raw.parse::<f64>().is_ok_and(|found| found == number as f64),
    }
}

/// The members of progress params but for the token, if the token is ours.
fn without_token(params: &str, token: u64) -> Option<Bytes> {
    let members = mcp::members(params).ok()?;
    let mut ours = false;
    let mut out = BytesMut::with_capacity(params.len());
    out.put_u8(b'{');
    for (name, value) in members {
        if name == mcp::keys::PROGRESS_TOKEN {
            ours = is_number(value.get(), token);
            continue;
        }
        if out.len() > 1 {
            out.put_u8(b',');
        }
        serde_json::to_writer((&mut out).writer(), &name).expect("a string is JSON");
        out.put_u8(b':');
        out.put_slice(value.get().as_bytes());
    }
    out.put_u8(b'}');
    ours.then(|| out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_keeps_everything_but_the_token_and_only_for_its_own_request() {
        let params = r#"{"progressToken":3, "progress":1.0,"message":"a\"b"}"#;

        let ours = without_token(params, 3).unwrap();

        assert_eq!(ours, r#"{"progress":1.0,"message":"a\"b"}"#);
        assert_eq!(without_token(params, 4), None);
        assert_eq!(without_token(r#"{"progressToken":"3"}"#, 3), None);
        assert_eq!(without_token("[]", 3), None);
    }

    #[test]
    fn an_id_may_come_back_as_a_float_but_not_as_a_string() {
        assert!(is_number("7", 7) && is_number("7.0", 7));
        assert!(!is_number("\"7\"", 7) && !is_number("7.5", 7) && !is_number("8", 7));
    }

    #[test]
    fn an_error_is_kept_as_it_was_written_and_its_code_may_be_a_float() {
        let text = r#"{ "x":[1.0],"code":-32000.0,"message":"n\u00fcll" ,"data":{"a": 1e2}}"#;
        let read = |text| rpc_error(serde_json::from_str(text).unwrap());

        let error = read(text).unwrap();

        assert_eq!((error.code, error.message.as_str()), (-32_000, "nüll"));
        assert_eq!(error.data.unwrap(), r#"{"a": 1e2}"#);
        assert_eq!(error.raw.unwrap(), text);
        for bad in [
            r#"{"message":"m"}"#,
            r#"{"code":"1"}"#,
            r#"{"code":1.5}"#,
            "[]",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
