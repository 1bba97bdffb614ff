//! What is asked for, and how a provider wants it written.

use std::collections::BTreeSet;

/// What a person is asked to grant, in the manifest's words. A provider that knows one kind of
/// token is asked for both lists as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    pub bot: Vec<String>,
    pub user: Vec<String>,
}

/// Scopes of OpenID Connect, which no provider puts a prefix before.
const WITHOUT_PREFIX: [&str; 5] = ["openid", "profile", "email", "address", "phone"];

/// How scopes are written.
#[derive(Clone, Debug)]
pub(crate) struct ScopeRules {
    pub(crate) separator: String,
    /// Stands before each scope of the provider's own on the wire, and in no manifest's list.
    pub(crate) prefix: Option<String>,
    /// The client's registration says which there are: none are asked for.
    pub(crate) of_client: bool,
    /// The parameters for bot and user, of a provider with two kinds.
    pub(crate) apart: Option<(String, String)>,
    /// Without this one there is no refresh token.
    pub(crate) for_refresh: Option<String>,
}

impl ScopeRules {
    /// As RFC 6749 has it.
    pub(crate) fn plain() -> Self {
        Self {
            separator: " ".to_owned(),
            prefix: None,
            of_client: false,
            apart: None,
            for_refresh: None,
        }
    }

    /// Parameters of the authorize URL.
    pub(crate) fn parameters(&self, scopes: &Scopes) -> Vec<(String, String)> {
        let lists = match &self.apart {
            _ if self.of_client => Vec::new(),
            Some((bot, user)) => vec![
                (bot.clone(), self.text(scopes.bot.iter())),
                (user.clone(), self.text(scopes.user.iter())),
            ],
            None => {
                let all = scopes.bot.iter().chain(&scopes.user);
                vec![("scope".to_owned(), self.text(all.chain(&self.for_refresh)))]
            }
        };
        let asked = lists.into_iter().filter(|(_, text)| !text.is_empty());
        asked.collect()
    }

    /// Scopes as a request has them.
    pub(crate) fn written(&self, scopes: &[String]) -> String {
        self.text(scopes.iter())
    }

    fn text<'s>(&self, scopes: impl Iterator<Item = &'s String>) -> String {
        let mut seen = BTreeSet::new();
        let each = scopes.filter(|scope| seen.insert(scope.as_str()));
        let written: Vec<String> = each.map(|scope| self.on_the_wire(scope)).collect();
        written.join(&self.separator)
    }

    fn on_the_wire(&self, scope: &str) -> String {
        let bare = WITHOUT_PREFIX.contains(&scope)
            || self.for_refresh.as_deref() == Some(scope)
            || scope.contains("://");
        match &self.prefix {
            Some(prefix) if !bare => format!("{prefix}{scope}"),
            _ => scope.to_owned(),
        }
    }

    /// What was granted, in the manifest's words. Providers separate by spaces or commas,
    /// whatever they ask of others.
    pub(crate) fn granted(&self, text: &str) -> Vec<String> {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let mut seen = BTreeSet::new();
        text.split([' ', ','])
            .map(|scope| scope.strip_prefix(prefix).unwrap_or(scope))
            .filter(|scope| !scope.is_empty() && seen.insert(*scope))
            .map(str::to_owned)
            .collect()
    }
}
