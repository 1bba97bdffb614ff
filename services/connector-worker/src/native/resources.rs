//! Resources: what tools read, under addresses.

use catalog::{Connector, Resource, ResourceArg, ResourceList, ResultPath, UriTemplate};
use fabric::Outcome;
use mcp::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::encode;
use super::plan::{Plan, Then, done, error, invalid, rpc_error};

/// A resource being read.
pub(crate) struct Read {
    uri: String,
    mime_type: Option<String>,
    content: Option<ResultPath>,
}

/// A page of resources being listed.
pub(crate) struct Listed {
    uri: UriTemplate,
    name: String,
    mime_type: Option<String>,
    list: ResourceList,
    /// Those that are known without asking, on the first page.
    fixed: Vec<Value>,
    /// Which list it is, and where the next begins.
    at: usize,
    last: bool,
}

/// Where a page begins.
#[derive(Default, Serialize, Deserialize)]
struct Place {
    /// Which of the connector's lists.
    list: usize,
    /// What the list's tool is called with besides.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    more: Map<String, Value>,
}

fn described(resource: &Resource, key: &str, uri: &str) -> Value {
    let mut described = json!({
        key: uri,
        "name": resource.name,
        "title": resource.title,
        "description": resource.description,
    });
    if let Some(kind) = &resource.mime_type {
        described["mimeType"] = json!(kind);
    }
    described
}

/// Addresses with variables.
pub(super) fn templates(connector: &Connector) -> Plan {
    let all = connector.resources.iter();
    let templates = all.filter(|resource| !resource.uri.variables().is_empty());
    let templates: Vec<Value> = templates
        .map(|resource| described(resource, "uriTemplate", resource.uri.text()))
        .collect();
    done(&json!({ "resourceTemplates": templates }))
}

/// A page: what one call of a listing tool gives, behind what needs none.
pub(super) fn list(connector: &Connector, cursor: Option<&str>) -> Plan {
    let place: Option<Place> = match cursor {
        None => None,
        Some(cursor) => match serde_json::from_str(cursor) {
            Ok(place) => Some(place),
            Err(_) => return invalid("Invalid params: the cursor is none of this list's"),
        },
    };
    let fixed: Vec<Value> = match place {
        Some(_) => Vec::new(),
        None => connector
            .resources
            .iter()
            .filter(|resource| resource.uri.variables().is_empty())
            .map(|resource| described(resource, "uri", resource.uri.text()))
            .collect(),
    };
    let place = place.unwrap_or_default();
    let lists = || {
        let all = connector.resources.iter();
        all.filter_map(|resource| Some((resource, resource.list.as_ref()?)))
    };
    let Some((resource, own)) = lists().nth(place.list) else {
        return done(&json!({ "resources": fixed }));
    };
    let mut arguments = own.args.clone();
    arguments.extend(place.more);
    Plan::Call {
        tool: own.tool.clone(),
        arguments: Some(Value::Object(arguments).to_string().into()),
        then: Then::Resources(Box::new(Listed {
            uri: resource.uri.clone(),
            name: resource.name.clone(),
            mime_type: resource.mime_type.clone(),
            list: own.clone(),
            fixed,
            at: place.list,
            last: lists().count() == place.list + 1,
        })),
    }
}

impl Listed {
    pub(super) fn finish(self, outcome: Outcome) -> Outcome {
        let result = match result_of(outcome) {
            Ok(result) => result,
            Err(outcome) => return outcome,
        };
        if result["isError"] == true {
            let error = rpc_error(codes::INTERNAL_ERROR, &first_text(&result), None);
            return Outcome::Error(error);
        }
        let structured = &result["structuredContent"];
        let items = self.list.items.get(structured).and_then(Value::as_array);
        let mut resources = self.fixed.clone();
        resources.extend(
            items
                .into_iter()
                .flatten()
                .filter_map(|item| self.one(item)),
        );
        let next = match &structured["next_page"] {
            Value::Object(more) => Some(Place {
                list: self.at,
                more: more.clone(),
            }),
            _ if self.last => None,
            _ => Some(Place {
                list: self.at + 1,
                more: Map::new(),
            }),
        };
        let mut page = json!({ "resources": resources });
        if let Some(next) = next {
            page["nextCursor"] = json!(json!(next).to_string());
        }
        Outcome::Result(page.to_string().into_bytes().into())
    }

    /// An item of the list; none where it does not say what its address is made of.
    fn one(&self, item: &Value) -> Option<Value> {
        let values = self.list.variables.iter().map(|path| {
            let value = path.get(item).filter(|value| !value.is_null())?;
            Some(encode::text(value))
        });
        let uri = self.uri.expand(&values.collect::<Option<Vec<_>>>()?)?;
        let text = |path: &Option<ResultPath>| {
            let text = path.as_ref()?.get(item)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let title = text(&self.list.title);
        let mut one = json!({ "uri": uri, "name": title.as_ref().unwrap_or(&self.name) });
        for (key, value) in [
            ("title", title),
            ("description", text(&self.list.description)),
            ("mimeType", self.mime_type.clone()),
        ] {
            if let Some(value) = value {
                one[key] = json!(value);
            }
        }
        Some(one)
    }
}

/// The tool that reads the resource with this address.
pub(super) fn read(connector: &Connector, uri: &str) -> Plan {
    let mut all = connector.resources.iter();
    let found = all.find_map(|resource| Some((resource, resource.uri.matches(uri)?)));
    let Some((resource, values)) = found else {
        return error(codes::RESOURCE_NOT_FOUND, "Resource not found", about(uri));
    };
    let arguments = resource.args.iter().map(|(name, arg)| {
        let value = match arg {
            ResourceArg::Variable(at) => json!(values[*at]),
            ResourceArg::Fixed(value) => value.clone(),
        };
        (name.clone(), value)
    });
    let arguments: Map<String, Value> = arguments.collect();
    Plan::Call {
        tool: resource.tool.clone(),
        arguments: Some(Value::Object(arguments).to_string().into()),
        then: Then::Contents(Box::new(Read {
            uri: uri.to_owned(),
            mime_type: resource.mime_type.clone(),
            content: resource.content.clone(),
        })),
    }
}

fn about(uri: &str) -> Option<Value> {
    Some(json!({ "uri": uri }))
}

impl Read {
    pub(super) fn finish(self, outcome: Outcome) -> Outcome {
        let result = match result_of(outcome) {
            Ok(result) => result,
            Err(outcome) => return outcome,
        };
        if result["isError"] == true {
            // Providers say so too of what the credential may not see.
            let status = &result["structuredContent"]["error"]["status"];
            let absent = matches!(status.as_u64(), Some(404 | 410));
            let code = match absent {
                true => codes::RESOURCE_NOT_FOUND,
                false => codes::INTERNAL_ERROR,
            };
            let error = rpc_error(code, &first_text(&result), about(&self.uri));
            return Outcome::Error(error);
        }
        let structured = result.get("structuredContent");
        let own = self.content.as_ref().and_then(|path| path.get(structured?));
        if let Some(text) = own.and_then(Value::as_str) {
            let kind = self.mime_type.as_deref().unwrap_or("text/plain");
            let content = json!({ "uri": self.uri, "mimeType": kind, "text": text });
            let result = json!({ "contents": [content] });
            return Outcome::Result(result.to_string().into_bytes().into());
        }
        let is_json = structured.is_some();
        let blocks = result["content"].as_array();
        let contents = blocks.into_iter().flatten().enumerate().map(|(at, block)| {
            let mut content = match block["type"].as_str() {
                Some("image" | "audio") => {
                    json!({ "blob": block["data"], "mimeType": block["mimeType"] })
                }
                Some("resource") => {
                    let mut inner = block["resource"].clone();
                    if let Some(members) = inner.as_object_mut() {
                        members.retain(|key, _| key != "uri");
                    }
                    inner
                }
                _ => {
                    // What follows the first are remarks.
                    let kind = match (at, &self.mime_type) {
                        (0, Some(kind)) => kind.as_str(),
                        (0, None) if is_json => "application/json",
                        _ => "text/plain",
                    };
                    json!({ "text": block["text"], "mimeType": kind })
                }
            };
            content["uri"] = json!(self.uri);
            content
        });
        let contents: Vec<Value> = contents.collect();
        let result = json!({ "contents": contents });
        Outcome::Result(result.to_string().into_bytes().into())
    }
}

/// The result of a tool's outcome, or the outcome that is none.
fn result_of(outcome: Outcome) -> Result<Value, Outcome> {
    let Outcome::Result(raw) = &outcome else {
        return Err(outcome);
    };
    serde_json::from_slice(raw).map_err(|_| outcome)
}

fn first_text(result: &Value) -> String {
    let text = result["content"][0]["text"].as_str();
    text.unwrap_or("the provider refused the call").to_owned()
}
