//! `subscriptions/listen` of modern clients: what of the wish is granted. The hub does the rest.

use ::mcp::{ListenFilter, Params, codes};
use serde_json::json;

use super::answer::Answer;
use super::dispatch::Exchange;
use super::errors::missing_capability;
use super::running::Reply;
use super::task_id;
use crate::hub::{Filter, Listen, Task};

impl Exchange<'_> {
    /// No upstream is asked: clients listen before they do anything else.
    pub(super) fn listen(&self, params: &Params<'_>) -> Reply {
        let Some(raw) = params.notifications else {
            let message = "params.notifications is missing";
            return Reply::Message(Answer::invalid_params(self.id, message));
        };
        let max = self.caller.app.config.subscriptions_per_session;
        let wish = match ListenFilter::parse(raw, max) {
            Ok(wish) => wish,
            Err(error) => {
                let message = format!("Invalid params: {error}");
                let answer = Answer::error(self.id, codes::INVALID_PARAMS, &message, None);
                return Reply::Message(answer);
            }
        };
        if !wish.task_ids.is_empty() && !self.client.profile().capabilities.tasks {
            let required = json!({"extensions": {::mcp::TASKS_EXTENSION: {}}});
            return Reply::Message(missing_capability(self.id, &required));
        }
        let endpoint = &self.caller.endpoint;
        let can = endpoint.capabilities();
        let subscribable = |uri: &String| {
            let found = endpoint.resource(uri);
            found.is_some_and(|(upstream, _)| upstream.can_subscribe())
        };
        let uris = wish.resource_subscriptions.into_iter();
        // Whichever cannot be listened for is left out, and why is not told.
        let task = |known: String| {
            let (connector, own) = task_id::open(self.caller, &known)?;
            let task = Task {
                known: known.into(),
                connector,
                own: own.into(),
            };
            endpoint.position(connector).map(|_| task)
        };
        let tasks = wish.task_ids.into_iter();
        let filter = Filter {
            tools: wish.tools_list_changed,
            prompts: wish.prompts_list_changed && can.prompts_list_changed,
            resources: wish.resources_list_changed && can.resources_list_changed,
            uris: uris.filter(subscribable).map(String::into).collect(),
            tasks: tasks.filter_map(task).collect(),
        };
        Reply::Listen(Box::new(Listen {
            filter,
            id: self.id.into(),
            server_info: endpoint.server.json().into(),
        }))
    }
}
