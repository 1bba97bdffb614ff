//! Who signed in, where the provider's token answer does not say.

use std::time::Duration;

use catalog::{Connector as Manifest, Identity};
use domain::{Connector, ConnectorKind};
use oauth::{Deadline, Person, WhoAmI};

use super::details::Grant;
use crate::accounts::provider::{Asks, Provider};
use crate::operations::Operations;

/// All requests together: a person waits for the page meanwhile.
const WITHIN: Duration = Duration::from_secs(5);
/// Requests at most.
const TRIES: usize = 3;
/// Characters of what is shown.
const SUBJECT_MAX_LENGTH: usize = 200;

impl Operations {
    /// Asks the provider who signed in, if it has not said so. An account is as good without: only
    /// that it is another user's at the next time, nobody notices then.
    pub(super) async fn with_identity(
        &self,
        provider: &Provider,
        connector: &Connector,
        mut grant: Grant,
    ) -> Grant {
        let (None, Asks::Manifest(manifest)) = (&grant.secrets.identity, &provider.asks) else {
            return grant;
        };
        let Some(person) = self.who_signed_in(manifest, connector, &grant).await else {
            return grant;
        };
        grant.secrets.identity = Some(person.identity);
        // Of somebody at one of several sites, both tell accounts apart.
        let known = [person.name, grant.subject.take()];
        let known: Vec<String> = known.into_iter().flatten().collect();
        let subject: String = known.join(", ").chars().take(SUBJECT_MAX_LENGTH).collect();
        grant.subject = (!subject.is_empty()).then_some(subject);
        grant
    }

    async fn who_signed_in(
        &self,
        manifest: &Manifest,
        connector: &Connector,
        grant: &Grant,
    ) -> Option<Person> {
        let secrets = &grant.secrets;
        let token = secrets
            .access_token
            .as_ref()
            .or(secrets.user_token.as_ref())?;
        let asks = manifest.auth.oauth2.as_ref()?.identity.iter().take(TRIES);
        let deadline = Deadline::after(WITHIN);
        for ask in asks {
            let Some(base) = base_of(ask, manifest, connector, grant) else {
                continue;
            };
            let ask = WhoAmI::new(ask, &base, &manifest.headers, self.oauth_origins());
            let asked = match ask {
                Ok(ask) => self.tokens().whoami(&ask, token, deadline).await,
                Err(error) => {
                    tracing::warn!(connector.id = %connector.id, "cannot ask who signed in: {error}");
                    continue;
                }
            };
            match asked {
                Ok(person) => return Some(person),
                Err(error) => tracing::info!(
                    connector.id = %connector.id,
                    "the provider was asked who signed in, and did not say: {error}"
                ),
            }
        }
        None
    }
}

/// Where the question goes: to nobody who does not get the account's calls.
fn base_of(
    ask: &Identity,
    manifest: &Manifest,
    connector: &Connector,
    grant: &Grant,
) -> Option<String> {
    let ConnectorKind::Native { base_url, .. } = &connector.kind else {
        return None;
    };
    let own = base_url.as_ref().map(ToString::to_string);
    match (&ask.base_url, own) {
        (Some(fixed), None) => Some(fixed.clone()),
        (Some(_), Some(_)) => None,
        (None, own) if manifest.base_url_variables.is_empty() => {
            Some(own.unwrap_or_else(|| manifest.base_url.clone()))
        }
        (None, own) => manifest.address_with(&grant.variables).or(own),
    }
}
