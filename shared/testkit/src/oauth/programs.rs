//! Programs that sign in by themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::answers::Trouble;
use super::assertion::{Wanted, now, verified};
use super::key::TestKey;
use super::ledger::{Grant, Issued};
use super::profile::Profile;
use super::serve::Server;
use super::token::Given;
use super::wire::{Reply, Seen};

const HOUR: Duration = Duration::from_secs(3600);
/// The longest that GitHub takes.
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Who may ask for tokens without a person.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// What assertions must be for; none: the issuer, or this server's token endpoint.
    pub audience: Option<String>,
    /// Clients that may ask for tokens of their own, by id, with the one scope that they may ask
    /// for; none: any.
    pub clients: Vec<(String, Option<String>)>,
    /// Keys of clients that prove themselves by them, by the client's id.
    pub keys: Vec<(String, TestKey)>,
    /// Service accounts, with whom each may act for.
    pub service_accounts: Vec<(String, TestKey, Vec<String>)>,
    /// Accounts that a client may ask for tokens of: the client's id, the account's.
    pub accounts: Vec<(String, String)>,
    /// Apps by id, with their key and their installations.
    pub apps: Vec<(String, TestKey, Vec<String>)>,
    /// What stands before `/app/installations/…`: empty, or `/api/v3` of an Enterprise Server.
    pub api_path: String,
}

impl Programs {
    /// The installation that a path asks for tokens of.
    pub(super) fn installation_in<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(&self.api_path)?;
        let rest = rest.strip_prefix("/app/installations/")?;
        rest.strip_suffix("/access_tokens")
    }
}

type Fields = BTreeMap<String, String>;

impl Server {
    /// What assertions must be for.
    fn audience(&self, profile: &Profile) -> String {
        match (&profile.programs.audience, &profile.discovery) {
            (Some(audience), _) => audience.clone(),
            (None, Some(_)) => self.issuer(profile),
            (None, None) => format!("{}{}", self.base, profile.token_path),
        }
    }

    /// Whether a client proved itself by its key, in an assertion that never came before.
    pub(super) fn is_proven_by_key(&self, profile: &Profile, id: &str, fields: &Fields) -> bool {
        let of = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let mut keys = profile.programs.keys.iter();
        let Some((_, key)) = keys.find(|(known, _)| known == id) else {
            return false;
        };
        let audience = self.audience(profile);
        let wanted = Wanted {
            key,
            issuer: id,
            subject: Some(id),
            audience: Some(&audience),
            longest: HOUR,
        };
        let claims = match verified(of("client_assertion"), &wanted) {
            Ok(claims) => claims,
            Err(why) => {
                self.violate(format!("an assertion of a client: {why}"));
                return false;
            }
        };
        let jti = claims
            .get("jti")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_new = !jti.is_empty() && self.book().open().assertions.insert(jti.to_owned());
        of("client_assertion_type") == kind && is_new
    }

    /// RFC 6749 §4.4.
    pub(super) fn client_credentials(
        &self,
        profile: &Profile,
        client: &str,
        fields: &Fields,
    ) -> Result<Given, Trouble> {
        let mut known = profile.programs.clients.iter();
        let known = known.find(|(id, _)| id == client);
        let (_, only) =
            known.ok_or_else(|| refused("unauthorized_client", "not for this client"))?;
        let scope = fields.get("scope").map(String::as_str).unwrap_or_default();
        if only.as_ref().is_some_and(|only| only != scope) {
            return Err(refused("invalid_scope", "another scope is needed"));
        }
        let resource = fields.get("resource").cloned();
        // The scope of a whole application is not told again.
        let told = if only.is_some() { "" } else { scope };
        Ok(self.minted(profile, client, told, resource))
    }

    /// RFC 7523 §2.1: the assertion is all that there is.
    pub(super) fn jwt_bearer(
        &self,
        profile: &Profile,
        seen: &Seen,
        fields: &Fields,
    ) -> Result<Given, Trouble> {
        let assertion = fields.get("assertion").cloned().unwrap_or_default();
        // As some do, it repeats what it got.
        let bad = |why: &str| refused("invalid_grant", &format!("{why} ({assertion})"));
        if fields.len() != 2 || !seen.header("authorization").is_empty() {
            self.violate("a grant by assertion has more than the assertion");
            return Err(refused("invalid_request", "more than an assertion"));
        }
        let audience = self.audience(profile);
        let mut why = "account not found".to_owned();
        for (email, key, acts_for) in &profile.programs.service_accounts {
            let wanted = Wanted {
                key,
                issuer: email,
                subject: None,
                audience: Some(&audience),
                longest: HOUR,
            };
            let claims = match verified(&assertion, &wanted) {
                Ok(claims) => claims,
                Err(other) => {
                    why = other;
                    continue;
                }
            };
            let text = |name: &str| claims.get(name).and_then(Value::as_str);
            let Some(scope) = text("scope").filter(|scope| !scope.is_empty()) else {
                return Err(refused("invalid_scope", "an empty or missing scope"));
            };
            let who = match text("sub") {
                Some(person) if !acts_for.iter().any(|known| known == person) => {
                    return Err(refused("unauthorized_client", "not delegated"));
                }
                Some(person) => person,
                None => email,
            };
            // It does not tell what it gives.
            let mut given = self.minted(profile, who, scope, None);
            given.scopes.clear();
            return Ok(given);
        }
        Err(bad(&why))
    }

    /// Zoom's.
    pub(super) fn account_credentials(
        &self,
        profile: &Profile,
        client: &str,
        fields: &Fields,
    ) -> Result<Given, Trouble> {
        let account = fields.get("account_id").cloned().unwrap_or_default();
        let known = (client.to_owned(), account.clone());
        if !profile.programs.accounts.contains(&known) {
            return Err(refused("invalid_request", "no such account"));
        }
        Ok(self.minted(profile, &account, "meeting:read:meeting:admin", None))
    }

    /// GitHub's.
    pub(super) fn installation(
        &self,
        profile: &Profile,
        seen: &Seen,
        installation: &str,
    ) -> Result<Given, Trouble> {
        let token = seen.header("authorization").strip_prefix("Bearer ");
        let token = token.unwrap_or_default();
        let is_asked_well = seen.method == "POST"
            && seen.header("accept").contains("json")
            && !seen.header("x-github-api-version").is_empty()
            && !seen.header("user-agent").is_empty();
        if !is_asked_well {
            self.violate("an installation's token was asked for in another way");
        }
        let mut known = Err(refused("401", "A JSON web token could not be decoded"));
        for (app, key, installations) in &profile.programs.apps {
            let wanted = Wanted {
                key,
                issuer: app,
                subject: None,
                audience: None,
                longest: TEN_MINUTES,
            };
            if verified(token, &wanted).is_ok() {
                let has = installations.iter().any(|known| known == installation);
                known = match has {
                    true => Ok(()),
                    false => Err(refused("404", "Not Found")),
                };
            }
        }
        known?;
        Ok(self.minted(profile, installation, "", None))
    }

    fn minted(&self, profile: &Profile, who: &str, scope: &str, resource: Option<String>) -> Given {
        let scopes: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
        let grant = Grant {
            user: who.to_owned(),
            scopes: scopes.clone(),
            resource,
            ..Grant::default()
        };
        let mut ledger = self.book().open();
        let family = ledger.found(who, &grant, false);
        ledger.counts.minted += 1;
        Given {
            user: grant.user,
            scopes,
            main: Some(ledger.issue(family, profile)),
            beside: None,
        }
    }
}

/// An answer as GitHub gives it.
pub(super) fn installation_reply(outcome: &Result<Given, Trouble>) -> Reply {
    match outcome {
        Ok(given) => {
            let issued = given.main.as_ref();
            let ends = now()
                + issued
                    .and_then(|issued| issued.ttl)
                    .map_or(3600, |t| t.as_secs());
            let ends = OffsetDateTime::from_unix_timestamp(ends.cast_signed());
            let ends = ends.ok().and_then(|ends| ends.format(&Rfc3339).ok());
            let body = json!({
                "token": issued.map(|issued: &Issued| &issued.access),
                "expires_at": ends,
                "permissions": { "contents": "read", "issues": "write" },
                "repository_selection": "all",
            });
            Reply::json(201, &body)
        }
        Err(trouble) => {
            let (status, message) = trouble.as_status();
            Reply::json(
                status,
                &json!({ "message": message, "status": status.to_string() }),
            )
        }
    }
}

fn refused(error: &'static str, why: &str) -> Trouble {
    Trouble::new(error, why)
}
