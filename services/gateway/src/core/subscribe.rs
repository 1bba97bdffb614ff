//! `resources/subscribe` and `resources/unsubscribe` of legacy clients: kept with the session, and
//! served by the hub on the session's stream. They are answered when that is so: what happens to
//! the resource right after the answer is told.

use ::mcp::{Params, codes};
use cache::Changed;

use super::answer::Answer;
use super::client::LegacyClient;
use super::dispatch::Exchange;
use super::errors::resource_not_found;
use super::handshake::SessionGone;
use super::running::{Ended, Reply};
use crate::hub::Refusal;

impl Exchange<'_> {
    pub(super) async fn subscribe(
        &self,
        client: &LegacyClient,
        params: &Params<'_>,
        wanted: bool,
    ) -> Result<Reply, Answer> {
        let Some(uri) = params.uri.as_deref() else {
            return Err(Answer::invalid_params(self.id, "params.uri is missing"));
        };
        let app = &self.caller.app;
        let (session, sessions) = (client.session.id, &app.sessions);
        let unavailable = |error| Answer::unavailable(self.id, &error);
        let changed = if wanted {
            self.admit().await?;
            match self.caller.endpoint.resource(uri) {
                None => return Err(resource_not_found(self.id, &self.client, uri)),
                Some((upstream, _)) if !upstream.can_subscribe() => {
                    let message = "The server of this resource takes no subscriptions";
                    return Err(Answer::invalid_params(self.id, message));
                }
                Some(_) => {}
            }
            sessions.subscribe(session, uri).await
        } else {
            sessions.unsubscribe(session, uri).await
        };
        match changed.map_err(unavailable)? {
            Changed::Done => {}
            Changed::Gone => return Err(SessionGone::Gone.answer(self.id)),
            Changed::Full => {
                let max = app.config.subscriptions_per_session;
                let message = format!("A session may have {max} subscriptions");
                return Err(Answer::error(
                    self.id,
                    codes::INTERNAL_ERROR,
                    &message,
                    None,
                ));
            }
        }
        let record = sessions.touch(session).await.map_err(unavailable)?;
        let record = record.ok_or_else(|| SessionGone::Gone.answer(self.id))?;
        let flight = self.flight()?;
        let (app, id, uri) = (app.clone(), self.id.to_owned(), uri.to_owned());
        let client = self.client.clone();
        let work = async move {
            let _flight = flight;
            let subscribed = Some(uri.as_str()).filter(|_| wanted);
            let held = app.hub.session_changed(session, &record, subscribed).await;
            Ended::Answer(match held {
                Ok(()) => Answer::result(&id, b"{}"),
                Err(refusal) => {
                    // Best effort: one that is refused is never told of anyway.
                    if let Err(error) = app.sessions.unsubscribe(session, &uri).await {
                        tracing::debug!("a refused subscription stays in its record: {error}");
                    }
                    match refusal.code {
                        codes::RESOURCE_NOT_FOUND | codes::INVALID_PARAMS => {
                            resource_not_found(&id, &client, &uri)
                        }
                        _ => refused(&id, &refusal),
                    }
                }
            })
        };
        Ok(self.running(work, None))
    }
}

fn refused(id: &str, refusal: &Refusal) -> Answer {
    let message = format!("The server refuses the subscription: {}", refusal.message);
    Answer::error(id, codes::INTERNAL_ERROR, &message, None)
}
