//! What holds for all tools of a connector.

use std::collections::BTreeMap;

use super::{no_args, programs};
use crate::closed::{AuthPlace, ErrorStyle, ListPlace};
use crate::error::Faults;
use crate::manifest::{
    AuthText, ErrorsText, Identity, MethodText, OutputText, PaginationText, RateLimitText,
    RefusalsText,
};
use crate::model::{
    Auth, AuthMethod, CredentialPart, Errors, PageKind, PageParam, Pagination, RateLimit, Refusals,
};
use crate::output::{NamePattern, Output};
use crate::path::ResultPath;

pub(super) fn check_header(key: &str, name: &str, value: &str, faults: &mut Faults) {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        faults.add(key, "is no header field name");
    }
    if !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        faults.add(key, "must be printable ASCII");
    }
}

pub(super) fn auth(text: AuthText, faults: &mut Faults) -> Option<Auth> {
    if text.methods.is_empty() {
        faults.add("auth.methods", "there must be at least one");
    }
    let methods: Vec<AuthMethod> = text
        .methods
        .into_iter()
        .enumerate()
        .filter_map(|(i, method)| auth_method(&format!("auth.methods[{i}]"), method, faults))
        .collect();
    programs::check(&methods, text.oauth2.as_ref(), faults);
    for (i, ask) in text
        .oauth2
        .iter()
        .flat_map(|o| o.identity.iter().enumerate())
    {
        identity(&format!("auth.oauth2.identity[{i}]"), ask, faults);
    }
    Some(Auth {
        methods,
        oauth2: text.oauth2,
        refusals: refusals(text.refusals, faults),
        notes: text.notes,
    })
}

fn identity(key: &str, ask: &Identity, faults: &mut Faults) {
    if !ask.path.starts_with('/') || ask.path.contains(['{', '#']) {
        faults.add(
            format!("{key}.path"),
            "must begin with / and be as it is sent",
        );
    }
    let https = |url: &String| url.starts_with("https://") && !url.ends_with('/');
    if !ask.base_url.as_ref().is_none_or(https) {
        faults.add(
            format!("{key}.base_url"),
            "must begin with https:// and not end with /",
        );
    }
    for (name, text) in [("id", &ask.id), ("name", &ask.name)] {
        faults.take(&format!("{key}.{name}"), ResultPath::fixed(text));
    }
}

fn refusals(text: RefusalsText, faults: &mut Faults) -> Refusals {
    let header = text.accepted_scopes_header;
    if let Some(name) = &header {
        check_header("auth.refusals.accepted_scopes_header", name, "", faults);
    }
    Refusals {
        token: text.token,
        scope: text.scope,
        needed: path("auth.refusals.needed_path", text.needed_path, faults),
        accepted_scopes_header: header,
    }
}

fn auth_method(key: &str, text: MethodText, faults: &mut Faults) -> Option<AuthMethod> {
    if text.apply.place == AuthPlace::Header {
        check_header(&format!("{key}.apply.name"), &text.apply.name, "", faults);
    }
    let format = credential_format(&text.apply.format);
    let format = faults.take(&format!("{key}.apply.format"), format)?;
    if text
        .path_prefix
        .as_ref()
        .is_some_and(|prefix| !prefix.starts_with('/'))
    {
        faults.add(format!("{key}.path_prefix"), "must begin with /");
    }
    if text.begins.iter().any(String::is_empty) {
        faults.add(format!("{key}.begins"), "holds an empty text");
    }
    Some(AuthMethod {
        kind: text.kind,
        label: text.label,
        place: text.apply.place,
        name: text.apply.name,
        format,
        token_kind: text.token_kind,
        begins: text.begins,
        username: text.username,
        password: text.password,
        base_url: text.base_url,
        path_prefix: text.path_prefix,
        scope: text.scope,
        token_url: text.token_url,
        needs: text.needs,
        note: text.note,
    })
}

fn credential_format(text: &str) -> Result<Vec<CredentialPart>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').ok_or("has { without }")?;
        if !before.is_empty() {
            parts.push(CredentialPart::Text(before.to_owned()));
        }
        parts.push(match inside {
            "token" => CredentialPart::Token,
            "base64:username:password" => CredentialPart::Pair,
            other => return Err(format!("knows no {{{other}}}")),
        });
        rest = after;
    }
    if parts.is_empty() {
        return Err("holds no credential".to_owned());
    }
    if !rest.is_empty() {
        parts.push(CredentialPart::Text(rest.to_owned()));
    }
    Ok(parts)
}

pub(super) fn rate_limit(text: RateLimitText, faults: &mut Faults) -> RateLimit {
    if text.statuses.is_empty() {
        faults.add("rate_limit.statuses", "there must be at least one");
    }
    let body_retry_after = path(
        "rate_limit.body_retry_after_path",
        text.body_retry_after_path,
        faults,
    );
    let reasons = match (
        path("rate_limit.reason_path", text.reason_path, faults),
        text.retry_reasons,
    ) {
        (Some(path), reasons) if !reasons.is_empty() => Some((path, reasons)),
        (None, reasons) if reasons.is_empty() => None,
        _ => {
            faults.add(
                "rate_limit.retry_reasons",
                "needs reason_path, and the other way round",
            );
            None
        }
    };
    if text.requests_at_once == Some(0) {
        faults.add("rate_limit.requests_at_once", "must be at least 1");
    }
    let names = text.headers;
    let reset_header = match (names.reset, names.reset_unit) {
        (Some(name), Some(unit)) => Some((name, unit)),
        (None, None) => None,
        _ => {
            faults.add(
                "rate_limit.headers.reset",
                "needs reset_unit, and the other way round",
            );
            None
        }
    };
    let other_headers: BTreeMap<_, _> = [
        ("limit", names.limit),
        ("bucket", names.bucket),
        ("scope", names.scope),
        ("global", names.global),
        ("reason", names.reason),
        ("used", names.used),
        ("cost", names.cost),
    ]
    .into_iter()
    .filter_map(|(what, name)| Some((what, name?)))
    .collect();
    RateLimit {
        statuses: text.statuses,
        retry_after: text.retry_after,
        remaining_header: names.remaining,
        reset_header,
        other_headers,
        body_retry_after,
        reasons,
        bucket_path_params: text.bucket_path_params,
        serial_writes: text.serial_writes,
        serial_path_params: text.serial_path_params,
        requests_at_once: text.requests_at_once,
        conditional_requests: text.conditional_requests,
        note: text.note,
    }
}

pub(super) fn output(text: OutputText, faults: &mut Faults) -> Output {
    let mut patterns = |key: &str, all: &[String]| -> Vec<NamePattern> {
        all.iter()
            .filter_map(|text| faults.take(key, NamePattern::parse(text)))
            .collect()
    };
    let output = Output {
        drop: patterns("output.drop", &text.drop),
        keep: patterns("output.keep", &text.keep),
        brief: text.brief,
    };
    let is_of_use = |pattern: &NamePattern| match pattern {
        NamePattern::Whole(name) => output.drop.iter().any(|drop| drop.fits(name)),
        _ => true,
    };
    if !output.keep.iter().all(is_of_use) {
        faults.add("output.keep", "names what nothing in drop leaves out");
    }
    for (name, members) in &output.brief {
        if members.is_empty() {
            faults.add(format!("output.brief.{name}"), "names no member");
        }
    }
    output
}

pub(super) fn errors(text: ErrorsText, faults: &mut Faults) -> Errors {
    if text.style == ErrorStyle::Http200OkFalse && text.ok_path.is_none() {
        faults.add(
            "errors.ok_path",
            "is what the style http_200_ok_false looks at",
        );
    }
    let details = text
        .detail_paths
        .into_iter()
        .enumerate()
        .filter_map(|(i, text)| {
            let name = text
                .rsplit(['.', '$'])
                .next()
                .unwrap_or_default()
                .to_owned();
            let path = path(&format!("errors.detail_paths[{i}]"), Some(text), faults)?;
            Some((name, path))
        })
        .collect();
    Errors {
        style: text.style,
        ok: path("errors.ok_path", text.ok_path, faults),
        code: path("errors.code_path", text.code_path, faults),
        status: path("errors.status_path", text.status_path, faults),
        message: path("errors.message_path", text.message_path, faults),
        details,
        note: text.note,
    }
}

pub(super) fn pagination(
    key: &str,
    text: &PaginationText,
    faults: &mut Faults,
) -> Option<Pagination> {
    let mut at =
        |name: &str, text: &Option<String>| path(&format!("{key}.{name}"), text.clone(), faults);
    let param = |place: &ListPlace, name: &String| PageParam {
        place: *place,
        name: name.clone(),
    };
    let (kind, size_param, max_size, note) = match text {
        PaginationText::LinkHeader {
            page_param,
            size_param,
            max_size,
            next_page_header,
            total_header,
            note,
        } => {
            let (page_param, next_page_header, total_header) = (
                page_param.clone(),
                next_page_header.clone(),
                total_header.clone(),
            );
            (
                PageKind::LinkHeader {
                    page_param,
                    next_page_header,
                    total_header,
                },
                size_param,
                max_size,
                note,
            )
        }
        PaginationText::NextUrl {
            next_path,
            url,
            page_param,
            cursor_param,
            size_param,
            max_size,
            note,
        } => {
            let next = at("next_path", &Some(next_path.clone()))?;
            let (page_param, cursor_param) = (page_param.clone(), cursor_param.clone());
            (
                PageKind::NextUrl {
                    next,
                    url: *url,
                    page_param,
                    cursor_param,
                },
                size_param,
                max_size,
                note,
            )
        }
        PaginationText::Cursor {
            param: name,
            place,
            next_path,
            more_path,
            last_path,
            size_param,
            max_size,
            note,
        } => {
            let next = at("next_path", &Some(next_path.clone()))?;
            let (more, last) = (at("more_path", more_path), at("last_path", last_path));
            (
                PageKind::Cursor {
                    param: param(place, name),
                    next,
                    more,
                    last,
                },
                size_param,
                max_size,
                note,
            )
        }
        PaginationText::Keyset {
            param: name,
            place,
            key_path,
            more_path,
            size_param,
            max_size,
            note,
        } => {
            let key = at("key_path", &Some(key_path.clone()))?;
            let more = at("more_path", more_path);
            (
                PageKind::Keyset {
                    param: param(place, name),
                    key,
                    more,
                },
                size_param,
                max_size,
                note,
            )
        }
        PaginationText::PageNumber {
            param: name,
            place,
            first,
            more_path,
            pages_path,
            total_path,
            size_param,
            max_size,
            note,
        } => {
            let (more, pages) = (at("more_path", more_path), at("pages_path", pages_path));
            let total = at("total_path", total_path);
            (
                PageKind::PageNumber {
                    param: param(place, name),
                    first: *first,
                    more,
                    pages,
                    total,
                },
                size_param,
                max_size,
                note,
            )
        }
        PaginationText::Offset {
            param: name,
            place,
            total_path,
            last_path,
            size_param,
            max_size,
            note,
        } => {
            let (total, last) = (at("total_path", total_path), at("last_path", last_path));
            (
                PageKind::Offset {
                    param: param(place, name),
                    total,
                    last,
                },
                size_param,
                max_size,
                note,
            )
        }
        PaginationText::Relay {
            first_variable,
            after_variable,
            max_size,
            note,
        } => {
            let (first, after) = (first_variable.clone(), after_variable.clone());
            (PageKind::Relay { first, after }, &None, max_size, note)
        }
    };
    if *max_size == Some(0) {
        faults.add(format!("{key}.max_size"), "must be at least 1");
    }
    Some(Pagination {
        kind,
        size_param: size_param.clone(),
        max_size: *max_size,
        note: note.clone(),
    })
}

fn path(key: &str, text: Option<String>, faults: &mut Faults) -> Option<ResultPath> {
    faults.take(key, ResultPath::parse(&text?, &no_args))
}
