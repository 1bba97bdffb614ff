//! What a person is asked to grant: no more than the tools that are switched on need.

use std::collections::{BTreeMap, BTreeSet};

use catalog::closed::{Effect, ToolToken};
use catalog::{Connector, OAuth2, Tool};
use oauth::Scopes;

/// Titles of tools that are shown for one scope.
const TITLES_SHOWN: usize = 3;

/// What is asked for, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) scopes: Scopes,
    /// One for each scope, in alphabetical order.
    pub(crate) reasons: Vec<Reason>,
}

/// What one scope is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) scope: String,
    /// The most that a tool does with it; none for scopes that no tool needs by itself.
    pub(crate) effect: Option<Effect>,
    /// Titles of some tools that need it.
    pub(crate) tools: Vec<String>,
    /// How many more there are.
    pub(crate) more: usize,
}

/// A scope, and whether it is the user's, of a provider that tells bot and user apart.
type Kind = bool;
type Set<'a> = BTreeSet<(Kind, &'a str)>;

/// What one tool needs: all of some scopes, or any one of others.
struct Need<'a> {
    tool: &'a Tool,
    user: Kind,
    all: &'a [String],
    any: &'a [String],
}

impl<'a> Need<'a> {
    fn of(tool: &'a Tool, apart: bool) -> Option<Self> {
        if tool.token == Some(ToolToken::None) {
            return None;
        }
        let user = apart && tool.token == Some(ToolToken::User);
        let bot = apart && !user && !tool.scopes.bot.is_empty();
        let need = Self {
            tool,
            user,
            all: if bot {
                &tool.scopes.bot
            } else {
                &tool.scopes.all
            },
            any: &tool.scopes.any,
        };
        (!need.all.is_empty() || !need.any.is_empty()).then_some(need)
    }

    fn is_met(&self, set: &Set<'_>) -> bool {
        let has = |scope: &String| set.contains(&(self.user, scope.as_str()));
        self.any.iter().any(has) || (!self.all.is_empty() && self.all.iter().all(has))
    }

    fn names(&self, user: Kind, scope: &str) -> bool {
        self.user == user && self.all.iter().chain(self.any).any(|named| named == scope)
    }
}

/// What to ask for at a server that names its scopes itself, and does not say what each is for.
pub(super) fn of_server(scopes: Vec<String>) -> Wanted {
    let mut named = scopes.clone();
    named.sort();
    let reasons = named.into_iter().map(|scope| Reason {
        scope,
        effect: None,
        tools: Vec::new(),
        more: 0,
    });
    Wanted {
        reasons: reasons.collect(),
        scopes: Scopes {
            bot: Vec::new(),
            user: scopes,
        },
    }
}

/// What to ask for at the provider of `connector`, so that the tools that are `enabled` work.
/// `also` is asked for too: what was granted before, and what a call found missing.
///
/// Of the manifest's default scopes, those that no tool names are always asked for (who the user
/// is, a token that can be refreshed); the others are there for the tools that name them. Where
/// any one of several scopes is enough for a tool, one is asked for that another tool needs anyway,
/// if there is such a one.
pub(crate) fn wanted(
    connector: &Connector,
    oauth2: &OAuth2,
    enabled: &BTreeSet<String>,
    also: &[String],
) -> Wanted {
    let apart = oauth2.scope_params.contains_key("user");
    let all: Vec<Need<'_>> = connector
        .tools
        .iter()
        .filter_map(|tool| Need::of(tool, apart))
        .collect();
    let known = |scope: &str| {
        all.iter()
            .any(|need| need.names(false, scope) || need.names(true, scope))
    };
    let needs: Vec<&Need<'_>> = all
        .iter()
        .filter(|need| enabled.contains(&need.tool.name))
        .collect();

    let mut set: Set<'_> = BTreeSet::new();
    let base = oauth2.default_scopes.iter().chain(&oauth2.refresh.scope);
    set.extend(
        base.filter(|scope| !known(scope) || oauth2.refresh.scope.as_ref() == Some(*scope))
            .map(|scope| (false, scope.as_str())),
    );
    let prefix = oauth2.scope_prefix.as_deref().unwrap_or_default();
    for scope in also {
        let scope = scope.strip_prefix(prefix).unwrap_or(scope);
        let of_bots = all.iter().any(|need| need.names(false, scope));
        let of_users = all.iter().any(|need| need.names(true, scope));
        set.insert((of_users && !of_bots, scope));
    }
    for need in needs.iter().filter(|need| need.any.is_empty()) {
        set.extend(need.all.iter().map(|scope| (need.user, scope.as_str())));
    }
    let certain = set.clone();
    for need in &needs {
        if need.is_met(&set) {
            continue;
        }
        let usual = |scope: &&String| oauth2.default_scopes.contains(*scope);
        let one = need.any.iter().find(usual).or(need.any.first());
        let asked: Vec<&String> = match need.all {
            [] => one.into_iter().collect(),
            all => all.iter().collect(),
        };
        set.extend(asked.into_iter().map(|scope| (need.user, scope.as_str())));
    }
    // What was asked for early may be covered by what came later.
    for one in set.clone().difference(&certain) {
        set.remove(one);
        if !needs.iter().all(|need| need.is_met(&set)) {
            set.insert(*one);
        }
    }
    explained(&set, &needs)
}

fn explained(set: &Set<'_>, needs: &[&Need<'_>]) -> Wanted {
    let mut wanted = Wanted::default();
    let mut reasons: BTreeMap<&str, Reason> = BTreeMap::new();
    for (user, scope) in set {
        let list = if *user {
            &mut wanted.scopes.user
        } else {
            &mut wanted.scopes.bot
        };
        list.push((*scope).to_owned());
        let of: Vec<&Tool> = needs
            .iter()
            .filter(|need| need.names(*user, scope))
            .map(|need| need.tool)
            .collect();
        let reason = Reason {
            scope: (*scope).to_owned(),
            effect: of.iter().map(|tool| tool.effect).max_by_key(weight),
            tools: of
                .iter()
                .take(TITLES_SHOWN)
                .map(|tool| tool.title.clone())
                .collect(),
            more: of.len().saturating_sub(TITLES_SHOWN),
        };
        reasons.entry(scope).or_insert(reason);
    }
    wanted.reasons = reasons.into_values().collect();
    wanted
}

fn weight(effect: &Effect) -> u8 {
    match effect {
        Effect::Read => 0,
        Effect::Write => 1,
        Effect::Destructive => 2,
    }
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;

    use super::*;

    /// What is asked for so that these tools of a built-in connector work: bot, then user.
    fn asked(name: &str, tools: &[&str], also: &[&str]) -> (Vec<String>, Vec<String>) {
        let connector = Catalog::builtin().connector(name).unwrap();
        for tool in tools {
            assert!(connector.tool(tool).is_some(), "{tool}");
        }
        let enabled = tools.iter().map(|tool| (*tool).to_owned()).collect();
        let also: Vec<String> = also.iter().map(|scope| (*scope).to_owned()).collect();
        let oauth2 = connector.auth.oauth2.as_ref().unwrap();
        let scopes = wanted(&connector, oauth2, &enabled, &also).scopes;
        (scopes.bot, scopes.user)
    }

    #[test]
    fn only_what_the_enabled_tools_need_is_asked_for() {
        let (one, _) = asked("jira", &["jira_get_issue"], &[]);
        assert!(one.contains(&"read:jira-work".to_owned()), "{one:?}");
        assert!(one.contains(&"offline_access".to_owned()), "{one:?}");
        assert!(
            !one.iter().any(|scope| scope.starts_with("manage:")),
            "{one:?}"
        );
        let (more, _) = asked("jira", &["jira_get_issue", "jira_create_issue"], &[]);
        assert!(more.contains(&"write:jira-work".to_owned()), "{more:?}");
        let (further, _) = asked("jira", &["jira_get_issue"], &["manage:jira-project"]);
        assert!(further.contains(&"manage:jira-project".to_owned()));
    }

    #[test]
    fn where_one_of_several_is_enough_none_is_asked_for_that_another_covers() {
        let scope = |name: &str| format!("https://www.googleapis.com/auth/gmail.{name}");
        let (reading, _) = asked("gmail", &["gmail_get_message"], &[]);
        assert_eq!(reading, [scope("readonly")]);
        let (both, _) = asked("gmail", &["gmail_get_message", "gmail_trash_message"], &[]);
        assert_eq!(both, [scope("modify")]);
    }

    #[test]
    fn bot_and_user_are_asked_apart_where_the_provider_tells_them_apart() {
        let (bot, user) = asked(
            "slack",
            &[
                "slack_conversations_add_message",
                "slack_conversations_search_messages",
            ],
            &[],
        );
        assert_eq!(
            (bot, user),
            (
                vec!["chat:write".to_owned()],
                vec!["search:read".to_owned()],
            )
        );
        let (bot, user) = asked("slack", &[], &["search:read", "files:read"]);
        assert_eq!(
            (bot, user),
            (
                vec!["files:read".to_owned()],
                vec!["search:read".to_owned()],
            )
        );
    }

    #[test]
    fn each_scope_says_what_it_is_for() {
        let connector = Catalog::builtin().connector("slack").unwrap();
        let enabled = connector
            .tools
            .iter()
            .map(|tool| tool.name.clone())
            .collect();
        let oauth2 = connector.auth.oauth2.as_ref().unwrap();
        let wanted = wanted(&connector, oauth2, &enabled, &[]);

        let find = |scope: &str| wanted.reasons.iter().find(|r| r.scope == scope).unwrap();
        assert_eq!(find("channels:history").effect, Some(Effect::Read));
        assert_eq!(find("chat:write").tools.len(), 3);
        assert!(find("chat:write").more > 0);
        assert_eq!(find("chat:write").effect, Some(Effect::Destructive));
    }
}
