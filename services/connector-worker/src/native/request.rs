//! From arguments to a request that is ready but for the credential.

use bytes::Bytes;
use catalog::closed::ListPlace;
use catalog::{Arg, Connector, Encoding, PageParam, PathPart, Request, Target, Tool, WirePath};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};
use url::Url;

use super::arguments::Arguments;
use super::quotas::Route;
use super::written::{self, Written};
use super::{body, encode};

/// A request before it is written out; the pager changes its parameters.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) method: Method,
    /// Scheme, host and the path that all requests of the connection share; no slash at the end.
    pub(super) base: String,
    /// Encoded, with the slash it begins with.
    pub(super) path: String,
    /// Names and values as they are, not encoded.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Value>,
    pub(super) encoding: Encoding,
    /// The whole of a raw body, or what follows the JSON of a multipart one.
    pub(super) media: Option<Bytes>,
    /// The media type of the part of a multipart body.
    pub(super) media_type: Option<String>,
    /// Instead of all of the address above: a link that the provider gave.
    pub(super) link: Option<Url>,
    /// The link is signed by itself and may be another host's: it gets no credential.
    pub(super) is_foreign: bool,
    /// By which its quotas are told apart; none for what a hook asks for besides.
    pub(super) route: Option<Route>,
}

impl Draft {
    /// A GET without arguments, for hooks. `path` is encoded.
    pub(super) fn get(connector: &Connector, base_url: Option<&Url>, path: String) -> Self {
        Self {
            method: Method::GET,
            base: base(connector, None, base_url),
            path,
            query: Vec::new(),
            headers: headers(connector.headers.iter()),
            body: None,
            encoding: Encoding::Json,
            media: None,
            media_type: None,
            link: None,
            is_foreign: false,
            route: None,
        }
    }

    /// A GET of a link that the provider gave in an answer to this request. A foreign one gets
    /// nothing of the connection; any other must be of the provider's own host.
    ///
    /// # Errors
    /// Why the link is not followed.
    pub(super) fn follow(&self, link: &str, is_foreign: bool) -> Result<Self, &'static str> {
        let home = Url::parse(&self.address()).map_err(|_| "it is no address")?;
        let link = home.join(link).map_err(|_| "it is no address")?;
        if home.scheme() == "https" && link.scheme() != "https" {
            return Err("the address has no encryption");
        }
        if !is_foreign && link.origin() != home.origin() {
            return Err("it is on another host");
        }
        let own = match is_foreign {
            true => HeaderMap::new(),
            false => self.headers.clone(),
        };
        Ok(Self {
            method: Method::GET,
            headers: own,
            body: None,
            media: None,
            media_type: None,
            encoding: Encoding::Json,
            query: Vec::new(),
            link: Some(link),
            is_foreign,
            ..self.clone()
        })
    }

    /// A POST of bytes to a link that the provider gave for exactly that. It gets nothing of the
    /// connection.
    ///
    /// # Errors
    /// Why the link is not followed.
    pub(super) fn upload(&self, link: &str, bytes: Bytes) -> Result<Self, &'static str> {
        let kind = HeaderValue::from_static("application/octet-stream");
        let link = self.follow(link, true)?;
        Ok(Self {
            method: Method::POST,
            encoding: Encoding::Raw,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            media: Some(bytes),
            ..link
        })
    }

    /// The request of `tool`.
    ///
    /// # Errors
    /// The argument that cannot be sent, and why.
    pub(super) fn new(
        connector: &Connector,
        tool: &Tool,
        base_url: Option<&Url>,
        arguments: &Arguments,
    ) -> Result<Self, String> {
        let call = &tool.call;
        let request = call
            .variants
            .iter()
            .find(|(when, _)| arguments.holds(when))
            .map_or(&call.request, |(_, request)| request);
        let mut draft = Self {
            method: method(request.method),
            path: path(tool, request, arguments)?,
            encoding: request.encoding,
            route: Some(route(connector, tool, request, arguments)),
            ..Self::get(connector, base_url, String::new())
        };
        if let Some(own) = &call.base_url {
            draft.base.clone_from(own);
        }
        draft.fill(tool, arguments)?;
        draft.dress(tool, request, arguments)?;
        Ok(draft)
    }

    /// Query and body.
    fn fill(&mut self, tool: &Tool, arguments: &Arguments) -> Result<(), String> {
        let (call, mut root) = (&tool.call, Value::Null);
        let mut landed: Vec<&WirePath> = Vec::new();
        let extra: Vec<_> = call
            .const_when
            .iter()
            .filter(|extra| arguments.holds(&extra.when))
            .collect();

        for (name, constant) in call
            .const_query
            .iter()
            .chain(extra.iter().flat_map(|extra| &extra.query))
        {
            let value = encode::constant(constant, arguments);
            self.query.retain(|(known, _)| known != name);
            self.ask(name, &value);
        }
        for (path, constant) in call
            .const_body
            .iter()
            .chain(extra.iter().flat_map(|extra| &extra.body))
        {
            body::put(
                &mut root,
                path,
                encode::constant(constant, arguments),
                arguments,
            );
            landed.push(path);
        }
        let (mut variables, mut merges) = (Value::Object(Map::new()), Vec::new());
        for (at, arg) in tool.args.iter().enumerate() {
            let Some(value) = sent(arg, arguments, at)? else {
                continue;
            };
            match &arg.target {
                Target::Query(name) => self.ask(name, &value),
                Target::Body(landing) if landing.merge => merges.push((&landing.path, value)),
                Target::Body(landing)
                    if self.encoding == Encoding::Raw && landing.path.0.is_empty() =>
                {
                    self.media = Some(written::bytes(arg, &value)?);
                }
                Target::Media => self.media = Some(written::bytes(arg, &value)?),
                Target::Body(landing) => {
                    if let Some(also) = &landing.also {
                        body::put(&mut root, also, value.clone(), arguments);
                    }
                    body::put(&mut root, &landing.path, value, arguments);
                    landed.push(&landing.path);
                }
                Target::Variable(landing) => {
                    body::put(&mut variables, &landing.path, value, arguments);
                }
                _ => {}
            }
        }
        for (path, value) in merges {
            body::merge(&mut root, path, value, arguments);
        }
        landed
            .iter()
            .for_each(|path| body::close_gaps(&mut root, path));
        self.body = match &call.graphql {
            Some(document) => Some(json!({ "query": document, "variables": variables })),
            // A tool with a body sends one even when nothing of it was given: JSON APIs refuse none.
            None if root.is_null() && has_body(tool) => Some(json!({})),
            None if root.is_null() => None,
            None => Some(root),
        };
        Ok(())
    }

    /// Header fields.
    fn dress(
        &mut self,
        tool: &Tool,
        request: &Request,
        arguments: &Arguments,
    ) -> Result<(), String> {
        let call = &tool.call;
        let extra = call
            .const_when
            .iter()
            .filter(|extra| arguments.holds(&extra.when));
        for (name, template) in call
            .const_header
            .iter()
            .chain(extra.flat_map(|extra| &extra.header))
        {
            let value = encode::render(template, arguments, &|_, value| encode::text(value));
            self.head(name, &value)
                .map_err(|rule| format!("the header field {name} {rule}"))?;
        }
        for (at, arg) in tool.args.iter().enumerate() {
            let Target::Header(name) = &arg.target else {
                continue;
            };
            if let Some(value) = sent(arg, arguments, at)? {
                self.head(name, &encode::text(&value))
                    .map_err(|rule| format!("argument {:?} {rule}", arg.name))?;
            }
        }
        if let Some(content_type) = &request.content_type {
            self.head(CONTENT_TYPE.as_str(), content_type)?;
        }
        self.media_type.clone_from(&call.media_type);
        Ok(())
    }

    pub(super) fn head(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = HeaderName::try_from(name).map_err(|_| "is for no header field".to_owned())?;
        let value = HeaderValue::try_from(value)
            .map_err(|_| "holds characters that a header field cannot carry".to_owned())?;
        self.headers.insert(name, value);
        Ok(())
    }

    fn ask(&mut self, name: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                self.query.extend(
                    items
                        .iter()
                        .map(|item| (name.to_owned(), encode::text(item))),
                );
            }
            value => self.query.push((name.to_owned(), encode::text(value))),
        }
    }

    /// Sets the parameter that chooses a page.
    pub(super) fn set(&mut self, param: &PageParam, value: Value) {
        match param.place {
            ListPlace::Query => self.set_query(&param.name, &encode::text(&value)),
            ListPlace::Body => {
                let body = self.body.get_or_insert_with(|| json!({}));
                if let Some(members) = body.as_object_mut() {
                    members.insert(param.name.clone(), value);
                }
            }
        }
    }

    pub(super) fn set_query(&mut self, name: &str, value: &str) {
        self.query.retain(|(known, _)| known != name);
        self.query.push((name.to_owned(), value.to_owned()));
    }

    /// Sets a GraphQL variable.
    pub(super) fn set_variable(&mut self, name: &str, value: Value) {
        if let Some(variables) = self
            .body
            .as_mut()
            .and_then(|body| body["variables"].as_object_mut())
        {
            variables.insert(name.to_owned(), value);
        }
    }

    /// What the request says for a parameter now.
    pub(super) fn asked(&self, param: &PageParam) -> Option<Value> {
        match param.place {
            ListPlace::Query => {
                let (_, value) = self.query.iter().find(|(name, _)| *name == param.name)?;
                Some(json!(value))
            }
            ListPlace::Body => self.body.as_ref()?.get(&param.name).cloned(),
        }
    }

    /// The whole address.
    pub(super) fn address(&self) -> String {
        if let Some(link) = &self.link {
            return link.to_string();
        }
        let mut address = format!("{}{}", self.base, self.path);
        for (i, (name, value)) in self.query.iter().enumerate() {
            address.push(if i == 0 { '?' } else { '&' });
            address.push_str(&encode::query_name(name));
            address.push('=');
            address.push_str(&encode::segment(value));
        }
        address
    }

    /// The body as it is sent.
    pub(super) fn written(&self) -> Written {
        let media = self.media.as_ref();
        written::write(
            self.encoding,
            self.body.as_ref(),
            media,
            self.media_type.as_deref(),
        )
    }
}

/// The value that goes to the provider, if any does.
fn sent(arg: &Arg, arguments: &Arguments, at: usize) -> Result<Option<Value>, String> {
    let Some(value) = arguments.value(at) else {
        return Ok(None);
    };
    if arg.when.as_ref().is_some_and(|when| !arguments.holds(when)) {
        return Ok(None);
    }
    let mapped = arg
        .value_map
        .get(&encode::text(value))
        .unwrap_or(value)
        .clone();
    encode::change(mapped, arg.change)
        .map(Some)
        .map_err(|rule| format!("argument {:?} {rule}", arg.name))
}

fn has_body(tool: &Tool) -> bool {
    tool.args
        .iter()
        .any(|arg| matches!(arg.target, Target::Body(_)))
}

pub(super) fn method(method: catalog::Method) -> Method {
    match method {
        catalog::Method::Get => Method::GET,
        catalog::Method::Post => Method::POST,
        catalog::Method::Put => Method::PUT,
        catalog::Method::Patch => Method::PATCH,
        catalog::Method::Delete => Method::DELETE,
    }
}

fn base(connector: &Connector, own: Option<&String>, connection: Option<&Url>) -> String {
    match (own, connection) {
        (Some(own), _) => own.clone(),
        (None, Some(url)) => {
            let mut url = url.clone();
            url.set_query(None);
            url.as_str().trim_end_matches('/').to_owned()
        }
        (None, None) => connector.base_url.clone(),
    }
}

fn headers<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> HeaderMap {
    let mut headers: HeaderMap = pairs
        .filter_map(|(name, value)| {
            Some((
                HeaderName::try_from(name).ok()?,
                HeaderValue::try_from(value).ok()?,
            ))
        })
        .collect();
    headers
        .entry(ACCEPT)
        .or_insert(HeaderValue::from_static("application/json"));
    headers
}

/// Which of the provider's operations it is, and the values that have quotas of their own.
fn route(connector: &Connector, tool: &Tool, request: &Request, arguments: &Arguments) -> Route {
    let counted = &connector.rate_limit.bucket_path_params;
    let owner = tool.args.iter().enumerate().filter_map(|(at, arg)| {
        let Target::Path(name) = &arg.target else {
            return None;
        };
        let value = arguments.value(at).filter(|_| counted.contains(name))?;
        Some((name.as_str(), encode::text(value)))
    });
    let owner: Vec<_> = owner.collect();
    Route::new((request.method, &request.path_text), &owner)
}

/// The encoded path. No argument can reach outside of its place in it: what it inserts holds no
/// raw `/` (unless the manifest wants that), and no step up or nowhere.
fn path(tool: &Tool, request: &Request, arguments: &Arguments) -> Result<String, String> {
    let mut path = String::new();
    for part in &request.path {
        match part {
            PathPart::Text(text) => path.push_str(text),
            PathPart::Arg(at) => {
                let arg = &tool.args[*at];
                let value = sent_in_path(arg, arguments, *at)?;
                let piece = encode::path_piece(&value, arg.change);
                let refuse = |rule: &str| Err(format!("argument {:?} {rule}", arg.name));
                if piece.is_empty() && arg.change != Some(catalog::Change::RawSlashes) {
                    return refuse("must not be empty");
                }
                if climbs(&piece) {
                    return refuse("must not hold \".\" or \"..\" as a step of a path");
                }
                path.push_str(&piece);
            }
            PathPart::Template(template) => {
                let piece =
                    |at: usize, value: &Value| encode::path_piece(value, tool.args[at].change);
                let empty = template.args().find(|at| {
                    arguments
                        .value(*at)
                        .map(encode::text)
                        .unwrap_or_default()
                        .is_empty()
                });
                if let Some(at) = empty {
                    return Err(format!(
                        "argument {:?} must not be empty",
                        tool.args[at].name
                    ));
                }
                path.push_str(&encode::render(template, arguments, &piece));
            }
        }
    }
    if climbs(&path) {
        return Err("the arguments must not make \".\" or \"..\" a step of the path".to_owned());
    }
    Ok(path)
}

fn sent_in_path(arg: &Arg, arguments: &Arguments, at: usize) -> Result<Value, String> {
    let value = arguments
        .value(at)
        .ok_or_else(|| format!("argument {:?} is required", arg.name))?;
    Ok(arg
        .value_map
        .get(&encode::text(value))
        .unwrap_or(value)
        .clone())
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|step| matches!(step, "." | ".."))
}
