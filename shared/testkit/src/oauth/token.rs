//! The token endpoint and revocation.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::answers::{self, Trouble};
use super::ledger::Issued;
use super::profile::{Auth, Body, Profile, Sign};
use super::serve::Server;
use super::wire::{Reply, Seen};

/// What the token endpoint gives: one token, or a bot's and a user's.
pub(super) struct Given {
    pub(super) user: String,
    pub(super) scopes: Vec<String>,
    pub(super) main: Option<Issued>,
    pub(super) beside: Option<(Issued, Vec<String>)>,
}

impl Server {
    /// Carries a token request out.
    pub(super) fn token(&self, profile: &Profile, seen: &Seen) -> Result<Given, Trouble> {
        let fields = self.fields(seen, profile.body)?;
        let grant = fields.get("grant_type").map(String::as_str);
        if grant == Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return self.jwt_bearer(profile, seen, &fields);
        }
        let client = self.client(profile, seen, &fields)?;
        if profile.discovery.is_some() && fields.get("resource") != Some(&self.resource(profile)) {
            return Err(Trouble::new(
                "invalid_target",
                "resource is missing or another",
            ));
        }
        match grant {
            Some("client_credentials") => self.client_credentials(profile, &client, &fields),
            Some("account_credentials") => self.account_credentials(profile, &client, &fields),
            Some("authorization_code") => self.exchange(profile, &client, &fields),
            Some("refresh_token") => self.renew(profile, &client, &fields),
            _ => Err(Trouble::new("unsupported_grant_type", "no such grant type")),
        }
    }

    /// The fields of a body that is written as it must be, each once.
    fn fields(&self, seen: &Seen, body: Body) -> Result<BTreeMap<String, String>, Trouble> {
        let kind = match body {
            Body::Form => "application/x-www-form-urlencoded",
            Body::Json => "application/json",
        };
        if seen.method != "POST" && seen.method != "DELETE"
            || !seen.header("content-type").starts_with(kind)
            || !seen.query.is_empty()
        {
            self.violate(format!("{} is not a POST of {kind} alone", seen.path));
            return Err(Trouble::new(
                "invalid_request",
                "wrong method or content type",
            ));
        }
        let fields = seen.fields();
        let sent = match body {
            Body::Form => form_urlencoded::parse(seen.body.as_bytes()).count(),
            Body::Json => fields.len(),
        };
        if sent != fields.len() || fields.values().any(String::is_empty) {
            self.violate("a parameter is there twice, or empty");
            return Err(Trouble::new(
                "invalid_request",
                "a parameter is there twice, or empty",
            ));
        }
        Ok(fields)
    }

    /// Who asks, proven in the one way that was agreed.
    fn client(
        &self,
        profile: &Profile,
        seen: &Seen,
        fields: &BTreeMap<String, String>,
    ) -> Result<String, Trouble> {
        let basic = seen.header("authorization").strip_prefix("Basic ");
        let basic = basic.and_then(basic_pair);
        let (in_body, id_in_body) = (fields.get("client_secret"), fields.get("client_id"));
        if basic.is_some() && in_body.is_some() {
            self.violate("a client proved itself in two ways");
            return Err(Trouble::new(
                "invalid_request",
                "two ways of authentication",
            ));
        }
        let id = basic.as_ref().map(|(id, _)| id).or(id_in_body);
        let known = id.and_then(|id| self.registered(profile, id));
        let known = known.ok_or_else(|| Trouble::new("invalid_client", "unknown client"))?;
        let secret = match known.auth {
            Auth::Basic => basic.map(|(_, secret)| secret),
            Auth::Post => in_body.cloned(),
            Auth::PrivateKeyJwt | Auth::None => None,
        };
        let proven = match known.auth {
            Auth::PrivateKeyJwt => {
                in_body.is_none()
                    && seen.header("authorization").is_empty()
                    && self.is_proven_by_key(profile, &known.id, fields)
            }
            Auth::None => in_body.is_none() && seen.header("authorization").is_empty(),
            Auth::Basic | Auth::Post => secret.is_some() && secret == known.secret,
        };
        if !proven {
            return Err(Trouble::new("invalid_client", "the client is not proven"));
        }
        Ok(known.id)
    }

    fn exchange(
        &self,
        profile: &Profile,
        client: &str,
        fields: &BTreeMap<String, String>,
    ) -> Result<Given, Trouble> {
        let of = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let bad = |why: &str| {
            let echo = format!("{why}: {}", of("code"));
            Trouble::new("invalid_grant", &echo).of_code()
        };
        let mut ledger = self.book().open();
        let code = ledger.codes.get(of("code")).cloned();
        let code = code.ok_or_else(|| bad("unknown code"))?;
        if let Some(families) = code.families {
            ledger.violation("a code came twice");
            families.iter().for_each(|family| ledger.revoke(*family));
            return Err(bad("the code was used before"));
        }
        if code.until <= ledger.now {
            return Err(bad("the code has ended"));
        }
        if code.client != client || code.redirect_uri != of("redirect_uri") {
            ledger.violation("a code came from another client or with another redirect_uri");
            return Err(bad("not the code's client or redirect_uri"));
        }
        let proven = match (&code.challenge, fields.get("code_verifier")) {
            (None, None) => true,
            (Some(challenge), Some(verifier)) => {
                let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
                (43..=128).contains(&verifier.len()) && hash == *challenge
            }
            _ => false,
        };
        if !proven {
            ledger.violation("PKCE does not fit");
            return Err(bad("code_verifier does not fit"));
        }
        let grant = &code.grant;
        let two_kinds = profile.scope_params.is_some();
        let main = (!two_kinds || !grant.scopes.is_empty()).then(|| {
            let family = ledger.found(client, grant, false);
            ledger.issue(family, profile)
        });
        let beside = (!grant.user_scopes.is_empty()).then(|| {
            let family = ledger.found(client, grant, true);
            (ledger.issue(family, profile), grant.user_scopes.clone())
        });
        let families = main.iter().chain(beside.iter().map(|(issued, _)| issued));
        let families = families.map(|issued| issued.family).collect();
        if let Some(code) = ledger.codes.get_mut(of("code")) {
            code.families = Some(families);
        }
        ledger.counts.exchanges += 1;
        Ok(Given {
            user: grant.user.clone(),
            scopes: grant.scopes.clone(),
            main,
            beside,
        })
    }

    fn renew(
        &self,
        profile: &Profile,
        client: &str,
        fields: &BTreeMap<String, String>,
    ) -> Result<Given, Trouble> {
        let token = fields.get("refresh_token").cloned().unwrap_or_default();
        let mut ledger = self.book().open();
        let issued = ledger.refresh(&token, client, profile).map_err(|why| {
            Trouble::new("invalid_grant", &format!("{why}: {token}")).of_refresh()
        })?;
        let family = ledger.families[issued.family].clone();
        let (scopes, user_scopes) = (family.grant.scopes, family.grant.user_scopes);
        Ok(Given {
            user: family.grant.user,
            scopes: if family.is_user { user_scopes } else { scopes },
            main: Some(issued),
            beside: None,
        })
    }

    /// A token is given back.
    pub(super) fn revocation(&self, profile: &Profile, seen: &Seen) -> Reply {
        let Some(revocation) = &profile.revocation else {
            return Reply::json(404, &serde_json::json!({}));
        };
        let outcome = || {
            let bearer = seen.header("authorization").strip_prefix("Bearer ");
            let token = if revocation.field.is_empty() {
                bearer.map(str::to_owned)
            } else {
                let fields = self.fields(seen, revocation.body)?;
                match revocation.sign {
                    Sign::Client => drop(self.client(profile, seen, &fields)?),
                    Sign::Basic => self.basic_client(profile, seen)?,
                    Sign::Bearer | Sign::None => {}
                }
                fields.get(&revocation.field).cloned()
            };
            let token = token.ok_or_else(|| Trouble::new("invalid_request", "no token"))?;
            let mut ledger = self.book().open();
            let family = ledger.family_of(&token);
            if let Some(family) = family {
                ledger.revoke(family);
                ledger.counts.revocations += 1;
            }
            Ok(family.is_some())
        };
        match outcome() {
            Ok(known) => answers::revoked(profile, known),
            Err(trouble) => answers::trouble(profile, seen, &trouble),
        }
    }

    /// Id and secret in the header, whatever the token endpoint takes.
    fn basic_client(&self, profile: &Profile, seen: &Seen) -> Result<(), Trouble> {
        let basic = seen.header("authorization").strip_prefix("Basic ");
        let pair = basic.and_then(basic_pair);
        let known = pair.and_then(|(id, secret)| {
            let known = self.registered(profile, &id)?;
            (known.secret == Some(secret)).then_some(())
        });
        known.ok_or_else(|| Trouble::new("invalid_client", "the client is not proven"))
    }

    pub(super) fn violate(&self, what: impl Into<String>) {
        self.book().open().violation(what);
    }
}

/// Id and secret, each form-encoded as RFC 6749 §2.3.1 wants it.
fn basic_pair(text: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let encoded = format!("v={text}");
        let mut pairs = form_urlencoded::parse(encoded.as_bytes()).into_owned();
        pairs.next().map(|(_, value)| value)
    };
    Some((decode(id)?, decode(secret)?))
}
