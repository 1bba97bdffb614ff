//! What comes of a message, in the form that fits it and that the client takes.

use ::mcp::codes;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::delivery::Delivery;
use super::direct;
use super::inbound::{Counted, Inbound, era_of};
use super::pump;
use super::respond::{Open, as_event, events, lasting_events, no_events, whole};
use super::tail::{Holds, Tail};
use crate::core::{Answer, Client, Ended, LegacyClient, Reply, Running, Step};
use crate::hub::Listen;
use crate::metrics::{End, Era, Method};

impl Inbound {
    pub(super) async fn send(&self, method: Method, client: Client, reply: Reply) -> Response {
        match reply {
            Reply::Message(answer) => self.send_answer(method, era_of(&client), answer),
            Reply::Running(running) => self.send_running(method, &client, running).await,
            Reply::Listen(listen) => self.send_notifications(method, &client, *listen),
        }
    }

    pub(super) fn send_answer(&self, method: Method, era: Era, answer: Answer) -> Response {
        self.count(method, era, answer.end);
        if self.accepts.json || answer.status != StatusCode::OK {
            whole(answer)
        } else {
            as_event(answer)
        }
    }

    /// A request that ends before anything else happens is answered by one document; otherwise
    /// the answer becomes a stream, at the first message or when the connection begins to look
    /// dead.
    async fn send_running(
        &self,
        method: Method,
        client: &Client,
        mut running: Box<Running>,
    ) -> Response {
        let era = era_of(client);
        if !self.accepts.stream {
            return match end_of(&mut running).await {
                Ended::Answer(answer) => self.send_answer(method, era, answer),
                Ended::Cancelled => {
                    self.count(method, era, End::Cancelled);
                    StatusCode::ACCEPTED.into_response()
                }
            };
        }
        let patience = self.caller.app.config.stream_after;
        let first = match tokio::time::timeout(patience, running.step()).await {
            Ok(Step::End(ended)) if running.is_quiet() => {
                return match ended {
                    Ended::Answer(answer) => self.send_answer(method, era, answer),
                    Ended::Cancelled => {
                        self.count(method, era, End::Cancelled);
                        no_events()
                    }
                };
            }
            Ok(step) => Some(step),
            Err(_) => None,
        };
        let counted = self.counted(method, era);
        match client {
            Client::Modern(_) => self.send_directly(running, first, counted),
            Client::Legacy(client) => self.send_resumably(client, running, first, counted).await,
        }
    }

    /// A stream that lives with its connection.
    fn send_directly(
        &self,
        running: Box<Running>,
        first: Option<Step>,
        counted: Counted,
    ) -> Response {
        let app = &self.caller.app;
        let open = Open::count(&app.metrics.streams);
        events(direct::run(
            running,
            first,
            app.config.keep_alive,
            counted,
            open,
        ))
    }

    /// A stream that the client may take up again from another connection. When streams cannot be
    /// kept now, it gets one that it cannot: an answer is worth more than its repetition.
    async fn send_resumably(
        &self,
        client: &LegacyClient,
        running: Box<Running>,
        first: Option<Step>,
        counted: Counted,
    ) -> Response {
        let app = &self.caller.app;
        let (session, stream) = (client.session.id, app.ids.next());
        let words = running.last_words();
        let reader = match app.streams.begin(session, stream, words).await {
            Ok(Some(reader)) => reader,
            Ok(None) => return self.send_directly(running, first, counted),
            Err(error) => {
                tracing::warn!("a stream cannot be kept for resumption: {error}");
                return self.send_directly(running, first, counted);
            }
        };
        let place = (session, reader.stream);
        let (delivery, direct) = Delivery::with_connection(app.clone(), place.0, place.1);
        let pumped = app.clone();
        let tasks = &app.process.tasks;
        tasks.disposable("stream of a legacy request", async move {
            pump::run(&pumped, delivery, running, first, counted).await
        });
        let tail = Tail::begin(app.clone(), reader, client.session.version, Holds::Answer);
        events(tail.or_directly(direct).events())
    }

    /// The stream of a modern `subscriptions/listen`.
    fn send_notifications(&self, method: Method, client: &Client, listen: Listen) -> Response {
        if !self.accepts.stream {
            let message = "Not Acceptable: the answer is a stream of events";
            let (status, code) = (StatusCode::NOT_ACCEPTABLE, codes::INVALID_REQUEST);
            let answer = Answer::refused(status, &listen.id, code, message, None);
            return self.send_answer(method, era_of(client), answer);
        }
        let (app, id) = (&self.caller.app, listen.id.clone());
        match app.hub.subscribe(self.caller.place(client), listen) {
            Ok(subscription) => {
                self.count(method, era_of(client), End::Ok);
                let open = Open::count(&app.metrics.streams);
                let keep_alive = app.config.keep_alive;
                lasting_events(direct::listen(subscription, keep_alive, open))
            }
            Err(too_many) => {
                let answer = Answer::too_many(&id, &too_many.message());
                self.send_answer(method, era_of(client), answer)
            }
        }
    }
}

/// The end of a request whose messages nobody can be told.
pub(super) async fn end_of(running: &mut Running) -> Ended {
    loop {
        if let Step::End(ended) = running.step().await {
            return ended;
        }
    }
}
