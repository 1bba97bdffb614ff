//! `resources/subscribe` and `resources/unsubscribe` of legacy clients: kept with the session, and
//! served by the hub on the session's stream.

use ::mcp::{Params, codes};
use cache::Changed;

use super::answer::Answer;
use super::client::LegacyClient;
use super::dispatch::Exchange;
use super::errors::resource_not_found;
use super::handshake::SessionGone;

impl Exchange<'_> {
    pub(super) async fn subscribe(
        &self,
        client: &LegacyClient,
        params: &Params<'_>,
        wanted: bool,
    ) -> Answer {
        let Some(uri) = params.uri.as_deref() else {
            return Answer::invalid_params(self.id, "params.uri is missing");
        };
        let app = &self.caller.app;
        let (session, sessions) = (client.session.id, &app.sessions);
        let changed = if wanted {
            match self.caller.endpoint.resource(uri) {
                None => return resource_not_found(self.id, &self.client, uri),
                Some((upstream, _)) if !upstream.can_subscribe() => {
                    let message = "The server of this resource takes no subscriptions";
                    return Answer::invalid_params(self.id, message);
                }
                Some(_) => {}
            }
            sessions.subscribe(session, uri).await
        } else {
            sessions.unsubscribe(session, uri).await
        };
        match changed {
            Ok(Changed::Done) => {}
            Ok(Changed::Gone) => return SessionGone::Gone.answer(self.id),
            Ok(Changed::Full) => {
                let max = app.config.subscriptions_per_session;
                let message = format!("A session may have {max} subscriptions");
                return Answer::error(self.id, codes::INTERNAL_ERROR, &message, None);
            }
            Err(error) => return Answer::unavailable(self.id, &error),
        }
        match sessions.touch(session).await {
            Ok(Some(record)) => {
                app.hub.session_changed(session, &record).await;
                Answer::result(self.id, b"{}")
            }
            Ok(None) => SessionGone::Gone.answer(self.id),
            Err(error) => Answer::unavailable(self.id, &error),
        }
    }
}
