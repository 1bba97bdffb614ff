//! What a manifest must say for programs that sign in by themselves.

use std::collections::BTreeMap;

use crate::closed::AuthKind;
use crate::error::Faults;
use crate::manifest::OAuth2;
use crate::model::AuthMethod;

/// Stands for an app's installation in `token_url`.
const INSTALLATION: &str = "{installation_id}";

/// Checks all `methods`: those that a program signs in with need what `[auth.oauth2]` says of the
/// provider, and an installation's tokens have a place of their own.
pub(super) fn check(methods: &[AuthMethod], oauth2: Option<&OAuth2>, faults: &mut Faults) {
    let none = BTreeMap::new();
    let declared = oauth2.map_or(&none, |oauth2| &oauth2.url_variables);
    for (at, method) in methods.iter().enumerate() {
        let key = format!("auth.methods[{at}]");
        let is_programs_own = method.kind.is_programs_own();
        if is_programs_own && oauth2.is_none() {
            faults.add(format!("{key}.kind"), "needs auth.oauth2");
        }
        if !is_programs_own && (method.token_url.is_some() || !method.needs.is_empty()) {
            faults.add(
                format!("{key}.kind"),
                "takes no token_url and no needs: no program signs in by itself this way",
            );
        }
        let unknown = method
            .needs
            .iter()
            .find(|name| !declared.contains_key(*name));
        if let Some(unknown) = unknown {
            let rule = format!("names {unknown:?}, which is none of auth.oauth2.url_variables");
            faults.add(format!("{key}.needs"), rule);
        }
        let is_installation = method.kind == AuthKind::AppInstallation;
        let token_url = method.token_url.as_deref();
        if is_installation && !token_url.is_some_and(|url| url.contains(INSTALLATION)) {
            let rule = format!("must be there, and hold {INSTALLATION}");
            faults.add(format!("{key}.token_url"), rule);
        }
        if token_url.is_some_and(|url| !url.starts_with("https://")) {
            faults.add(format!("{key}.token_url"), "must begin with https://");
        }
    }
}
