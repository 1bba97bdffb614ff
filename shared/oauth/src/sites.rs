//! Which of several sites an account is for.

use std::collections::BTreeMap;

use catalog::{AfterConnect, ResultPath};
use egress::Deadline;
use http::Method;
use serde_json::Value;
use url::Url;

use crate::answer::garbage;
use crate::http::{Outgoing, send};
use crate::{Endpoints, EndpointsError, TokenEndpoint, TokenError, identity};

/// Sites that are shown at most.
const SITES_MAX: usize = 100;
/// Bytes of a variable's value.
const VALUE_MAX: usize = 200;

/// One of the sites that a connection reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// For the connector's base URL, e.g. `cloudId`.
    pub variables: BTreeMap<String, String>,
    /// For the person who chooses.
    pub label: String,
}

/// How the sites are asked for.
#[derive(Clone, Debug)]
pub(crate) struct SiteRules {
    url: Url,
    list: ResultPath,
    /// Name and member of an element.
    members: Vec<(String, String)>,
    stores: String,
}

impl SiteRules {
    pub(crate) fn new(after: &AfterConnect, url: Url) -> Result<Self, EndpointsError> {
        let fault = |problem: String| EndpointsError::Manifest {
            key: "after_connect",
            problem,
        };
        let (list, members) = after
            .select
            .strip_suffix('}')
            .and_then(|text| text.split_once("[*].{"))
            .ok_or_else(|| fault("select must be $…[*].{name:member,…}".to_owned()))?;
        let members = members.split(',').map(|pair| {
            let (name, member) = pair.split_once(':')?;
            Some((name.trim().to_owned(), member.trim().to_owned()))
        });
        let members: Vec<(String, String)> = members
            .collect::<Option<_>>()
            .ok_or_else(|| fault("select must be $…[*].{name:member,…}".to_owned()))?;
        if !members.iter().any(|(name, _)| *name == after.stores) {
            return Err(fault("select does not name what is stored".to_owned()));
        }
        Ok(Self {
            url,
            list: ResultPath::fixed(list).map_err(fault)?,
            members,
            stores: after.stores.clone(),
        })
    }

    fn site(&self, element: &Value) -> Option<Site> {
        let text = |wanted: &str| {
            let (_, member) = self.members.iter().find(|(name, _)| name == wanted)?;
            element.get(member)?.as_str()
        };
        let value = text(&self.stores)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        if value.is_empty() || value.len() > VALUE_MAX || !value.bytes().all(fits) {
            return None;
        }
        let shown = ["name", "url"].into_iter().filter_map(text);
        let shown: Vec<&str> = shown.collect();
        let label = match shown.as_slice() {
            [] => value.to_owned(),
            [one] => (*one).to_owned(),
            [name, url, ..] => format!("{name} ({url})"),
        };
        Some(Site {
            variables: BTreeMap::from([(self.stores.clone(), value.to_owned())]),
            label: identity::name(&label)?,
        })
    }
}

impl TokenEndpoint {
    /// The sites that the new account reaches, at most 100; none for a provider without sites.
    /// Of several its owner chooses one; none at all is [`TokenError::Refused`].
    pub async fn after_connect(
        &self,
        endpoints: &Endpoints,
        access_token: &str,
        deadline: Deadline,
    ) -> Result<Vec<Site>, TokenError> {
        let Some(rules) = &endpoints.sites else {
            return Ok(Vec::new());
        };
        let mut request = Outgoing::new(Method::GET, rules.url.clone());
        request.bearer(access_token);
        let request = request.finish(endpoints.body)?;
        let incoming = send(&self.client, self.limits, request, deadline).await?;
        endpoints.answer.checked(&incoming, &[access_token])?;
        let body = incoming.json().ok_or_else(|| garbage("no JSON"))?;
        let list = rules.list.get(&body).and_then(Value::as_array);
        let list = list.ok_or_else(|| garbage("no list of sites"))?;
        let sites = list.iter().filter_map(|element| rules.site(element));
        let mut sites: Vec<Site> = sites.take(SITES_MAX).collect();
        sites.dedup();
        if sites.is_empty() {
            return Err(TokenError::Refused {
                code: "no_site".to_owned(),
                description: "the account reaches no site".to_owned(),
            });
        }
        Ok(sites)
    }
}
