//! Where calls go, of a provider that has no one address for all.

use std::collections::BTreeMap;

use crate::Connector;

impl Connector {
    /// What a connection's base URL can look like, the connector's own first, where that has
    /// variables; else none.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        let alternatives = self.base_url_alternatives.values();
        std::iter::once(&self.base_url)
            .chain(alternatives)
            .filter(|_| !self.base_url_variables.is_empty())
            .map(String::as_str)
    }

    /// The base URL that `values` make: the first of [`Self::templates`] all of whose variables
    /// are there and stay within their place.
    pub fn address_with(&self, values: &BTreeMap<String, String>) -> Option<String> {
        self.templates().find_map(|template| fill(template, values))
    }
}

/// What stands between braces in a template, in order.
pub fn variables(template: &str) -> Vec<&str> {
    let inside = template.split('{').skip(1);
    inside
        .filter_map(|text| text.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

/// `template` with each `{name}` replaced; none where a value is missing, or could leave its place
/// in a host or a path.
pub fn fill(template: &str, values: &BTreeMap<String, String>) -> Option<String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(values.get(name).filter(|value| is_plain(value))?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

fn is_plain(value: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !value.is_empty()
        && value.bytes().all(plain)
        && !value.starts_with('.')
        && !value.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    #[test]
    fn an_address_is_made_of_what_an_account_says_and_of_nothing_that_leaves_its_place() {
        let jira = Catalog::builtin().connector("jira").unwrap();
        let with = |pairs: &[(&str, &str)]| {
            let values = pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            jira.address_with(&values.collect())
        };

        assert_eq!(
            with(&[("site", "acme")]).as_deref(),
            Some("https://acme.atlassian.net")
        );
        let both = with(&[("site", "acme"), ("cloudId", "1-2")]);
        assert_eq!(
            both.as_deref(),
            Some("https://api.atlassian.com/ex/jira/1-2")
        );
        for bad in ["", "evil.example/", "a@b", "..", ".a", "a:1"] {
            assert_eq!(with(&[("site", bad)]), None, "{bad}");
        }
        assert_eq!(with(&[("host", "acme")]), None);
        let all: Vec<_> = jira.templates().flat_map(variables).collect();
        assert_eq!(all, ["cloudId", "site"]);
        let github = Catalog::builtin().connector("github").unwrap();
        assert_eq!(github.templates().count(), 0);
    }
}
