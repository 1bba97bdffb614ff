//! Notifications in the words of each era.

use ::mcp::{keys, members, notification};
use bytes::Bytes;
use fabric::List;

use super::{Dress, Filter};

/// The notification of a list that changed.
pub(super) fn list_changed(list: List, dress: &Dress) -> Bytes {
    let method = match list {
        List::Tools => "notifications/tools/list_changed",
        List::Prompts => "notifications/prompts/list_changed",
        List::Resources => "notifications/resources/list_changed",
    };
    match dress {
        Dress::Legacy => Bytes::from(format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#)),
        Dress::Modern { .. } => notification(method, dressed("{}", dress).as_bytes()),
    }
}

/// The notification of a resource that was updated; `params` name it as the client knows it.
pub(super) fn resource_updated(params: &str, dress: &Dress) -> Bytes {
    let method = "notifications/resources/updated";
    notification(method, dressed(params, dress).as_bytes())
}

/// The notification of a task in another state, which `params` say as the client knows it.
pub(super) fn task(params: &str, dress: &Dress) -> Bytes {
    let method = "notifications/tasks";
    notification(method, dressed(params, dress).as_bytes())
}

/// The first message of a listen: what of it was accepted.
pub(super) fn acknowledged(filter: &Filter, id: &str) -> Bytes {
    let mut accepted = serde_json::Map::new();
    for (set, name) in [
        (filter.tools, "toolsListChanged"),
        (filter.prompts, "promptsListChanged"),
        (filter.resources, "resourcesListChanged"),
    ] {
        if set {
            accepted.insert(name.to_owned(), true.into());
        }
    }
    if !filter.uris.is_empty() {
        let uris: Vec<&str> = filter.uris.iter().map(AsRef::as_ref).collect();
        accepted.insert("resourceSubscriptions".to_owned(), uris.into());
    }
    if !filter.tasks.is_empty() {
        let ids: Vec<&str> = filter.tasks.iter().map(|task| &*task.known).collect();
        accepted.insert("taskIds".to_owned(), ids.into());
    }
    let accepted = serde_json::Value::Object(accepted);
    let params = format!(r#"{{"_meta":{},"notifications":{accepted}}}"#, meta(id));
    notification(
        "notifications/subscriptions/acknowledged",
        params.as_bytes(),
    )
}

/// The answer to a listen that the server ends.
pub(super) fn ended(id: &str, server_info: &str) -> Bytes {
    let result = format!(
        r#"{{"resultType":"complete","_meta":{{"{}":{id},"{}":{server_info}}}}}"#,
        keys::SUBSCRIPTION_ID,
        keys::SERVER_INFO,
    );
    ::mcp::result_response(id, result.as_bytes())
}

fn meta(id: &str) -> String {
    format!(r#"{{"{}":{id}}}"#, keys::SUBSCRIPTION_ID)
}

/// Params with the subscription that they are for, where the era knows such a thing. An
/// upstream's own subscription id is replaced, the rest of its `_meta` kept.
fn dressed(params: &str, dress: &Dress) -> String {
    let Ok(all) = members(params) else {
        return params.to_owned();
    };
    let own = |name: &str| name == keys::SUBSCRIPTION_ID || name == keys::SERVER_INFO;
    let mut meta: Vec<String> = Vec::new();
    if let Dress::Modern { subscription_id } = dress {
        meta.push(format!("\"{}\":{subscription_id}", keys::SUBSCRIPTION_ID));
    }
    let mut parts = Vec::with_capacity(all.len() + 1);
    let member = |name: &str, value: &str| {
        let name = serde_json::to_string(name).expect("a string is JSON");
        format!("{name}:{value}")
    };
    for (name, value) in &all {
        if name == "resultType" {
            continue; // of the result that a task's state was
        }
        if name != "_meta" {
            parts.push(member(name, value.get()));
            continue;
        }
        for (name, value) in members(value.get()).unwrap_or_default() {
            if !own(&name) {
                meta.push(member(&name, value.get()));
            }
        }
    }
    if !meta.is_empty() {
        parts.push(format!("\"_meta\":{{{}}}", meta.join(",")));
    }
    format!("{{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modern() -> Dress {
        Dress::Modern {
            subscription_id: "\"s\"".into(),
        }
    }

    #[test]
    fn each_era_is_told_in_its_own_words() {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();

        assert_eq!(
            text(list_changed(List::Prompts, &Dress::Legacy)),
            r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#
        );
        assert_eq!(
            text(list_changed(List::Tools, &modern())),
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}"#
        );
        let from_upstream =
            r#"{"uri":"a:b","x":1.0,"_meta":{"io.modelcontextprotocol/subscriptionId":7,"k":[ ]}}"#;
        assert_eq!(
            text(resource_updated(from_upstream, &Dress::Legacy)),
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b","x":1.0,"_meta":{"k":[ ]}}}"#
        );
        assert_eq!(
            text(resource_updated(from_upstream, &modern())),
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b","x":1.0,"_meta":{"io.modelcontextprotocol/subscriptionId":"s","k":[ ]}}}"#
        );
    }

    #[test]
    fn only_what_was_accepted_is_acknowledged() {
        let filter = Filter {
            tools: true,
            uris: vec!["a:b".into()],
            ..Filter::default()
        };
        assert_eq!(
            acknowledged(&filter, "7"),
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}}}"#
        );
    }
}
