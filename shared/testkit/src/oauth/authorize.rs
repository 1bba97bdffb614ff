//! The authorize page: what is asked, and what a person decides.

use std::collections::BTreeMap;

use url::Url;

use super::ledger::{Code, Grant};
use super::profile::{Consent, Pkce, Profile, Registered, Shape};
use super::serve::Server;
use super::wire::Reply;

/// What a checked request asks.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) state: String,
    challenge: Option<String>,
    scopes: Vec<String>,
    user_scopes: Vec<String>,
    params: BTreeMap<String, String>,
}

/// Why there is no consent page.
pub(super) enum Refusal {
    /// The person is told; the client is not trusted with it.
    Page(String),
    /// The client is told.
    Back(Url),
}

impl Server {
    /// Checks the parameters of an authorization request.
    pub(super) fn asked(
        &self,
        profile: &Profile,
        pairs: &[(String, String)],
        client: Option<&Registered>,
    ) -> Result<Asked, Refusal> {
        let page = |text: &str| Refusal::Page(text.to_owned());
        let mut params = BTreeMap::new();
        for (name, value) in pairs {
            if params.insert(name.clone(), value.clone()).is_some() {
                return Err(page(&format!("{name} stands there twice")));
            }
        }
        let of = |name: &str| params.get(name).cloned();
        let client = client.ok_or_else(|| page("unknown client_id"))?;
        let redirect_uri = of("redirect_uri").ok_or_else(|| page("no redirect_uri"))?;
        if !client.redirect_uris.contains(&redirect_uri) {
            return Err(page("redirect_uri is not a registered one"));
        }
        let back = |error: &str| {
            let mut url: Url = redirect_uri.parse().expect("it was registered");
            url.query_pairs_mut()
                .append_pair("error", error)
                .append_pair("error_description", "as the fake provider sees it");
            if let Some(state) = of("state") {
                url.query_pairs_mut().append_pair("state", &state);
            }
            self.add_iss(profile, &mut url);
            Refusal::Back(url)
        };
        if of("response_type").as_deref() != Some("code") {
            return Err(back("unsupported_response_type"));
        }
        let state = of("state").unwrap_or_default();
        if state.len() < 22 {
            self.book()
                .open()
                .violation("state is absent or can be guessed");
        }
        if of("client_secret").is_some() {
            self.book()
                .open()
                .violation("a secret stands in an address");
        }
        let missing = profile
            .demanded
            .iter()
            .find(|(name, value)| params.get(name) != Some(value));
        if missing.is_some() {
            return Err(back("invalid_request"));
        }
        let challenge = of("code_challenge");
        let s256 = of("code_challenge_method").as_deref() == Some("S256");
        match (profile.pkce, &challenge) {
            (Pkce::Required, None) | (Pkce::Refused, Some(_)) => {
                return Err(back("invalid_request"));
            }
            (_, Some(challenge)) if !s256 || challenge.len() != 43 => {
                return Err(back("invalid_request"));
            }
            _ => {}
        }
        if profile.discovery.is_some() && of("resource") != Some(self.resource(profile)) {
            return Err(back("invalid_target"));
        }
        let split = |text: Option<String>| -> Vec<String> {
            let text = text.unwrap_or_default();
            let each = text.split(&profile.scope_separator);
            each.filter(|s| !s.is_empty()).map(str::to_owned).collect()
        };
        let (main, user) = match &profile.scope_params {
            Some((bot, user)) => (split(of(bot)), split(of(user))),
            None => (split(of("scope")), Vec::new()),
        };
        if profile.shape == Shape::Slack && main.is_empty() && user.is_empty() {
            return Err(page("invalid_scope: no scope was asked for"));
        }
        if main
            .iter()
            .chain(&user)
            .any(|scope| scope.contains([' ', ',']))
        {
            return Err(back("invalid_scope"));
        }
        Ok(Asked {
            client: client.id.clone(),
            redirect_uri,
            state,
            challenge,
            scopes: main,
            user_scopes: user,
            params,
        })
    }

    /// Carries out a person's decision: where the browser goes.
    pub(super) fn decided(&self, profile: &Profile, asked: &Asked, consent: &Consent) -> Url {
        let mut url: Url = asked.redirect_uri.parse().expect("it was registered");
        if consent.approve {
            let keep = |scopes: &[String]| -> Vec<String> {
                let granted = |scope: &&String| {
                    let only = consent.scopes.as_ref();
                    only.is_none_or(|only| only.contains(*scope))
                };
                scopes.iter().filter(granted).cloned().collect()
            };
            let offline_scope = profile.offline_scope.as_ref();
            let offline = profile
                .offline
                .iter()
                .all(|(name, value)| asked.params.get(name) == Some(value))
                && offline_scope.is_none_or(|scope| asked.scopes.contains(scope));
            let mut ledger = self.book().open();
            let code = ledger.word("code");
            let until = ledger.now + profile.code_ttl;
            ledger.codes.insert(
                code.clone(),
                Code {
                    client: asked.client.clone(),
                    redirect_uri: asked.redirect_uri.clone(),
                    challenge: asked.challenge.clone(),
                    grant: Grant {
                        user: consent.user.clone(),
                        scopes: keep(&asked.scopes),
                        user_scopes: keep(&asked.user_scopes),
                        offline,
                        resource: asked.params.get("resource").cloned(),
                    },
                    until,
                    families: None,
                },
            );
            url.query_pairs_mut().append_pair("code", &code);
        } else {
            url.query_pairs_mut().append_pair("error", "access_denied");
        }
        url.query_pairs_mut().append_pair("state", &asked.state);
        self.add_iss(profile, &mut url);
        url
    }

    fn add_iss(&self, profile: &Profile, url: &mut Url) {
        let Some(discovery) = profile.discovery.as_ref().filter(|d| d.sends_iss) else {
            return;
        };
        let truth = self.issuer(profile);
        let iss = discovery.iss.clone().unwrap_or(truth);
        url.query_pairs_mut().append_pair("iss", &iss);
    }
}

/// The page on which a person decides. `request` finds the request again.
pub(super) fn page(asked: &Asked, request: usize) -> Reply {
    let scopes = asked.scopes.iter().chain(&asked.user_scopes);
    let scopes: String = scopes.map(|scope| format!("<li>{scope}</li>")).collect();
    Reply::html(
        200,
        &format!(
            "<!doctype html><title>Consent</title><h1>{client} asks for</h1><ul>{scopes}</ul>\
             <form method=\"post\" action=\"/consent\">\
             <input type=\"hidden\" name=\"request\" value=\"{request}\">\
             <input name=\"user\" value=\"ada\"><input name=\"scope\" value=\"\">\
             <button name=\"decision\" value=\"approve\">Allow</button>\
             <button name=\"decision\" value=\"deny\">Deny</button></form>",
            client = asked.client,
        ),
    )
}
