//! `logging/setLevel` of legacy clients: kept with the session, sent along with each call.

use ::mcp::{LogLevel, Params};
use cache::Changed;

use super::answer::Answer;
use super::client::LegacyClient;
use super::dispatch::Exchange;
use super::handshake::SessionGone;

impl Exchange<'_> {
    pub(super) async fn set_level(&self, client: &LegacyClient, params: &Params<'_>) -> Answer {
        let Some(level) = params.log_level() else {
            let all = LogLevel::ALL.map(LogLevel::as_str).join(", ");
            let message = format!("params.level must be one of {all}");
            return Answer::invalid_params(self.id, &message);
        };
        let (app, session) = (&self.caller.app, client.session.id);
        match app.sessions.set_log_level(session, level.as_str()).await {
            Ok(Changed::Done | Changed::Full) => {}
            Ok(Changed::Gone) => return SessionGone::Gone.answer(self.id),
            Err(error) => return Answer::unavailable(self.id, &error),
        }
        if let Ok(Some(record)) = app.sessions.touch(session).await {
            app.hub.session_changed(session, &record).await;
        }
        Answer::result(self.id, b"{}")
    }
}
