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
        let sessions = &self.caller.app.sessions;
        match sessions
            .set_log_level(client.session.id, level.as_str())
            .await
        {
            Ok(Changed::Done | Changed::Full) => Answer::result(self.id, b"{}"),
            Ok(Changed::Gone) => SessionGone::Gone.answer(self.id),
            Err(error) => Answer::unavailable(self.id, &error),
        }
    }
}
