//! What comes after a page.

use catalog::closed::NextUrl;
use catalog::{PageKind, PageParam, Pages, ResultPath, Target, Tool};
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::request::Draft;

/// Where the next page is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// This was the last one.
    End,
    /// At an address, which is on the provider's own host.
    Link(Url),
    /// With this parameter.
    Param(PageParam, Value),
    /// With this GraphQL variable.
    Variable(String, Value),
}

/// A page as it came.
pub(super) struct Page<'a> {
    pub(super) url: &'a Url,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Value,
    pub(super) items: usize,
}

/// Finds the page after `page`, which `sent` asked for.
pub(super) fn next(pages: &Pages, sent: &Draft, page: &Page<'_>) -> Next {
    let body = page.body;
    let says = |path: &Option<ResultPath>, wanted: bool| {
        path.as_ref()
            .and_then(|path| path.get(body))
            .and_then(Value::as_bool)
            == Some(wanted)
    };
    let number = |path: &Option<ResultPath>| {
        path.as_ref()
            .and_then(|path| path.get(body))
            .and_then(number)
    };
    let param = |param: &PageParam, value: Value| Next::Param(param.clone(), value);
    let size = page_size(pages, sent);
    // A page that is not full ends a list that tells nothing else.
    let is_short = page.items == 0 || size.is_some_and(|size| (page.items as u64) < size);
    match &pages.profile.kind {
        PageKind::LinkHeader {
            page_param,
            next_page_header,
            ..
        } => {
            if let Some(link) = link(page.headers, "next") {
                return same_host(page.url, &link);
            }
            let number = next_page_header
                .as_ref()
                .and_then(|name| page.headers.get(name.as_str()));
            let number = number
                .and_then(|value| value.to_str().ok())
                .filter(|text| !text.is_empty());
            match (page_param, number) {
                (Some(name), Some(number)) => {
                    let place = catalog::closed::ListPlace::Query;
                    Next::Param(
                        PageParam {
                            place,
                            name: name.clone(),
                        },
                        json!(number),
                    )
                }
                _ => Next::End,
            }
        }
        PageKind::NextUrl { next, url, .. } => match next.get(body).and_then(Value::as_str) {
            Some(link) if *url == NextUrl::Absolute || link.contains("://") => {
                same_host(page.url, link)
            }
            // Relative to the base, whose own path the provider leaves out.
            Some(link) => {
                match Url::parse(&format!("{}/{}", sent.base, link.trim_start_matches('/'))) {
                    Ok(link) => Next::Link(link),
                    Err(_) => Next::End,
                }
            }
            None => Next::End,
        },
        PageKind::Cursor {
            param: name,
            next,
            more,
            last,
        } => match next.get(body) {
            Some(cursor) if !is_blank(cursor) && !says(more, false) && !says(last, true) => {
                param(name, cursor.clone())
            }
            _ => Next::End,
        },
        PageKind::Keyset {
            param: name,
            key,
            more,
        } => match key.get(body) {
            Some(key) if !is_short && !says(more, false) => param(name, key.clone()),
            Some(key) if page.items > 0 && says(more, true) => param(name, key.clone()),
            _ => Next::End,
        },
        PageKind::PageNumber {
            param: name,
            first,
            more,
            pages,
            total,
        } => {
            let this = sent
                .asked(name)
                .as_ref()
                .and_then(self::number)
                .unwrap_or(*first);
            let seen = size.map(|size| (this - first + 1).saturating_mul(size.cast_signed()));
            let is_last = if more.is_some() {
                !says(more, true)
            } else if let Some(count) = number(pages) {
                this - first + 1 >= count
            } else if let (Some(total), Some(seen)) = (number(total), seen) {
                seen >= total
            } else {
                is_short
            };
            if is_last || page.items == 0 {
                Next::End
            } else {
                param(name, json!(this + 1))
            }
        }
        PageKind::Offset {
            param: name,
            total,
            last,
        } => {
            let this = sent
                .asked(name)
                .as_ref()
                .and_then(self::number)
                .unwrap_or(0);
            let after = this + i64::try_from(page.items).unwrap_or(0);
            let is_last = says(last, true)
                || match number(total) {
                    Some(total) => after >= total,
                    None => is_short && !says(last, false),
                };
            if is_last || page.items == 0 {
                Next::End
            } else {
                param(name, json!(after))
            }
        }
        PageKind::Relay { after, .. } => {
            let mut beside = pages.items.clone();
            beside.0.pop();
            let info = beside.get(body).map(|connection| &connection["pageInfo"]);
            match info {
                Some(info)
                    if info["hasNextPage"] == json!(true) && !is_blank(&info["endCursor"]) =>
                {
                    Next::Variable(after.clone(), info["endCursor"].clone())
                }
                _ => Next::End,
            }
        }
    }
}

impl Next {
    /// Changes `draft` so that it asks for this page; false at the end.
    pub(super) fn apply(&self, draft: &mut Draft) -> bool {
        match self {
            Self::End => return false,
            Self::Link(link) => draft.link = Some(link.clone()),
            Self::Param(param, value) => draft.set(param, value.clone()),
            Self::Variable(name, value) => draft.set_variable(name, value.clone()),
        }
        true
    }

    /// The arguments with which the tool gives this page; none when no argument leads there.
    pub(super) fn arguments(&self, tool: &Tool, sent: &Draft) -> Option<Value> {
        let mut found = Map::new();
        for arg in &tool.args {
            let value = match (self, &arg.target) {
                (Self::Link(link), Target::Query(name)) => {
                    let pair = link.query_pairs().find(|(known, _)| known == name);
                    let value = pair.map(|(_, value)| value.into_owned());
                    let same = |value: &String| {
                        sent.query
                            .iter()
                            .any(|(known, old)| known == name && old == value)
                    };
                    value.filter(|value| !same(value)).map(Value::from)
                }
                (Self::Param(param, value), target) => {
                    let lands = match target {
                        Target::Query(name) => *name == param.name,
                        Target::Body(landing) => is_key(&landing.path.0, &param.name),
                        _ => false,
                    };
                    lands.then(|| value.clone())
                }
                (Self::Variable(name, value), Target::Variable(landing)) => {
                    is_key(&landing.path.0, name).then(|| value.clone())
                }
                _ => None,
            };
            if let Some(value) = value {
                let whole = value.as_str().and_then(|text| text.parse::<i64>().ok());
                let whole = whole.filter(|_| arg.kind == catalog::closed::ArgType::Integer);
                found.insert(arg.name.clone(), whole.map_or(value, Value::from));
            }
        }
        (!found.is_empty()).then_some(Value::Object(found))
    }
}

fn is_key(steps: &[catalog::Step], name: &str) -> bool {
    matches!(steps, [catalog::Step::Key(key)] if key == name)
}

fn page_size(pages: &Pages, sent: &Draft) -> Option<u64> {
    let name = pages.profile.size_param.as_ref()?;
    let in_query = sent.query.iter().find(|(known, _)| known == name);
    let in_query = in_query.and_then(|(_, value)| value.parse().ok());
    in_query.or_else(|| sent.body.as_ref()?.get(name)?.as_u64())
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// A link to another host, or to the page itself, is not followed.
fn same_host(from: &Url, link: &str) -> Next {
    match from.join(link) {
        Ok(link) if link.origin() == from.origin() && link != *from => Next::Link(link),
        _ => Next::End,
    }
}

/// The target of the `Link` field (RFC 8288) with this relation.
pub(super) fn link(headers: &HeaderMap, relation: &str) -> Option<String> {
    let fields = headers
        .get_all(header::LINK)
        .iter()
        .filter_map(|field| field.to_str().ok());
    for field in fields {
        let mut rest = field;
        while let Some((_, after)) = rest.split_once('<') {
            let (target, after) = after.split_once('>')?;
            let end = after
                .find(",<")
                .or_else(|| after.find(", <"))
                .unwrap_or(after.len());
            let (params, after) = after.split_at(end);
            let is_wanted = params
                .split(';')
                .filter_map(|param| param.trim().split_once('='))
                .any(|(name, value)| {
                    let value = value.trim().trim_matches('"');
                    name.trim().eq_ignore_ascii_case("rel")
                        && value.split_ascii_whitespace().any(|word| word == relation)
                });
            if is_wanted {
                return Some(target.to_owned());
            }
            rest = after;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_field_is_read_as_rfc_8288_writes_it() {
        let find = |text: &'static str, relation| {
            let headers = HeaderMap::from_iter([(header::LINK, text.parse().unwrap())]);
            link(&headers, relation)
        };
        let github = "<https://a/x?page=3>; rel=\"next\", <https://a/x?page=9>; rel=\"last\"";

        assert_eq!(find(github, "next").as_deref(), Some("https://a/x?page=3"));
        assert_eq!(find(github, "last").as_deref(), Some("https://a/x?page=9"));
        assert_eq!(find(github, "prev"), None);
        assert_eq!(
            find("<https://a/?q=1,2>; title=x; rel=next", "next").as_deref(),
            Some("https://a/?q=1,2")
        );
        assert_eq!(find("<https://a/", "next"), None);
    }

    #[test]
    fn a_next_link_stays_on_its_host_and_goes_on() {
        let from: Url = "https://api.example.com/x?page=1".parse().unwrap();

        assert!(matches!(
            same_host(&from, "https://api.example.com/x?page=2"),
            Next::Link(_)
        ));
        assert!(matches!(same_host(&from, "/x?page=2"), Next::Link(_)));
        assert_eq!(same_host(&from, "https://evil.example/x?page=2"), Next::End);
        assert_eq!(
            same_host(&from, "http://api.example.com/x?page=2"),
            Next::End
        );
        assert_eq!(
            same_host(&from, "https://api.example.com/x?page=1"),
            Next::End
        );
    }
}
