//! What a notification says of lists, resources and tasks.

use bytes::{BufMut, Bytes, BytesMut};
use domain::limits::JSON_MAX_DEPTH;
use fabric::List;
use mcp::{Message, keys};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a server told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    ListChanged(List),
    ResourceUpdated {
        uri: String,
        /// Without what belongs to this hop.
        params: Bytes,
    },
    /// A task, by the server's own id, has another state: the params, without what belongs to
    /// this hop.
    Task {
        id: String,
        params: Bytes,
    },
    /// Of a `subscriptions/listen`: what of it was accepted.
    Accepted(Accepted),
}

/// The accepted part of a `subscriptions/listen`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The listen's id, as JSON text.
    pub(super) subscription: String,
    pub(super) resources: Vec<String>,
    pub(super) tasks: Vec<String>,
}

impl Told {
    /// Reads a whole message; `None` when it tells nothing of the kind.
    pub(super) fn read(message: &Bytes) -> Option<Self> {
        let Ok(Message::Notification { method, params }) = mcp::parse(message, JSON_MAX_DEPTH)
        else {
            return None;
        };
        match &*method {
            "notifications/tools/list_changed" => Some(Self::ListChanged(List::Tools)),
            "notifications/prompts/list_changed" => Some(Self::ListChanged(List::Prompts)),
            "notifications/resources/list_changed" => Some(Self::ListChanged(List::Resources)),
            "notifications/resources/updated" => {
                #[derive(Deserialize)]
                struct Updated {
                    uri: String,
                }
                let params = params?.get();
                let Updated { uri } = serde_json::from_str(params).ok()?;
                let params = without_subscription(params)?;
                Some(Self::ResourceUpdated { uri, params })
            }
            "notifications/tasks" | "notifications/tasks/status" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Changed {
                    task_id: String,
                }
                let params = params?.get();
                let Changed { task_id: id } = serde_json::from_str(params).ok()?;
                let params = without_subscription(params)?;
                Some(Self::Task { id, params })
            }
            "notifications/subscriptions/acknowledged" => {
                #[derive(Deserialize)]
                struct Acknowledged {
                    #[serde(default)]
                    notifications: Filter,
                }
                #[derive(Default, Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Filter {
                    #[serde(default)]
                    resource_subscriptions: Vec<String>,
                    #[serde(default)]
                    task_ids: Vec<String>,
                }
                let all: Acknowledged = serde_json::from_str(params?.get()).ok()?;
                Some(Self::Accepted(Accepted {
                    subscription: subscription_of(params?)?,
                    resources: all.notifications.resource_subscriptions,
                    tasks: all.notifications.task_ids,
                }))
            }
            _ => None,
        }
    }
}

/// The listen that a notification belongs to, as JSON text.
pub(super) fn subscription_in(message: &[u8]) -> Option<String> {
    match mcp::parse(message, JSON_MAX_DEPTH) {
        Ok(Message::Notification { params, .. }) => subscription_of(params?),
        _ => None,
    }
}

fn subscription_of(params: &RawValue) -> Option<String> {
    let (_, meta) = member(params.get(), "_meta")?;
    let (_, id) = member(meta.get(), keys::SUBSCRIPTION_ID)?;
    Some(id.get().to_owned())
}

fn member<'a>(object: &'a str, name: &str) -> Option<(usize, &'a RawValue)> {
    let members = mcp::members(object).ok()?;
    let found = members.iter().position(|(found, _)| found == name)?;
    Some((found, members[found].1))
}

/// The params without the id of the subscription, which is ours alone; the rest byte for byte.
fn without_subscription(params: &str) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(params.len());
    put_object(&mut out, params, &mut |out, name, value| {
        if name != "_meta" {
            return false;
        }
        let Ok(meta) = mcp::members(value) else {
            return false;
        };
        if meta.iter().any(|(name, _)| name != keys::SUBSCRIPTION_ID) {
            put_name(out, name);
            // Checked above: it is an object.
            let _ = put_object(out, value, &mut |_, name, _| name == keys::SUBSCRIPTION_ID);
        }
        true
    })?;
    Some(out.freeze())
}

/// Writes an object's members, those that `instead` does not see to.
fn put_object(
    out: &mut BytesMut,
    object: &str,
    instead: &mut dyn FnMut(&mut BytesMut, &str, &str) -> bool,
) -> Option<()> {
    let members = mcp::members(object).ok()?;
    out.put_u8(b'{');
    for (name, value) in members {
        if !instead(out, &name, value.get()) {
            put_name(out, &name);
            out.put_slice(value.get().as_bytes());
        }
    }
    out.put_u8(b'}');
    Some(())
}

fn put_name(out: &mut BytesMut, name: &str) {
    if !out.ends_with(b"{") {
        out.put_u8(b',');
    }
    serde_json::to_writer(out.writer(), name).expect("a string is JSON");
    out.put_u8(b':');
}

/// Whether news of `updated` are for somebody who watches `watched`: the same, or a part of it.
pub(super) fn concerns(updated: &str, watched: &str) -> bool {
    let Some(rest) = updated.strip_prefix(watched) else {
        return false;
    };
    rest.is_empty() || watched.ends_with('/') || rest.starts_with(['/', '?', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Option<Told> {
        Told::read(&Bytes::from_static(text.as_bytes()))
    }

    fn params(text: &str) -> String {
        let message = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{text}}}"#
        );
        match Told::read(&message.into()) {
            Some(Told::ResourceUpdated { params, .. }) => {
                String::from_utf8(params.to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn news_of_a_resource_keep_everything_but_the_id_of_our_subscription() {
        let id = r#""io.modelcontextprotocol/subscriptionId":7"#;

        assert_eq!(
            params(&format!(r#"{{ "uri":"a:b" ,"_meta":{{{id}}},"x":1.0}}"#)),
            r#"{"uri":"a:b","x":1.0}"#
        );
        assert_eq!(
            params(&format!(r#"{{"_meta":{{"y":[1, 2],{id}}},"uri":"a:b"}}"#)),
            r#"{"_meta":{"y":[1, 2]},"uri":"a:b"}"#
        );
        assert_eq!(
            params(r#"{"uri":"a:b","_meta":null}"#),
            r#"{"uri":"a:b","_meta":null}"#
        );
    }

    #[test]
    fn an_acknowledgement_names_its_listen_whatever_type_the_id_has() {
        let accepted = |id: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}}}}}}"#
            );
            Told::read(&text.into())
        };

        for id in ["7", "\"7\""] {
            assert_eq!(
                accepted(id),
                Some(Told::Accepted(Accepted {
                    subscription: id.to_owned(),
                    resources: vec!["a:b".to_owned()],
                    tasks: Vec::new(),
                }))
            );
        }
    }

    #[test]
    fn what_tells_nothing_of_lists_or_resources_is_left_out() {
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":1}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"notifications/tools/list_changed"}"#,
            "[]",
            "x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn news_of_a_part_concern_who_watches_the_whole() {
        for (updated, watched) in [
            ("a://b/c", "a://b/c"),
            ("a://b/c/d", "a://b/c"),
            ("a://b/c?x", "a://b/c"),
            ("a://b/c", "a://b/"),
        ] {
            assert!(concerns(updated, watched), "{updated} {watched}");
        }
        assert!(!concerns("a://b/cd", "a://b/c") && !concerns("a://b", "a://b/c"));
    }
}
