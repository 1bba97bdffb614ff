//! `logging/setLevel` of legacy clients: kept with the session, sent along with each call.

use ::mcp::{LogLevel, Params};
use cache::Changed;

use super::answer::Answer;
use super::client::LegacyClient;
use super::dispatch::Exchange;
use super::handshake::SessionGone;
use super::running::{Ended, Reply};

impl Exchange<'_> {
    pub(super) async fn set_level(
        &self,
        client: &LegacyClient,
        params: &Params<'_>,
    ) -> Result<Reply, Answer> {
        let Some(level) = params.log_level() else {
            let all = LogLevel::ALL.map(LogLevel::as_str).join(", ");
            let message = format!("params.level must be one of {all}");
            return Err(Answer::invalid_params(self.id, &message));
        };
        self.admit().await?;
        let (app, session) = (&self.caller.app, client.session.id);
        match app.sessions.set_log_level(session, level.as_str()).await {
            Ok(Changed::Done | Changed::Full) => {}
            Ok(Changed::Gone) => return Err(SessionGone::Gone.answer(self.id)),
            Err(error) => return Err(Answer::unavailable(self.id, &error)),
        }
        let flight = self.flight()?;
        let (app, id) = (app.clone(), self.id.to_owned());
        let work = async move {
            let _flight = flight;
            if let Ok(Some(record)) = app.sessions.touch(session).await {
                // Of a level nothing can be refused.
                app.hub.session_changed(session, &record, None).await.ok();
            }
            Ended::Answer(Answer::result(&id, b"{}"))
        };
        Ok(self.running(work, None))
    }
}
