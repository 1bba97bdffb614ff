//! The parts of `params` that a gateway reads.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::LogLevel;
use crate::edit::{quoted, string};
use crate::object::members;

/// `params` of a request or notification, as far as routing needs it. Unknown members are not
/// looked at, and those that only some methods have are left raw: to others they are unknown.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Params<'a> {
    #[serde(borrow, default)]
    pub name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub uri: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "taskId")]
    pub task_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub cursor: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub arguments: Option<&'a RawValue>,
    /// `ref` of `completion/complete`: see [`Reference`].
    #[serde(borrow, default, rename = "ref")]
    pub reference: Option<&'a RawValue>,
    /// `argument` of `completion/complete`.
    #[serde(borrow, default)]
    pub argument: Option<&'a RawValue>,
    /// `context` of `completion/complete` (since 2025-06-18).
    #[serde(borrow, default)]
    pub context: Option<&'a RawValue>,
    /// `level` of `logging/setLevel`: see [`Params::log_level`].
    #[serde(borrow, default)]
    pub level: Option<&'a RawValue>,
    /// `notifications` of `subscriptions/listen`: see [`ListenFilter`].
    #[serde(borrow, default)]
    pub notifications: Option<&'a RawValue>,
    /// Answers to an `input_required`, or to what a task asked.
    #[serde(borrow, default, rename = "inputResponses")]
    pub input_responses: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestState")]
    pub request_state: Option<Cow<'a, str>>,
    /// `requestId` of `notifications/cancelled`.
    #[serde(borrow, default, rename = "requestId")]
    pub request_id: Option<&'a RawValue>,
    /// What a client of 2025-11-25 gives to have a task made of its call.
    #[serde(borrow, default)]
    pub task: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    pub meta: Option<&'a RawValue>,
    /// All of it.
    #[serde(skip)]
    raw: Option<&'a RawValue>,
}

impl<'a> Params<'a> {
    /// Reads `params`; absent means empty.
    ///
    /// # Errors
    /// `params` is no object, or a member that is read here has the wrong type or stands twice.
    pub fn parse(raw: Option<&'a RawValue>) -> Result<Self, serde_json::Error> {
        match raw {
            Some(text) if text.get().starts_with('{') => Ok(Self {
                raw,
                ..serde_json::from_str(text.get())?
            }),
            Some(_) => Err(serde::de::Error::custom("params must be an object")),
            None => Ok(Self::default()),
        }
    }

    /// What a modern request must repeat in `Mcp-Name`, if its method has such a thing.
    pub fn routing_name(&self, method: &str) -> Option<&str> {
        match name_key(method)? {
            "name" => self.name.as_deref(),
            "uri" => self.uri.as_deref(),
            _ => self.task_id.as_deref(),
        }
    }

    /// The members of the text as the inside of a JSON object (`"a":1,"b":2`), but for those that
    /// travel by themselves: the name, URI or task id by the method, `arguments`, `_meta`,
    /// `inputResponses` and `requestState`, and those of `without`. Values keep their bytes.
    pub fn rest(&self, method: &str, without: &[&str]) -> Bytes {
        const APART: [&str; 4] = ["arguments", "_meta", "inputResponses", "requestState"];
        let name = name_key(method);
        let mut out = String::new();
        let all = self.raw.and_then(|raw| members(raw.get()).ok());
        for (key, value) in all.into_iter().flatten() {
            let key = key.as_ref();
            if APART.contains(&key) || name == Some(key) || without.contains(&key) {
                continue;
            }
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(&quoted(key));
            out.push(':');
            out.push_str(value.get());
        }
        Bytes::from(out)
    }

    /// The level of `logging/setLevel`; `None` when it is absent or there is no such level.
    pub fn log_level(&self) -> Option<LogLevel> {
        string(self.level?.get())?.parse().ok()
    }
}

/// The member of `params` that says what a method is about.
fn name_key(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// What `completion/complete` completes an argument of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    Prompt {
        name: Cow<'a, str>,
    },
    /// A resource template, or a resource.
    Resource {
        uri: Cow<'a, str>,
    },
}

impl<'a> Reference<'a> {
    /// Reads a `ref`.
    ///
    /// # Errors
    /// It is of an unknown type, or does not say which prompt or resource.
    pub fn parse(raw: &'a RawValue) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default)]
            name: Option<Cow<'a, str>>,
            #[serde(borrow, default)]
            uri: Option<Cow<'a, str>>,
        }
        let wire: Wire<'a> = object(raw, "ref must be an object")?;
        match wire {
            Wire {
                kind,
                name: Some(name),
                ..
            } if kind == "ref/prompt" => Ok(Self::Prompt { name }),
            Wire {
                kind,
                uri: Some(uri),
                ..
            } if kind == "ref/resource" => Ok(Self::Resource { uri }),
            _ => Err(serde::de::Error::custom(
                "ref must be a ref/prompt with a name or a ref/resource with a uri",
            )),
        }
    }
}

/// What a modern client listens for (`notifications` of `subscriptions/listen`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenFilter {
    pub tools_list_changed: bool,
    pub prompts_list_changed: bool,
    pub resources_list_changed: bool,
    /// URIs as the client knows them, each once.
    pub resource_subscriptions: Vec<String>,
    /// Tasks as the client knows them, each once (tasks extension).
    pub task_ids: Vec<String>,
}

impl ListenFilter {
    /// Reads a filter of at most `max` URIs and as many tasks. Unknown members ask for what is
    /// not served here, and are left out.
    ///
    /// # Errors
    /// It is no object, a member has the wrong type, or there are more URIs or tasks.
    pub fn parse(raw: &RawValue, max: usize) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            #[serde(default)]
            tools_list_changed: Option<bool>,
            #[serde(default)]
            prompts_list_changed: Option<bool>,
            #[serde(default)]
            resources_list_changed: Option<bool>,
            #[serde(default)]
            resource_subscriptions: Option<Vec<String>>,
            #[serde(default)]
            task_ids: Option<Vec<String>>,
        }
        let wire: Wire = object(raw, "notifications must be an object")?;
        let each_once = |list: Option<Vec<String>>| {
            let mut list = list.unwrap_or_default();
            list.sort_unstable();
            list.dedup();
            if list.len() > max {
                return Err(serde::de::Error::custom(format_args!(
                    "at most {max} resources and tasks can be listened for"
                )));
            }
            Ok(list)
        };
        Ok(Self {
            tools_list_changed: wire.tools_list_changed.unwrap_or_default(),
            prompts_list_changed: wire.prompts_list_changed.unwrap_or_default(),
            resources_list_changed: wire.resources_list_changed.unwrap_or_default(),
            resource_subscriptions: each_once(wire.resource_subscriptions)?,
            task_ids: each_once(wire.task_ids)?,
        })
    }
}

/// Reads an object; serde would also take an array for a struct.
fn object<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    otherwise: &str,
) -> Result<T, serde_json::Error> {
    if raw.get().starts_with('{') {
        serde_json::from_str(raw.get())
    } else {
        Err(serde::de::Error::custom(otherwise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_request_is_named_by_its_method() {
        let text = raw(r#"{"name":"n","uri":"a:b","taskId":"t"}"#);
        let params = Params::parse(Some(&text)).unwrap();

        for (method, name) in [
            ("tools/call", Some("n")),
            ("prompts/get", Some("n")),
            ("resources/read", Some("a:b")),
            ("tasks/get", Some("t")),
            ("tasks/update", Some("t")),
            ("tasks/cancel", Some("t")),
            ("resources/subscribe", None),
            ("tools/list", None),
        ] {
            assert_eq!(params.routing_name(method), name, "{method}");
        }
    }

    #[test]
    fn the_rest_is_what_does_not_travel_by_itself() {
        let text = raw(
            r#"{"_meta":{},"name":"n","arguments":{}, "uri":"a:b", "x\"y" : [1.0 ,2],"cursor":"","task":{},"inputResponses":{},"requestState":"s"}"#,
        );
        let params = Params::parse(Some(&text)).unwrap();

        assert_eq!(
            params.rest("tools/call", &["task", "cursor"]),
            r#""uri":"a:b","x\"y":[1.0 ,2]"#
        );
        assert_eq!(
            params.rest("resources/read", &["x\"y", "task"]),
            r#""name":"n","cursor":"""#
        );
        assert_eq!(Params::default().rest("tools/call", &[]), "");
    }

    #[test]
    fn what_only_some_methods_read_has_any_type_for_the_others() {
        let text = raw(r#"{"name":"n","level":7,"ref":null,"notifications":[],"requestId":{}}"#);
        let params = Params::parse(Some(&text)).unwrap();

        assert_eq!(
            (params.log_level(), params.reference.is_none()),
            (None, true)
        );
        let text = raw(r#"{"level":"warning"}"#);
        let params = Params::parse(Some(&text)).unwrap();
        assert_eq!(params.log_level(), Some(LogLevel::Warning));
    }

    #[test]
    fn wrong_types_are_refused() {
        for wrong in [
            "[]",
            "1",
            r#"{"name":1}"#,
            r#"{"uri":[]}"#,
            r#"{"name":"a","name":"b"}"#,
        ] {
            assert!(Params::parse(Some(&raw(wrong))).is_err(), "{wrong}");
        }
        for wrong in [
            "7",
            r#"{"type":"ref/prompt","uri":"a:b"}"#,
            r#"{"type":"ref/x","name":"n"}"#,
            r#"["ref/prompt","n",null]"#,
        ] {
            assert!(Reference::parse(&raw(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_reference_is_to_a_prompt_or_a_resource() {
        let prompt = raw(r#"{"type":"ref/prompt","name":"p","title":"t"}"#);
        let resource = raw(r#"{"type":"ref/resource","uri":"a:{b}"}"#);

        let name = Cow::Borrowed("p");
        assert_eq!(
            Reference::parse(&prompt).unwrap(),
            Reference::Prompt { name }
        );
        let uri = Cow::Borrowed("a:{b}");
        assert_eq!(
            Reference::parse(&resource).unwrap(),
            Reference::Resource { uri }
        );
    }

    #[test]
    fn a_listen_filter_is_bounded_and_names_each_resource_once() {
        let filter = |text: &str| ListenFilter::parse(&raw(text), 2);

        assert_eq!(
            filter(
                r#"{"toolsListChanged":true,"promptsListChanged":null,"resourceSubscriptions":["b:","a:","b:"],"taskIds":["t"],"x":1}"#
            )
            .unwrap(),
            ListenFilter {
                tools_list_changed: true,
                resource_subscriptions: vec!["a:".to_owned(), "b:".to_owned()],
                task_ids: vec!["t".to_owned()],
                ..ListenFilter::default()
            }
        );
        assert_eq!(filter("{}").unwrap(), ListenFilter::default());
        assert!(filter(r#"{"resourceSubscriptions":["a","b","c"]}"#).is_err());
        assert!(filter(r#"{"toolsListChanged":"yes"}"#).is_err());
        assert!(filter("[]").is_err());
    }
}
