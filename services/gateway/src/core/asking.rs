//! What a legacy client is asked in mid-call: real requests on the call's own stream, whose
//! answers any connection of its session may bring.

use ::mcp::mrtr::{
    ElicitationMode, InputKind, InputRequest, elicitation_mode, input_requests, request_for_legacy,
};
use ::mcp::rename::{Shape, rename};
use ::mcp::{codes, notification};
use bytes::Bytes;
use fabric::{InputRequired, Method, RpcError};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::client::LegacyClient;
use super::line::{Cancelled, Heard};
use super::rounds::{Rounds, lacking};

/// The pause before an upstream that only wants to be asked again is.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// One thing that is asked.
struct Asked {
    /// The upstream's key, as a JSON string.
    key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    method: String,
    /// The number and raw id of our request; none for what the client is not bothered with.
    request: Option<(u64, String)>,
    /// Raw JSON.
    answer: Option<Bytes>,
}

impl Rounds {
    /// Asks the client, and waits for its answers: `inputResponses`, or the answer to a call that
    /// cannot go on.
    pub(super) async fn ask(
        &mut self,
        client: &LegacyClient,
        required: &InputRequired,
    ) -> Result<Result<Bytes, Answer>, Cancelled> {
        let config = &self.dressing.caller.app.config;
        let until = Instant::now() + config.input_timeout;
        let (caller, now) = (&self.dressing.caller, self.dressing.caller.now());
        let Some(_waiting) = caller.app.parked.wait(caller.owner(), now) else {
            return Ok(Err(self.too_many_parked()));
        };
        let mut asked = match self.send_requests(client, required).await? {
            Ok(asked) => asked,
            Err(answer) => return Ok(Err(answer)),
        };
        if asked.is_empty() {
            let pause = tokio::time::sleep(PAUSE);
            tokio::select! {
                biased;
                () = self.line.cancelled() => return Err(Cancelled),
                () = pause => {}
            }
        }
        while asked.iter().any(|asked| asked.answer.is_none()) {
            match timeout_at(until, self.line.heard()).await {
                Ok(Heard::Cancelled) => return Err(Cancelled),
                Ok(Heard::Answer(number, answer)) => {
                    let is_it = |asked: &&mut Asked| {
                        let request = asked.request.as_ref();
                        asked.answer.is_none() && request.is_some_and(|(n, _)| *n == number)
                    };
                    // An answer to something else, or a second one, is none.
                    let Some(found) = asked.iter_mut().find(is_it) else {
                        continue;
                    };
                    match answer {
                        Ok(result) => {
                            let wrong = wrong_with(&found.method, &result);
                            found.answer = Some(result);
                            if let Some(wrong) = wrong {
                                let method = found.method.clone();
                                self.take_back(&asked, "the call has ended").await?;
                                let text = format!("The client's answer to {method} {wrong}.");
                                return Ok(Err(self.dressing.trouble(&text)));
                            }
                        }
                        // A modern server knows results only: nothing is left to tell it.
                        Err(error) if self.dressing.upstream().is_modern() => {
                            found.answer = Some(error.clone());
                            self.take_back(&asked, "the call has ended").await?;
                            return Ok(Err(self.refused_by_client(&error)));
                        }
                        Err(error) => found.answer = Some(wrapped(&error)),
                    }
                }
                Err(_) => {
                    self.take_back(&asked, "no answer in time").await?;
                    let text = "The client did not answer in time what the server asked.";
                    return Ok(Err(self.dressing.trouble(text)));
                }
            }
        }
        Ok(Ok(responses(&asked)))
    }

    async fn send_requests(
        &mut self,
        client: &LegacyClient,
        required: &InputRequired,
    ) -> Result<Result<Vec<Asked>, Answer>, Cancelled> {
        let Some(raw) = &required.requests else {
            return Ok(Ok(Vec::new()));
        };
        let renamed = match self.dressing.upstream().is_bare() {
            true => Ok(raw.clone()),
            false => rename(Shape::InputRequests, raw, self.dressing.upstream().rename()),
        };
        let text = renamed.as_ref().ok();
        let text = text.and_then(|json| std::str::from_utf8(json).ok());
        let Some(Ok(requests)) = text.map(input_requests) else {
            let text = "The upstream asked what cannot be read.";
            return Ok(Err(self.dressing.garbage(text)));
        };
        if let Some(answer) = self.unanswerable_url(&requests) {
            return Ok(Err(answer));
        }
        if !requests.is_empty() && !self.line.talks() {
            let text = "The server asks for input, which this client cannot be asked for here.";
            return Ok(Err(self.dressing.trouble(text)));
        }
        if self.dressing.upstream().is_modern() {
            let able = &self.call.client.capabilities;
            let lacks = |request: &InputRequest<'_>| {
                lacking(able, &request.method, elicitation_mode(request.params))
            };
            if let Some(required) = requests.iter().find_map(lacks) {
                return Ok(Err(self.incapable(&required)));
            }
        }
        let mut all = Vec::with_capacity(requests.len());
        for request in requests {
            let key = serde_json::to_string(&request.key).expect("a string is JSON");
            let method = request.method.to_string();
            all.push(match self.question(client, &request) {
                Ok((number, id, message)) => {
                    self.line.say(message).await?;
                    Asked {
                        key,
                        method,
                        request: Some((number, id)),
                        answer: None,
                    }
                }
                Err(refusal) => Asked {
                    key,
                    method,
                    request: None,
                    answer: Some(refusal),
                },
            });
        }
        Ok(Ok(all))
    }

    /// The request as the client's revision has it, or the answer that it would give.
    fn question(
        &mut self,
        client: &LegacyClient,
        request: &InputRequest<'_>,
    ) -> Result<(u64, String, Bytes), Bytes> {
        let refusal = |code: i64, message: &str| {
            let error = json!({"error": {"code": code, "message": message}});
            Bytes::from(error.to_string())
        };
        let mode = elicitation_mode(request.params);
        if lacking(&self.call.client.capabilities, &request.method, mode).is_some() {
            return Err(match request.method.as_ref() {
                "elicitation/create" => {
                    refusal(codes::INVALID_PARAMS, "The client has no such elicitation")
                }
                _ => refusal(codes::METHOD_NOT_FOUND, "The client cannot do this"),
            });
        }
        let elicitation = self.dressing.caller.app.ids.next().to_string();
        let version = client.session.version;
        let Some(params) = request_for_legacy(request, version, &elicitation) else {
            let message = "The client's revision of the protocol cannot be asked this";
            return Err(refusal(codes::INVALID_PARAMS, message));
        };
        let (number, id) = self.line.next_question();
        let method = serde_json::to_string(&request.method).expect("a string is JSON");
        let params = String::from_utf8_lossy(&params);
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#);
        Ok((number, id, Bytes::from(message)))
    }

    /// A page that the client cannot open, or cannot be told of here, is left to its user, in words.
    fn unanswerable_url(&self, requests: &[InputRequest<'_>]) -> Option<Answer> {
        let can_be_asked = self.call.client.capabilities.elicitation_url && self.line.talks();
        if can_be_asked || self.call.request.method != Method::CallTool {
            return None;
        }
        let is_url = |request: &&InputRequest<'_>| {
            request.method == "elicitation/create"
                && elicitation_mode(request.params) == ElicitationMode::Url
        };
        let request = requests.iter().find(is_url)?;
        let params: serde_json::Value = serde_json::from_str(request.params?.get()).ok()?;
        let (message, url) = (params["message"].as_str(), params["url"].as_str()?);
        let message = message.unwrap_or("The server asks to open a page");
        let text = format!("{message}\nOpen {url} and then call the tool again.");
        Some(self.dressing.tool_error(&text))
    }

    /// The client answered with an error what a modern server asked.
    fn refused_by_client(&self, error: &Bytes) -> Answer {
        let read: serde_json::Value = serde_json::from_slice(error).unwrap_or_default();
        let message = read["message"].as_str().unwrap_or("no reason was given");
        let text = format!("The client did not do what the server asked: {message}");
        self.dressing.trouble(&text)
    }

    /// A modern server asks what the client did not declare.
    fn incapable(&self, required: &serde_json::Value) -> Answer {
        let data = json!({"requiredCapabilities": required}).to_string();
        self.dressing.error(&RpcError {
            code: codes::MISSING_CLIENT_CAPABILITY,
            message: "it asks for a capability that was not declared".to_owned(),
            data: Some(Bytes::from(data)),
            raw: None,
        })
    }

    /// Nobody waits for these answers any more.
    async fn take_back(&mut self, asked: &[Asked], why: &str) -> Result<(), Cancelled> {
        let open = asked.iter().filter(|asked| asked.answer.is_none());
        for (_, id) in open.filter_map(|asked| asked.request.as_ref()) {
            let params = format!(r#"{{"requestId":{id},"reason":"{why}"}}"#);
            let message = notification("notifications/cancelled", params.as_bytes());
            self.line.say(message).await?;
        }
        Ok(())
    }
}

/// What a client's result must be, and is not.
fn wrong_with(method: &str, result: &Bytes) -> Option<&'static str> {
    let kind = InputKind::of(method)?;
    match serde_json::from_slice::<&RawValue>(result) {
        Ok(result) => kind.check(result).err(),
        Err(_) => Some("must be an object"),
    }
}

fn wrapped(error: &Bytes) -> Bytes {
    [b"{\"error\":".as_slice(), error, b"}"].concat().into()
}

fn responses(asked: &[Asked]) -> Bytes {
    let mut out = Vec::from(b"{");
    for asked in asked {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(asked.key.as_bytes());
        out.push(b':');
        out.extend_from_slice(asked.answer.as_deref().unwrap_or(b"{}"));
    }
    out.push(b'}');
    out.into()
}
