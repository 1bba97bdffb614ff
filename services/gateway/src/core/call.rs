//! Beginning a request that runs upstream.

use std::sync::Arc;

use ::mcp::{ClientProfile, Meta, Params, codes, members};
use bytes::Bytes;
use fabric::{Call, Inputs, Method, Request};
use http::HeaderMap;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::anew::Anew;
use super::answer::Answer;
use super::client::Client;
use super::dispatch::Exchange;
use super::dressing::Dressing;
use super::flight::{Flight, Grounded};
use super::input_state::{Answers, InputState, malformed};
use super::line::Line;
use super::live_list::{LiveList, Place, has};
use super::recorded::Recorded;
use super::rounds::Rounds;
use super::routes::Route;
use super::running::{Ended, Reply, Running};
use super::trace;
use crate::snapshot::Reads;

/// What a request goes on with.
#[derive(Default)]
struct TakenUp {
    inputs: Option<Inputs>,
    /// How often the upstream has asked back.
    round: u32,
    anew: Option<Anew>,
}

/// A place among the requests under way, and the line to the client.
struct Begun {
    flight: Flight,
    line: Line,
    messages: Option<tokio::sync::mpsc::Receiver<Bytes>>,
}

impl Exchange<'_> {
    /// Has an upstream run a request.
    pub(super) async fn run(
        &self,
        route: Route,
        params: &Params<'_>,
        meta: &Meta<'_>,
        headers: Option<&HeaderMap>,
        recorded: &mut Option<Box<Recorded>>,
    ) -> Result<Reply, Answer> {
        self.admit().await?;
        let mut request = route.request;
        let method = request.method;
        let taken_up = self.inputs(&request, route.upstream, params).await?;
        let TakenUp {
            inputs,
            round,
            anew,
        } = taken_up;
        // A modern server keeps nothing of the call.
        let upstream = &self.caller.endpoint.upstreams()[route.upstream];
        if let Some(recorded) = recorded {
            recorded.route(method, params, &upstream.slug);
        }
        let may_repeat = route.repeatable && !upstream.is_modern();
        let anew = may_repeat.then(|| anew.unwrap_or_default());
        let offers = matches!(
            method,
            Method::GetPrompt | Method::ReadResource | Method::Complete
        );
        let reads = match offers && upstream.is_native() {
            true => Reads::Surely,
            false => route.reads,
        };
        request.only_reads = reads == Reads::Surely;
        request.inputs = request.inputs.or(inputs);
        let token = meta.progress_token.filter(|_| self.can_stream);
        request.progress = token.is_some();
        let profile = self.client.profile_for(self.can_stream);
        let talks = self.can_stream
            && (!self.client.is_modern() || token.is_some() || profile.log_level.is_some());
        let begun = self.begin(talks).await?;
        let rounds = Rounds {
            call: self.call(route.upstream, request, profile, params, headers, recorded),
            dressing: Dressing {
                wrapped: route.wrapped,
                reads,
                task: route.task,
                ..self.dressing_of(route.upstream, method)
            },
            line: begun.line,
            progress: token.map(|token| token.get().into()),
            round,
            anew,
            _flight: begun.flight,
        };
        Ok(self.running(rounds.run(), begun.messages))
    }

    /// Has upstreams list something.
    pub(super) async fn list(
        &self,
        method: Method,
        params: &Params<'_>,
        headers: Option<&HeaderMap>,
        recorded: &Option<Box<Recorded>>,
    ) -> Result<Reply, Answer> {
        let endpoint = &self.caller.endpoint;
        let place = match params.cursor.as_deref() {
            Some(sealed) => Place::open(self.caller, method, sealed)
                .ok_or_else(|| Answer::invalid_params(self.id, "Invalid cursor"))?,
            None => Place {
                slug: String::new(),
                cursor: None,
            },
        };
        self.admit().await?;
        let at = endpoint.upstreams().iter().position(|up| has(up, method));
        let at = at.unwrap_or_default();
        let request = Request {
            rest: params.rest(method.as_str(), &["cursor"]),
            ..Request::new(method, None)
        };
        // As for calls: what a server has can depend on whom it believes to be asked by.
        let profile = self.client.profile_for(self.can_stream);
        let begun = self.begin(false).await?;
        let list = LiveList {
            dressing: self.dressing_of(at, method),
            call: self.call(at, request, profile, params, headers, recorded),
            place,
            line: begun.line,
            _flight: begun.flight,
        };
        Ok(self.running(list.run(), begun.messages))
    }

    /// Takes a place among the requests under way, and opens the line.
    async fn begin(&self, talks: bool) -> Result<Begun, Answer> {
        let app = &self.caller.app;
        let flight = self.flight()?;
        // Only a legacy client is asked by requests, whose ids name the call.
        let call = match self.client {
            Client::Legacy(_) => app.ids.next(),
            Client::Modern(_) => Uuid::nil(),
        };
        let (mut line, messages) = Line::one_way(call, talks);
        if let Client::Legacy(client) = &self.client {
            let (session, depth) = (client.session.id, app.config.json_max_depth);
            let opened = line.open_mail(app.mailboxes.as_ref(), session, self.id, depth);
            let opened = opened.await;
            opened.map_err(|error| Answer::unavailable(self.id, &error))?;
        }
        Ok(Begun {
            flight,
            line,
            messages,
        })
    }

    /// Counts the request among those of its key and tenant. Before anything of it is begun, or used
    /// up: who is refused can come again.
    pub(super) async fn admit(&self) -> Result<(), Answer> {
        let (tenant, key) = (self.caller.tenant, self.caller.principal.key);
        let admitted = self.caller.app.limits.admit(tenant, key).await;
        admitted.map_err(|limited| Answer::limited(self.id, &limited))
    }

    /// Takes a place among the requests under way.
    pub(super) fn flight(&self) -> Result<Flight, Answer> {
        let app = &self.caller.app;
        let legacy = self.client.legacy();
        let id = legacy.map(|client| (client.session.id, self.id));
        let flight = app.flights.begin(self.caller.principal.key, id);
        flight.map_err(|grounded| match grounded {
            Grounded::TooMany => {
                let max = app.config.calls_in_flight_per_key;
                let message = format!("Too many requests: a key may have {max} under way");
                Answer::too_many(self.id, &message)
            }
            Grounded::SameId => {
                let message = "Invalid Request: a request with this id is in flight";
                Answer::bad_request(self.id, codes::INVALID_REQUEST, message)
            }
        })
    }

    pub(super) fn running(
        &self,
        work: impl Future<Output = Ended> + Send + 'static,
        messages: Option<tokio::sync::mpsc::Receiver<Bytes>>,
    ) -> Reply {
        // Only a modern client cancels by going away (2026-07-28); for a legacy one it goes on.
        let (after, id) = match self.client {
            Client::Modern(_) => (None, None),
            Client::Legacy(_) => (
                Some(self.caller.app.process.tasks.clone()),
                Some(self.id.into()),
            ),
        };
        Reply::Running(Box::new(Running::new(Box::pin(work), messages, after, id)))
    }

    fn dressing_of(&self, upstream: usize, method: Method) -> Dressing {
        Dressing {
            caller: self.caller.clone(),
            client: self.client.clone(),
            id: self.id.into(),
            method,
            upstream,
            wrapped: false,
            reads: Reads::default(),
            task: None,
        }
    }

    fn call(
        &self,
        upstream: usize,
        request: Request,
        client: Arc<ClientProfile>,
        params: &Params<'_>,
        headers: Option<&HeaderMap>,
        recorded: &Option<Box<Recorded>>,
    ) -> Call {
        let config = &self.caller.app.config;
        let own = recorded.as_ref().map(|recorded| recorded.context());
        let upstream = &self.caller.endpoint.upstreams()[upstream];
        Call {
            tenant: self.caller.tenant,
            connector: upstream.connector,
            version: upstream.version,
            accounts: upstream.accounts,
            request: Request {
                meta: trace::travelling(params.meta, headers, &config.baggage, own),
                ..request
            },
            client,
            principal: self.caller.principal,
            session: self.client.legacy().map(|client| client.session.id),
            user_token: self.user_token.clone(),
            deadline: config.call_deadline,
            request_id: self.request_id.to_owned(),
            affinity: upstream.affinity,
        }
    }

    /// What a modern client brings to a further round of a call: the inputs, and how often the
    /// upstream has asked back. A legacy client has no such rounds.
    async fn inputs(
        &self,
        request: &Request,
        upstream: usize,
        params: &Params<'_>,
    ) -> Result<TakenUp, Answer> {
        let method = request.method;
        let rounds = matches!(
            method,
            Method::CallTool | Method::GetPrompt | Method::ReadResource
        );
        if !rounds || !self.client.is_modern() {
            return Ok(TakenUp::default());
        }
        let answers = self.answers(params.input_responses)?;
        let responses = params.input_responses;
        let responses = responses.map(|raw| Bytes::copy_from_slice(raw.get().as_bytes()));
        let Some(sealed) = params.request_state.as_deref() else {
            // Answers without a state: the upstream may know what they answer.
            let inputs = responses.map(|responses| Inputs {
                responses: Some(responses),
                state: None,
            });
            return Ok(TakenUp {
                inputs,
                ..TakenUp::default()
            });
        };
        let connector = self.caller.endpoint.upstreams()[upstream].connector;
        let connector = connector.as_uuid();
        let state =
            InputState::take_up(self.caller, self.id, sealed, connector, request, &answers).await?;
        let mut anew = state.anew;
        if let Some(anew) = &mut anew {
            anew.answers(responses.as_deref());
        }
        let inputs = (!state.again).then_some(Inputs {
            responses,
            state: state.upstream,
        });
        Ok(TakenUp {
            inputs,
            round: state.round,
            anew,
        })
    }
    /// The answers that a request brings, by key: each an object, as every kind of them is.
    fn answers<'r>(&self, raw: Option<&'r RawValue>) -> Result<Answers<'r>, Answer> {
        let Some(raw) = raw else {
            return Ok(Answers::new());
        };
        let all = Some(raw.get()).filter(|text| text.starts_with('{'));
        let all = all.and_then(|text| members(text).ok()).ok_or_else(|| {
            let message = "params.inputResponses must be an object";
            Answer::invalid_params(self.id, message)
        })?;
        let mut answers = Answers::with_capacity(all.len());
        for (key, answer) in all {
            if !answer.get().starts_with('{') {
                return Err(malformed(self.id, &key, "must be an object"));
            }
            if answers.contains_key(&key) {
                return Err(malformed(self.id, &key, "is given twice"));
            }
            answers.insert(key, answer);
        }
        Ok(answers)
    }
}
