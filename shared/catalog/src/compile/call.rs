//! How one tool becomes a request.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::args::condition;
use super::service::check_header;
use crate::closed::{ConnectorEncoding, ToolEncoding};
use crate::error::Faults;
use crate::manifest::ToolText;
use crate::model::{Arg, Call, ConstWhen, Encoding, Method, PathPart, Request, Target, When};
use crate::path::{FindArg, WirePath};
use crate::template::{Constant, Template};

pub(super) fn compile(
    text: &ToolText,
    default: ConnectorEncoding,
    args: &[Arg],
    find: FindArg<'_>,
    faults: &mut Faults,
) -> Option<Call> {
    let const_path: BTreeMap<String, Template> = text
        .const_path
        .iter()
        .filter_map(|(name, text)| {
            let template =
                faults.take(&format!("const_path.{name}"), Template::parse(text, find))?;
            Some((name.clone(), template))
        })
        .collect();
    let build = Build {
        text,
        default,
        args,
        const_path: &const_path,
    };
    let request = build.request("request", &text.request, text.body, &text.operation, faults);
    let mut variants = Vec::new();
    for (i, variant) in text.variants.iter().enumerate() {
        let key = format!("variants[{i}]");
        let when = condition(&format!("{key}.when"), &variant.when, find, faults);
        let body = variant.body.or(text.body);
        let request = build.request(
            &format!("{key}.request"),
            &variant.request,
            body,
            &variant.operation,
            faults,
        );
        variants.extend(when.zip(request));
    }
    let mut request = request?;
    // Beside a raw body, others of the same tool are what they always are.
    let is_raw = |request: &Request| request.encoding == Encoding::Raw;
    let has_raw = is_raw(&request) || variants.iter().any(|(_, request)| is_raw(request));
    for request in std::iter::once(&mut request).chain(variants.iter_mut().map(|(_, r)| r)) {
        request.content_type = text
            .content_type
            .clone()
            .filter(|_| !has_raw || is_raw(request));
    }
    build.check_paths(&request, &variants, faults);

    check_encodings(text, &request, &variants, args, faults);
    if text
        .base_url
        .as_ref()
        .is_some_and(|url| !url.starts_with("https://"))
    {
        faults.add("base_url", "must begin with https://");
    }
    if text.graphql.is_some() && request.method != Method::Post {
        faults.add("graphql", "goes by POST");
    }
    if let Some(graphql) = &text.graphql
        && !graphql.document.contains(&graphql.operation)
    {
        faults.add(
            "graphql.document",
            format!("does not name {}", graphql.operation),
        );
    }
    let const_when = text
        .const_when
        .iter()
        .enumerate()
        .filter_map(|(i, text)| {
            let key = format!("const_when[{i}]");
            Some(ConstWhen {
                when: condition(&format!("{key}.when"), &text.when, find, faults)?,
                query: query(&format!("{key}.query"), &text.query, find, faults),
                header: header(&format!("{key}.header"), &text.header, find, faults),
                body: body(&format!("{key}.body"), &text.body, find, faults),
            })
        })
        .collect();
    Some(Call {
        base_url: text
            .base_url
            .as_ref()
            .map(|url| url.trim_end_matches('/').to_owned()),
        request,
        variants,
        media_type: text.media_type.clone(),
        const_query: query("const_query", &text.const_query, find, faults),
        const_header: header("const_header", &text.const_header, find, faults),
        const_body: body("const_body", &text.const_body, find, faults),
        const_when,
        graphql: text
            .graphql
            .as_ref()
            .map(|graphql| graphql.document.clone()),
    })
}

/// Each kind of body has what it needs, and nothing is said for a kind that no request has.
fn check_encodings(
    text: &ToolText,
    first: &Request,
    variants: &[(When, Request)],
    args: &[Arg],
    faults: &mut Faults,
) {
    let has = |wanted| {
        let others = variants.iter().map(|(_, request)| request);
        std::iter::once(first)
            .chain(others)
            .any(|request| request.encoding == wanted)
    };
    let media = args
        .iter()
        .filter(|arg| arg.target == Target::Media)
        .count();
    let whole = args.iter().any(|arg| match &arg.target {
        Target::Body(landing) => landing.path.0.is_empty() && !landing.merge,
        _ => false,
    });
    if has(Encoding::Raw) && text.content_type.is_none() {
        faults.add("content_type", "is what a raw body needs");
    }
    if has(Encoding::Raw) && !whole && text.code.is_none() {
        faults.add("body", "raw needs an argument that is the whole body");
    }
    let is_multipart = has(Encoding::MultipartRelated);
    if is_multipart != text.media_type.is_some() || is_multipart != (media == 1) {
        faults.add(
            "media_type",
            "goes with a multipart body and one media argument, and only with them",
        );
    }
    for arg in args {
        if arg.change == Some(crate::model::Change::Base64Decode) && !has(Encoding::Raw) {
            let key = format!("args.{}.transform", arg.name);
            faults.add(key, "base64_decode is for raw bodies");
        }
    }
}

struct Build<'a> {
    text: &'a ToolText,
    default: ConnectorEncoding,
    args: &'a [Arg],
    const_path: &'a BTreeMap<String, Template>,
}

impl Build<'_> {
    fn request(
        &self,
        key: &str,
        text: &str,
        body: Option<ToolEncoding>,
        operation: &Option<String>,
        faults: &mut Faults,
    ) -> Option<Request> {
        let (method, path) = faults.take(key, method_and_path(text))?;
        let encoding = match (body, self.default) {
            (Some(ToolEncoding::Json), _) | (None, ConnectorEncoding::Json) => Encoding::Json,
            (Some(ToolEncoding::Form), _) | (None, ConnectorEncoding::Form) => Encoding::Form,
            (Some(ToolEncoding::Raw), _) => Encoding::Raw,
            (Some(ToolEncoding::MultipartRelated), _) => Encoding::MultipartRelated,
        };
        let parts = faults.take(key, self.parts(path))?;
        Some(Request {
            method,
            path: parts,
            path_text: path.to_owned(),
            encoding,
            content_type: None,
            operation: operation.clone(),
        })
    }

    fn parts(&self, path: &str) -> Result<Vec<PathPart>, String> {
        let (mut parts, mut rest) = (Vec::new(), path);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("has { without }")?;
            if !before.is_empty() {
                parts.push(PathPart::Text(before.to_owned()));
            }
            let arg = self
                .args
                .iter()
                .position(|arg| arg.target == Target::Path(name.to_owned()));
            parts.push(match (arg, self.const_path.get(name)) {
                (Some(arg), None) => PathPart::Arg(arg),
                (None, Some(template)) => PathPart::Template(template.clone()),
                (Some(_), Some(_)) => {
                    return Err(format!("{{{name}}} is an argument and a constant"));
                }
                (None, None) => return Err(format!("nothing supplies {{{name}}}")),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(PathPart::Text(rest.to_owned()));
        }
        Ok(parts)
    }

    /// Each path argument is in a path, and each placeholder has a value when its path is taken.
    fn check_paths(&self, first: &Request, variants: &[(When, Request)], faults: &mut Faults) {
        let none = When::default();
        let all = std::iter::once((&none, first)).chain(variants.iter().map(|(when, r)| (when, r)));
        let mut used = BTreeSet::new();
        for (when, request) in all {
            for part in &request.path {
                let PathPart::Arg(at) = part else { continue };
                used.insert(*at);
                let arg = &self.args[*at];
                // Where the main path lacks it, the variant for its absence is taken.
                let elsewhere = *when == none
                    && variants.iter().any(|(when, _)| {
                        *when
                            == When {
                                absent: vec![*at],
                                ..When::default()
                            }
                    });
                let sure = arg.required
                    || arg.default.is_some()
                    || when.given.contains(at)
                    || when.equals.iter().any(|(arg, _)| arg == at)
                    || elsewhere;
                if !sure && self.text.code.is_none() {
                    faults.add(
                        format!("args.{}", arg.name),
                        format!("may be absent, but {} needs it", request.path_text),
                    );
                }
            }
        }
        for (at, arg) in self.args.iter().enumerate() {
            if matches!(arg.target, Target::Path(_)) && !used.contains(&at) {
                faults.add(format!("args.{}", arg.name), "is in no path");
            }
        }
        for name in self.const_path.keys() {
            let placeholder = format!("{{{name}}}");
            let paths = std::iter::once(first).chain(variants.iter().map(|(_, r)| r));
            if !paths
                .into_iter()
                .any(|request| request.path_text.contains(&placeholder))
            {
                faults.add(format!("const_path.{name}"), "is in no path");
            }
        }
    }
}

/// `GET /path`.
pub(super) fn method_and_path(text: &str) -> Result<(Method, &str), String> {
    let (method, path) = text.split_once(' ').ok_or("must be a method and a path")?;
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        other => return Err(format!("{other:?} is no known method")),
    };
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
        return Err(format!("{path:?} is no path"));
    }
    Ok((method, path))
}

fn query(
    key: &str,
    text: &Map<String, Value>,
    find: FindArg<'_>,
    faults: &mut Faults,
) -> Vec<(String, Constant)> {
    text.iter()
        .filter_map(|(name, value)| {
            let key = format!("{key}.{name}");
            if value.is_object() || value.is_null() {
                faults.add(key, "cannot be sent in a query");
                return None;
            }
            Some((
                name.clone(),
                faults.take(&key, Constant::parse(value, find))?,
            ))
        })
        .collect()
}

fn header(
    key: &str,
    text: &BTreeMap<String, String>,
    find: FindArg<'_>,
    faults: &mut Faults,
) -> Vec<(String, Template)> {
    text.iter()
        .filter_map(|(name, value)| {
            let key = format!("{key}.{name}");
            check_header(&key, name, value, faults);
            Some((
                name.clone(),
                faults.take(&key, Template::parse(value, find))?,
            ))
        })
        .collect()
}

fn body(
    key: &str,
    text: &Map<String, Value>,
    find: FindArg<'_>,
    faults: &mut Faults,
) -> Vec<(WirePath, Constant)> {
    text.iter()
        .filter_map(|(path, value)| {
            let key = format!("{key}.{path}");
            let path = faults.take(&key, WirePath::parse(path, find))?;
            Some((path, faults.take(&key, Constant::parse(value, find))?))
        })
        .collect()
}
