//! One tool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::ToolDefinition;
use serde_json::{Value, json, value::RawValue};

use super::args::{Context, arg, texts};
use super::call;
use super::no_args;
use crate::closed::{ArgType, Effect, Hook, HookAnswer, Poll, ResponseKind};
use crate::error::Faults;
use crate::manifest::{ArgText, ConnectorText, ResponseText, ToolText};
use crate::model::{
    Answer, Arg, Base64Alphabet, Call, Later, Method, PageKind, PageParam, Pages, Pagination,
    PathPart, Response, Scopes, Step, Target, Tool, When,
};
use crate::path::{FindArg, ResultPath, Step as PathStep, WirePath};
use crate::schema;
use crate::template::{Constant, Template};

pub(super) fn compile(
    mut text: ToolText,
    head: &ConnectorText,
    shared: &BTreeMap<String, ArgText>,
    profiles: &BTreeMap<String, Arc<Pagination>>,
    faults: &mut Faults,
) -> Option<Tool> {
    check_head(&text, head, faults);
    let texts = texts(std::mem::take(&mut text.args), shared, faults);
    let names: Vec<String> = texts.iter().map(|(name, _)| name.clone()).collect();
    let find = |name: &str| names.iter().position(|known| known == name);
    let cx = Context {
        find: &find,
        has_hook: text.code.is_some(),
        global_query: &head.global_query,
    };
    let mut schemas: Vec<Value> = texts
        .iter()
        .map(|(_, text)| schema::property(text))
        .collect();
    let count = texts.len();
    let mut args: Vec<Arg> = texts
        .into_iter()
        .filter_map(|(name, text)| arg(&name, text, &cx, faults))
        .collect();
    if args.len() < count {
        // Indices would not fit; the faults that made the gap are what matters.
        return None;
    }
    let call = call::compile(&text, head.body, &args, &find, faults);
    let response = response(&text.response, &find, faults);
    let pages = pages(&text, &args, profiles, &find, faults);
    let require_one_of = groups(&text, &find, faults);
    let steps = steps(&text, faults);
    let (call, response) = (call?, response?);
    check_templates(&args, &call, &response, faults);
    shown(&response, text.code, &mut args, &mut schemas);

    let input_schema = schema::input(&args, &schemas);
    for group in &require_one_of {
        let names: Vec<_> = group.iter().map(|at| args[*at].name.as_str()).collect();
        text.description
            .push_str(&format!(" Needs at least one of {}.", names.join(", ")));
    }
    let annotations = json!({
        "title": text.title,
        "readOnlyHint": text.effect == Effect::Read,
        "destructiveHint": text.effect == Effect::Destructive,
        "idempotentHint": text.idempotent,
        "openWorldHint": true,
    });
    let definition = json!({
        "name": text.name,
        "title": text.title,
        "description": text.description,
        "inputSchema": input_schema,
        "annotations": annotations,
    });
    let definition = RawValue::from_string(definition.to_string())
        .map_err(|error| error.to_string())
        .and_then(|json| ToolDefinition::parse(json).map_err(|error| error.to_string()));
    Some(Tool {
        definition: faults.take("(definition)", definition)?,
        name: text.name,
        title: text.title,
        description: text.description,
        effect: text.effect,
        idempotent: text.idempotent,
        deprecated: text.deprecated,
        verified: text.verified,
        operation: text.operation,
        docs: text.docs,
        scopes: Scopes {
            all: text.scopes,
            any: text.scopes_any,
            app: text.scopes_app,
            bot: text.scopes_bot,
            bot_permissions: text.bot_permissions,
            note: text.scopes_note,
        },
        token: text.token_kind,
        args,
        require_one_of,
        call,
        pages,
        response,
        hook: text.code,
        hook_params: text.code_params,
        steps,
        unlisted_const: text.unlisted_const,
        input_schema,
        annotations,
    })
}

fn check_head(text: &ToolText, head: &ConnectorText, faults: &mut Faults) {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if text.name.len() > 64 || !text.name.bytes().all(plain) {
        faults.add("name", "must be 1 to 64 of a-z, 0-9 and _");
    }
    let prefix = format!("{}_", head.connector);
    if text.name.strip_prefix(&prefix).is_none_or(str::is_empty) {
        faults.add("name", format!("must begin with {prefix}"));
    }
    if text.title.trim().is_empty() {
        faults.add("title", "is empty");
    }
    if text.description.trim().chars().count() < 20 {
        faults.add(
            "description",
            "must say what the tool does, when to use it, what comes back",
        );
    }
    if text.effect == Effect::Read && !text.idempotent {
        faults.add("idempotent", "a read is");
    }
    if text.request.starts_with("GET ") && text.effect != Effect::Read {
        faults.add("effect", "a GET reads");
    }
    if !text.verified && text.docs.is_none() {
        faults.add(
            "docs",
            "a tool that is not verified names its documentation",
        );
    }
}

fn groups(text: &ToolText, find: FindArg<'_>, faults: &mut Faults) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    for (i, group) in text.require_one_of.iter().enumerate() {
        let key = format!("require_one_of[{i}]");
        if group.len() < 2 {
            faults.add(&*key, "needs at least two arguments");
        }
        for name in group.iter().filter(|name| find(name).is_none()) {
            faults.add(&*key, format!("names {name:?}, which is no argument"));
        }
        groups.push(group.iter().filter_map(|name| find(name)).collect());
    }
    groups
}

fn steps(text: &ToolText, faults: &mut Faults) -> Vec<Step> {
    if text.code.is_none() && !(text.steps.is_empty() && text.code_params.is_empty()) {
        faults.add("steps", "steps and code_params go with a code hook");
    }
    if let Some(hook) = text.code.filter(|hook| text.steps.len() < hook.steps()) {
        let (word, least) = (hook.as_str(), hook.steps());
        faults.add("steps", format!("{word} makes {least} further calls"));
    }
    text.steps
        .iter()
        .enumerate()
        .filter_map(|(i, step)| {
            let request = call::method_and_path(&step.request);
            let (method, path) = faults.take(&format!("steps[{i}].request"), request)?;
            Some(Step {
                method,
                path_text: path.to_owned(),
                operation: step.operation.clone(),
            })
        })
        .collect()
}

fn pages(
    text: &ToolText,
    args: &[Arg],
    profiles: &BTreeMap<String, Arc<Pagination>>,
    find: FindArg<'_>,
    faults: &mut Faults,
) -> Option<Pages> {
    let Some(name) = &text.paginate else {
        if text.follow_pages.is_some() {
            faults.add("follow_pages", "needs paginate");
        }
        return None;
    };
    let Some(profile) = profiles.get(name) else {
        faults.add(
            "paginate",
            format!("there is no pagination profile {name:?}"),
        );
        return None;
    };
    let Some(items) = &text.response.items else {
        faults.add(
            "response.items",
            "a tool with pages says where its items are",
        );
        return None;
    };
    let items = faults.take("response.items", ResultPath::parse(items, find))?;
    if text.follow_pages == Some(0) {
        faults.add("follow_pages", "must be at least 1");
    }
    if text.follow_pages.is_none() && !can_choose_page(&profile.kind, args) {
        faults.add(
            "paginate",
            "nothing reaches the second page: give an argument for it, or follow_pages",
        );
    }
    Some(Pages {
        profile: profile.clone(),
        items,
        follow: text.follow_pages,
    })
}

/// Whether an argument chooses the page. Where the next page is an address, the arguments are
/// found in it when it is there.
fn can_choose_page(kind: &PageKind, args: &[Arg]) -> bool {
    let query = |name: &str| {
        args.iter()
            .any(|arg| arg.target == Target::Query(name.to_owned()))
    };
    let lands = |name: &str, of: &dyn Fn(&Target) -> Option<WirePath>| {
        let wanted = WirePath::parse(name, &no_args).ok();
        args.iter()
            .any(|arg| of(&arg.target).is_some_and(|path| Some(path) == wanted))
    };
    let chosen = |param: &PageParam| match param.place {
        crate::closed::ListPlace::Query => query(&param.name),
        crate::closed::ListPlace::Body => lands(&param.name, &|target| match target {
            Target::Body(landing) => Some(landing.path.clone()),
            _ => None,
        }),
    };
    match kind {
        PageKind::LinkHeader { page_param, .. } => page_param.as_deref().is_none_or(query),
        PageKind::NextUrl {
            page_param,
            cursor_param,
            ..
        } => page_param
            .as_deref()
            .or(cursor_param.as_deref())
            .is_some_and(query),
        PageKind::Cursor { param, .. }
        | PageKind::Keyset { param, .. }
        | PageKind::PageNumber { param, .. }
        | PageKind::Offset { param, .. } => chosen(param),
        PageKind::Relay { after, .. } => lands(after, &|target| match target {
            Target::Variable(landing) => Some(landing.path.clone()),
            _ => None,
        }),
    }
}

fn response(text: &ResponseText, find: FindArg<'_>, faults: &mut Faults) -> Option<Response> {
    let kind = text.kind.unwrap_or(ResponseKind::Json);
    if text.truncate.is_some() && kind != ResponseKind::Text {
        faults.add("response.truncate", "is for text");
    }
    if (kind == ResponseKind::Headers) == text.capture.is_empty() {
        faults.add(
            "response.capture",
            "goes with the kind headers, and only with it",
        );
    }
    let is_report = kind == ResponseKind::ReportLinks;
    if is_report != text.links_path.is_some() || is_report != text.link_format.is_some() {
        faults.add(
            "response.links_path",
            "goes with link_format and the kind report_links, and only with them",
        );
    }
    let kind = match kind {
        ResponseKind::Json => Answer::Json,
        ResponseKind::Text => Answer::Text {
            truncate: text.truncate,
        },
        ResponseKind::Headers => Answer::Headers(text.capture.clone()),
        ResponseKind::Empty => Answer::Empty,
        ResponseKind::Bytes => Answer::Bytes,
        ResponseKind::BytesOrJson => Answer::BytesOrJson,
        ResponseKind::ReportLinks => {
            let links = text.links_path.as_ref()?;
            let links = ResultPath::parse(links, &no_args);
            Answer::ReportLinks(faults.take("response.links_path", links)?)
        }
    };
    let later = text.later.as_ref().map(|later| {
        if later.status != 202 {
            faults.add("response.async.status", "can only be 202");
        }
        match later.poll {
            Poll::None => Later::Unknown,
            Poll::Location => Later::Location { signed: false },
            Poll::LocationNoAuth => Later::Location { signed: true },
        }
    });
    let mut base64_fields = Vec::new();
    for (key, fields, alphabet) in [
        (
            "response.base64_fields",
            &text.base64_fields,
            Base64Alphabet::Standard,
        ),
        (
            "response.base64url_fields",
            &text.base64url_fields,
            Base64Alphabet::Url,
        ),
    ] {
        for field in fields {
            let path = faults.take(key, ResultPath::parse(field, &no_args));
            base64_fields.extend(path.map(|path| (path, alphabet)));
        }
    }
    let items = match &text.items {
        None => None,
        Some(items) => faults.take("response.items", ResultPath::parse(items, find)),
    };
    let filter = match &text.filter {
        None => None,
        Some(filter) => faults
            .take(
                "response.filter.path",
                ResultPath::parse(&filter.path, &no_args),
            )
            .map(|path| (path, filter.suffix.clone())),
    };
    if filter.is_some() && items.is_none() {
        faults.add("response.filter", "needs items");
    }
    let redact_fields = text.redact_fields.clone();
    Some(Response {
        kind,
        items,
        base64_fields,
        redact_fields,
        filter,
        later,
        redirect: text.redirect,
        whole: text.whole,
    })
}

/// Adds what says how much of a JSON answer is shown, unless the provider has an argument of that
/// name itself.
fn shown(response: &Response, hook: Option<Hook>, args: &mut Vec<Arg>, schemas: &mut Vec<Value>) {
    let provides_json = matches!(response.kind, Answer::Json | Answer::BytesOrJson);
    let takes: &[Target] = match hook.map_or(HookAnswer::Provider, Hook::answer) {
        _ if response.whole => &[],
        HookAnswer::Provider if !provides_json => &[],
        HookAnswer::Provider | HookAnswer::Digest => &[Target::Fields, Target::Full],
        HookAnswer::Figures => &[Target::Fields],
        HookAnswer::Text => &[],
    };
    let fields = "Members to show, e.g. `id` or `user.name`; of a list, those of each item.";
    let full = "True shows all that the provider says, not only what is mostly needed.";
    for (name, kind, target, description) in [
        ("fields", ArgType::Array, Target::Fields, fields),
        ("full", ArgType::Boolean, Target::Full, full),
    ] {
        if !takes.contains(&target) {
            continue;
        }
        let is_it = |known: &String| known == name;
        if args
            .iter()
            .any(|arg| is_it(&arg.name) || arg.aliases.iter().any(is_it))
        {
            continue;
        }
        let is_list = kind == ArgType::Array;
        let mut schema = json!({ "type": kind.as_str(), "description": description });
        if is_list {
            schema["items"] = json!({ "type": "string" });
        }
        schemas.push(schema);
        args.push(Arg {
            name: name.to_owned(),
            aliases: Vec::new(),
            description: description.to_owned(),
            kind,
            item_kind: is_list.then_some(ArgType::String),
            required: false,
            default: None,
            accepts_csv: is_list,
            value_map: BTreeMap::new(),
            target,
            change: None,
            spread: None,
            when: None,
            unlisted: None,
        });
    }
}

/// Each template argument is used, and what a constant needs is there when it is sent.
fn check_templates(args: &[Arg], call: &Call, response: &Response, faults: &mut Faults) {
    let mut used = BTreeSet::new();
    let mut need = |at: usize, when: Option<&When>| {
        used.insert(at);
        let arg = &args[at];
        let sure = arg.required
            || arg.default.is_some()
            || when.is_some_and(|when| {
                when.given.contains(&at) || when.equals.iter().any(|(arg, _)| *arg == at)
            });
        if !sure {
            faults.add(
                format!("args.{}", arg.name),
                "may be absent, but a constant needs it",
            );
        }
    };
    let headers = |list: &[(String, Template)]| -> Vec<usize> {
        list.iter()
            .flat_map(|(_, template)| template.args().collect::<Vec<_>>())
            .collect()
    };
    let queries = |list: &[(String, Constant)]| -> Vec<usize> {
        list.iter()
            .flat_map(|(_, constant)| constant.args())
            .collect()
    };
    let bodies = |list: &[(WirePath, Constant)]| -> Vec<usize> {
        let in_paths = list.iter().flat_map(|(path, _)| path_args(&path.0));
        in_paths
            .chain(list.iter().flat_map(|(_, constant)| constant.args()))
            .collect()
    };
    let mut plain = headers(&call.const_header);
    plain.extend(queries(&call.const_query));
    plain.extend(bodies(&call.const_body));
    let requests = std::iter::once(&call.request).chain(call.variants.iter().map(|(_, r)| r));
    for part in requests.flat_map(|request| &request.path) {
        if let PathPart::Template(template) = part {
            plain.extend(template.args());
        }
    }
    plain.into_iter().for_each(|at| need(at, None));
    for extra in &call.const_when {
        let mut inside = headers(&extra.header);
        inside.extend(queries(&extra.query));
        inside.extend(bodies(&extra.body));
        inside
            .into_iter()
            .for_each(|at| need(at, Some(&extra.when)));
    }
    let conditions = call
        .variants
        .iter()
        .map(|(when, _)| when)
        .chain(call.const_when.iter().map(|extra| &extra.when))
        .chain(args.iter().filter_map(|arg| arg.when.as_ref()));
    for when in conditions {
        let named = when.given.iter().chain(&when.given_any).chain(&when.absent);
        used.extend(named.copied().chain(when.equals.iter().map(|(at, _)| *at)));
    }
    for arg in args {
        if let Target::Body(landing) | Target::Variable(landing) = &arg.target {
            used.extend(path_args(&landing.path.0));
        }
    }
    if let Some(items) = &response.items {
        used.extend(path_args(&items.0));
    }
    for (at, arg) in args.iter().enumerate() {
        if arg.target == Target::Template && !used.contains(&at) {
            faults.add(
                format!("args.{}", arg.name),
                "is in no template and no condition",
            );
        }
    }
    let reads = call.request.method == Method::Get;
    if reads
        && (!call.const_body.is_empty()
            || args.iter().any(|arg| matches!(arg.target, Target::Body(_))))
    {
        faults.add("request", "a GET has no body");
    }
}

fn path_args(steps: &[PathStep]) -> impl Iterator<Item = usize> {
    steps.iter().filter_map(|step| match step {
        PathStep::KeyOf(at) | PathStep::IndexOf(at) => Some(*at),
        _ => None,
    })
}
