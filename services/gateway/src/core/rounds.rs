//! A call as its client lives it: its events, what it is asked, and its end. One model for all:
//! an upstream that asks back ends a round, and the next round brings the answers.

use std::sync::Arc;

use ::mcp::mrtr::{
    ElicitationMode, InputKind, InputRequest, elicitation_mode, input_requests, requests_for_modern,
};
use ::mcp::rename::{Shape, rename};
use ::mcp::{ClientCapabilities, codes};
use bytes::Bytes;
use fabric::{Call, Execute, InputRequired, Inputs, Method, Outcome, Request, RpcError};
use runtime::Tasks;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::anew::Anew;
use super::answer::Answer;
use super::client::Client;
use super::dressing::Dressing;
use super::errors::missing_capability;
use super::flight::Flight;
use super::input_state::{InputState, NotParked, Parking};
use super::line::{Cancelled, Line};
use super::progress;
use super::running::Ended;
use crate::metrics::End;

/// Events of a call on their way here; beyond, the worker waits.
const EVENTS: usize = 16;

/// A call under way.
pub(super) struct Rounds {
    pub(super) dressing: Dressing,
    /// What is executed; each round with the inputs of the one before.
    pub(super) call: Call,
    pub(super) line: Line,
    /// The client's own token, as it was written.
    pub(super) progress: Option<Box<str>>,
    /// How often the upstream has asked back.
    pub(super) round: u32,
    /// Of a call that may be repeated without harm.
    pub(super) anew: Option<Anew>,
    pub(super) _flight: Flight,
}

impl Rounds {
    pub(super) async fn run(mut self) -> Ended {
        match self.rounds().await {
            Ok(answer) => Ended::Answer(answer),
            Err(Cancelled) => Ended::Cancelled,
        }
    }

    async fn rounds(&mut self) -> Result<Answer, Cancelled> {
        loop {
            let outcome = self.execute().await?;
            if self.begin_anew(&outcome) {
                continue;
            }
            let (required, again) = match outcome {
                Outcome::InputRequired(required) if self.may_be_asked() => (required, false),
                Outcome::Error(error) => match self.urls_to_open(&error) {
                    Some(required) => (required, true),
                    None => return Ok(self.dressing.error(&error)),
                },
                outcome => return Ok(self.dressing.answer(outcome)),
            };
            self.round += 1;
            let parked = self.parked(&required);
            if self.round > self.dressing.caller.app.config.input_rounds {
                return Ok(self.dressing.trouble("The upstream asked back too often."));
            }
            let (requests, state) = (required.requests.as_deref(), required.state.as_ref());
            if let Some(inputs) = self.answered_before(requests, state) {
                parked.taken_over();
                self.call.request.inputs = Some(inputs);
                continue;
            }
            let asked = match &self.dressing.client {
                Client::Modern(_) => {
                    let answer = self.hand_out(required, again);
                    if answer.end == End::InputRequired {
                        parked.taken_over();
                    }
                    return Ok(answer);
                }
                Client::Legacy(client) => {
                    let client = client.clone();
                    self.ask(&client, &required).await?
                }
            };
            match asked {
                Ok(responses) => {
                    parked.taken_over();
                    if let Some(anew) = &mut self.anew {
                        anew.answers(Some(&responses));
                    }
                    let (responses, state) = (Some(responses), required.state);
                    self.call.request.inputs = Some(Inputs { responses, state });
                }
                Err(answer) => return Ok(answer),
            }
        }
    }

    /// What waits in a worker for the answers, until somebody takes it over.
    fn parked(&self, required: &InputRequired) -> Forsaken {
        let app = &self.dressing.caller.app;
        let mut call = self.call.clone();
        call.request = Request {
            to_its_end: call.request.to_its_end,
            ..Request::new(Method::GiveUp, None)
        };
        let call = required.state.clone().map(|state| {
            call.request.inputs = Some(Inputs {
                responses: None,
                state: Some(state),
            });
            call
        });
        Forsaken {
            call,
            workers: app.workers.clone(),
            tasks: app.process.tasks.clone(),
        }
    }

    /// One round: events go to the client while the worker works.
    async fn execute(&mut self) -> Result<Outcome, Cancelled> {
        let workers = self.dressing.caller.app.workers.clone();
        let client = &self.call.client;
        let opens = self.call.session.is_some() && client.capabilities.elicitation_url;
        let wanted = self.progress.is_some() || client.log_level.is_some() || opens;
        let (sender, mut events) = match wanted && self.line.talks() {
            true => {
                let (sender, events) = mpsc::channel(EVENTS);
                (Some(sender), Some(events))
            }
            false => (None, None),
        };
        let mut work = workers.execute(self.call.clone(), sender);
        let token = self.progress.as_deref();
        loop {
            tokio::select! {
                biased;
                () = self.line.cancelled() => return Err(Cancelled),
                Some(event) = next(&mut events) => {
                    if let Some(message) = progress::message(&event, token) {
                        self.line.say(message).await?;
                    }
                }
                outcome = &mut work => {
                    // What happened before the end is told before it.
                    while let Some(Ok(event)) = events.as_mut().map(mpsc::Receiver::try_recv) {
                        if let Some(message) = progress::message(&event, token) {
                            self.line.say(message).await?;
                        }
                    }
                    return Ok(outcome);
                }
            }
        }
    }

    fn may_be_asked(&self) -> bool {
        let method = self.call.request.method;
        matches!(
            method,
            Method::CallTool | Method::GetPrompt | Method::ReadResource
        )
    }

    /// -32042 in words of 2026-07-28: pages to open before the same call is made again. `None`
    /// where the error is told otherwise.
    fn urls_to_open(&self, error: &RpcError) -> Option<InputRequired> {
        let opens = self.call.client.capabilities.elicitation_url;
        if error.code != codes::URL_ELICITATION_REQUIRED
            || !(self.dressing.client.is_modern() && opens && self.may_be_asked())
        {
            return None;
        }
        let data: Value = serde_json::from_slice(error.data.as_deref()?).ok()?;
        let mut requests = serde_json::Map::new();
        for (number, elicitation) in data.get("elicitations")?.as_array()?.iter().enumerate() {
            let mut params = elicitation.as_object()?.clone();
            params.remove("elicitationId");
            params.insert("mode".to_owned(), "url".into());
            let request = json!({"method": "elicitation/create", "params": params});
            requests.insert(format!("url{}", number + 1), request);
        }
        if requests.is_empty() {
            return None;
        }
        Some(InputRequired {
            requests: Some(Bytes::from(Value::Object(requests).to_string())),
            state: None,
            meta: None,
        })
    }

    /// Ends a modern client's call with what the upstream asks, and a state to go on with.
    fn hand_out(&mut self, required: InputRequired, again: bool) -> Answer {
        let anew = self.anew.take();
        let (dressing, caller) = (&self.dressing, &self.dressing.caller);
        let requests = match self.requests(&required) {
            Ok(requests) => requests,
            Err(answer) => return answer,
        };
        let parking = Parking {
            connector: self.call.connector.as_uuid(),
            request: &self.call.request,
            asked: kinds(requests.as_deref()),
            upstream: required.state,
            round: self.round,
            again,
            anew,
        };
        let state = match InputState::hand_out(caller, parking) {
            Ok(state) => state,
            Err(NotParked::TooMany) => return self.too_many_parked(),
            Err(NotParked::TooLong) => {
                return dressing.garbage("The upstream's state is too long to be carried.");
            }
        };
        let result = ::mcp::mrtr::write_input_required(
            requests.as_deref(),
            Some(&state),
            required.meta.as_deref(),
            dressing.server(),
        );
        Answer::result(&dressing.id, &result).with_end(End::InputRequired)
    }

    pub(super) fn too_many_parked(&self) -> Answer {
        let text = "Too many calls wait for answers of their clients; try again later";
        Answer::error(&self.dressing.id, codes::INTERNAL_ERROR, text, None).with_again()
    }

    /// What a modern client is asked, under the endpoint's names.
    fn requests(&self, required: &InputRequired) -> Result<Option<Bytes>, Answer> {
        let Some(raw) = &required.requests else {
            return Ok(None);
        };
        let unreadable = || {
            self.dressing
                .garbage("The upstream asked what cannot be read.")
        };
        let text = std::str::from_utf8(raw).map_err(|_| unreadable())?;
        let able = &self.call.client.capabilities;
        for request in input_requests(text).map_err(|_| unreadable())? {
            let mode = elicitation_mode(request.params);
            if let Some(required) = lacking(able, &request.method, mode) {
                return Err(missing_capability(&self.dressing.id, &required));
            }
        }
        let upstream = self.dressing.upstream();
        let renamed = match upstream.is_bare() {
            true => raw.clone(),
            false => {
                rename(Shape::InputRequests, raw, upstream.rename()).map_err(|_| unreadable())?
            }
        };
        let text = std::str::from_utf8(&renamed).map_err(|_| unreadable())?;
        Ok(Some(requests_for_modern(text)))
    }
}

/// A call that waits for answers. Dropped before it is taken over, it is cancelled upstream: they
/// will not come.
struct Forsaken {
    call: Option<Call>,
    workers: Arc<dyn Execute>,
    tasks: Tasks,
}

impl Forsaken {
    fn taken_over(mut self) {
        self.call = None;
    }
}

impl Drop for Forsaken {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        let workers = self.workers.clone();
        self.tasks.disposable("give up a parked call", async move {
            workers.execute(call, None).await;
            Ok(())
        });
    }
}

/// What is asked, by key.
fn kinds(requests: Option<&[u8]>) -> Vec<(String, InputKind)> {
    let text = requests.and_then(|json| std::str::from_utf8(json).ok());
    let all = text.and_then(|text| input_requests(text).ok());
    let kind = |request: InputRequest<'_>| {
        let kind = InputKind::of(&request.method)?;
        Some((request.key.into_owned(), kind))
    };
    all.into_iter().flatten().filter_map(kind).collect()
}

/// The capability that a client lacks for being asked this, in the words of the protocol.
pub(super) fn lacking(
    able: &ClientCapabilities,
    method: &str,
    mode: ElicitationMode,
) -> Option<Value> {
    let (can, required) = match (method, mode) {
        ("roots/list", _) => (able.roots, json!({"roots": {}})),
        ("sampling/createMessage", _) => (able.sampling, json!({"sampling": {}})),
        ("elicitation/create", ElicitationMode::Form) => {
            (able.elicitation_form, json!({"elicitation": {"form": {}}}))
        }
        ("elicitation/create", ElicitationMode::Url) => {
            (able.elicitation_url, json!({"elicitation": {"url": {}}}))
        }
        _ => (false, json!({})),
    };
    (!can).then_some(required)
}

async fn next(events: &mut Option<mpsc::Receiver<fabric::CallEvent>>) -> Option<fabric::CallEvent> {
    events.as_mut()?.recv().await
}
