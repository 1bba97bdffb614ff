//! Who answers which request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::sync::watch;
use url::Url;

use super::answers;
use super::authorize::{Asked, Refusal, page};
use super::book::Book;
use super::fault::{Fault, Faults};
use super::ledger::Grant;
use super::profile::{Consent, Discovery, Profile, Registered};
use super::programs::installation_reply;
use super::token::Given;
use super::wire::{Act, Reply, Seen, forward};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) base: String,
    profile: Mutex<Profile>,
    book: Book,
    faults: Faults,
    seen: Mutex<Vec<Seen>>,
    /// Requests that wait for a person.
    waiting: Mutex<Vec<Asked>>,
    away: AtomicBool,
    /// Calls of the protected resource wait.
    calls_held: watch::Sender<bool>,
    held_calls: AtomicUsize,
    documents: Mutex<BTreeMap<String, String>>,
}

impl Server {
    pub(super) fn new(profile: Profile, base: String) -> Self {
        Self {
            base,
            profile: Mutex::new(profile),
            book: Book::new(),
            faults: Faults::new(),
            seen: Mutex::default(),
            waiting: Mutex::default(),
            away: AtomicBool::new(false),
            calls_held: watch::Sender::new(false),
            held_calls: AtomicUsize::new(0),
            documents: Mutex::default(),
        }
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic while held").clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Profile)) {
        change(&mut self.profile.lock().expect("no panic while held"));
    }

    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    pub(super) fn hold_calls(&self, hold: bool) {
        self.calls_held.send_replace(hold);
    }

    pub(super) fn held_calls(&self) -> usize {
        self.held_calls.load(Ordering::Relaxed)
    }

    pub(super) fn serve(&self, path: &str, document: &serde_json::Value) {
        let mut documents = self.documents.lock().expect("no panic while held");
        documents.insert(path.to_owned(), document.to_string());
    }

    fn served(&self, path: &str) -> Option<Reply> {
        let documents = self.documents.lock().expect("no panic while held");
        let document = documents.get(path)?;
        Some(Reply::new(200, "application/json", document.as_str()))
    }

    pub(super) fn registered(&self, profile: &Profile, id: &str) -> Option<Registered> {
        let known = profile.clients.iter().find(|client| client.id == id);
        known.cloned()
    }

    fn profile(&self) -> Profile {
        self.profile.lock().expect("no panic while held").clone()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.waiting.lock().expect("no panic while held")
    }

    pub(super) async fn decide(&self, authorize: &Url, consent: &Consent) -> Result<Url, String> {
        let profile = self.profile();
        if authorize.path() != profile.authorize_path {
            return Err(format!("{} is no authorize page", authorize.path()));
        }
        let pairs: Vec<_> = authorize.query_pairs().into_owned().collect();
        match self.ask(&profile, &pairs).await {
            Ok(asked) => Ok(self.decided(&profile, &asked, consent)),
            Err(Refusal::Page(text)) => Err(text),
            Err(Refusal::Back(url)) => Ok(url),
        }
    }

    async fn ask(&self, profile: &Profile, pairs: &[(String, String)]) -> Result<Asked, Refusal> {
        let id = pairs.iter().find(|(name, _)| name == "client_id");
        let client = match id {
            None => None,
            Some((_, id)) => match self.registered(profile, id) {
                Some(known) => Some(known),
                None => self.learn(profile, id).await,
            },
        };
        self.asked(profile, pairs, client.as_ref())
    }

    pub(super) async fn handle(&self, seen: Seen) -> Act {
        if self.away.load(Ordering::Relaxed) {
            return Act::Drop;
        }
        let opened = self.faults.opened();
        let list = &self.seen;
        list.lock().expect("no panic while held").push(seen.clone());
        let profile = self.profile();
        let is_installation = profile.programs.installation_in(&seen.path).is_some();
        if seen.path == profile.token_path || is_installation {
            return self.answer_token(&profile, &seen, opened).await;
        }
        if seen.header("authorization").starts_with("Bearer ") {
            let mut held = self.calls_held.subscribe();
            self.held_calls.fetch_add(1, Ordering::Relaxed);
            // The sender lives as long as `self`.
            let _ = held.wait_for(|held| !held).await;
            self.held_calls.fetch_sub(1, Ordering::Relaxed);
        }
        let reply = self.route(&profile, &seen).await;
        let discovery = profile
            .discovery
            .as_ref()
            .filter(|d| d.resource_path == seen.path);
        let behind = discovery.and_then(|d| d.forwards_to.as_ref()?.parse().ok());
        match behind {
            Some(behind) if reply.status == 200 => match forward(&seen, &behind).await {
                Ok(bytes) => Act::Raw(bytes),
                Err(_) => Act::Drop,
            },
            _ => Act::Reply(reply),
        }
    }

    async fn route(&self, profile: &Profile, seen: &Seen) -> Reply {
        let served = self.served(&seen.path);
        if let Some(document) = served.or_else(|| self.document(profile, seen)) {
            return document;
        }
        let revocation = profile.revocation.as_ref().is_some_and(|revocation| {
            let fits = |path: String| path == seen.path && revocation.method == seen.method;
            let of_client = |c: &Registered| fits(revocation.path.replace("{client_id}", &c.id));
            fits(revocation.path.clone()) || profile.clients.iter().any(of_client)
        });
        let is_sites = profile.sites_path.as_ref() == Some(&seen.path);
        match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", path) if path == profile.authorize_path => {
                self.authorize_page(profile, seen).await
            }
            ("POST", "/consent") => self.consent(profile, seen),
            ("POST", "/register") if profile.discovery.is_some() => self.register(profile, seen),
            (_, path) if path.starts_with("/register/") => self.unregister(seen),
            _ if revocation => self.revocation(profile, seen),
            _ => self.protected(profile, seen, is_sites),
        }
    }

    async fn authorize_page(&self, profile: &Profile, seen: &Seen) -> Reply {
        match self.ask(profile, &seen.parameters()).await {
            Ok(asked) => match &profile.consents_by_itself {
                Some(consent) => Reply::redirect(self.decided(profile, &asked, consent).as_str()),
                None => {
                    let mut waiting = self.waiting();
                    waiting.push(asked.clone());
                    page(&asked, waiting.len() - 1)
                }
            },
            Err(Refusal::Page(text)) => Reply::html(400, &text),
            Err(Refusal::Back(url)) => Reply::redirect(url.as_str()),
        }
    }

    fn consent(&self, profile: &Profile, seen: &Seen) -> Reply {
        let fields = seen.fields();
        let of = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let at: Option<usize> = of("request").parse().ok();
        let asked = at.and_then(|at| self.waiting().get(at).cloned());
        let Some(asked) = asked else {
            return Reply::html(400, "no such request");
        };
        let only: Vec<&str> = of("scope").split_whitespace().collect();
        let consent = Consent {
            approve: of("decision") == "approve",
            ..Consent::approve(of("user"))
        };
        let consent = if only.is_empty() {
            consent
        } else {
            consent.only(&only)
        };
        Reply::redirect(self.decided(profile, &asked, &consent).as_str())
    }

    /// What only a good token opens.
    fn protected(&self, profile: &Profile, seen: &Seen, is_sites: bool) -> Reply {
        let discovery = profile.discovery.as_ref();
        let token = seen.header("authorization").strip_prefix("Bearer ");
        let mut ledger = self.book.open();
        let holder = token.and_then(|token| ledger.holder(token)).cloned();
        let audience = discovery.map(|_| self.resource(profile));
        let holder = holder.filter(|h| audience.is_none() || h.grant.resource == audience);
        let Some(holder) = holder else {
            ledger.counts.resource_refused += 1;
            drop(ledger);
            return match discovery {
                Some(discovery) => self.challenge(discovery, None),
                None => Reply::json(401, &json!({ "message": "Bad credentials" }))
                    .with("www-authenticate", "Bearer error=\"invalid_token\""),
            };
        };
        if let Some(token) = token {
            ledger.touch(token);
        }
        let scopes = &holder.grant.scopes;
        if let Some(discovery) = discovery
            && let Some(lacking) = lacking(discovery, seen, scopes)
        {
            ledger.counts.resource_refused += 1;
            drop(ledger);
            return self.challenge(discovery, Some(lacking));
        }
        ledger.counts.resource_ok += 1;
        if is_sites {
            let sites = profile.sites.iter().map(
                |(id, url, name)| json!({ "id": id, "url": url, "name": name, "scopes": scopes }),
            );
            return Reply::json(200, &sites.collect());
        }
        let body = profile.resource_body.replace("{user}", &holder.grant.user);
        Reply::new(200, "application/json", body)
    }

    async fn answer_token(&self, profile: &Profile, seen: &Seen, opened: u64) -> Act {
        let fault = self.faults.next();
        match &fault {
            Some(Fault::DropBefore) => return Act::Drop,
            Some(Fault::Status(status, retry_after)) => {
                let reply = Reply::html(*status, "<h1>Not now</h1>");
                return Act::Reply(match retry_after {
                    Some(after) => reply
                        .with("retry-after", after)
                        .with("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    None => reply,
                });
            }
            Some(Fault::Redirect) => {
                let here = format!("{}{}", self.base, seen.path);
                return Act::Reply(Reply::new(307, "text/html", "").with("location", here));
            }
            Some(Fault::HoldBefore) => self.faults.wait(opened).await,
            _ => {}
        }
        let installation = profile.programs.installation_in(&seen.path);
        let outcome = match installation {
            Some(installation) => self.installation(profile, seen, installation),
            None => self.token(profile, seen),
        };
        let outcome = match (outcome, &fault) {
            (Ok(_), Some(Fault::AnotherUser)) => Ok(self.for_another(profile)),
            (outcome, _) => outcome,
        };
        let reply = match &outcome {
            _ if installation.is_some() => installation_reply(&outcome),
            Ok(given) => answers::given(profile, seen, given),
            Err(trouble) => answers::trouble(profile, seen, trouble),
        };
        match fault {
            Some(Fault::DropAfter) => Act::Drop,
            Some(Fault::Truncated) => Act::Half(reply),
            Some(Fault::Twice) => Act::Twice(reply),
            Some(Fault::Late(after)) => {
                tokio::time::sleep(after).await;
                Act::Reply(reply)
            }
            Some(Fault::Hold) => {
                self.faults.wait(opened).await;
                Act::Reply(reply)
            }
            Some(Fault::StatusAfter(status)) => Act::Reply(Reply::html(status, "<h1>Oh</h1>")),
            Some(Fault::Garbage) => {
                Act::Reply(Reply::new(200, "application/json", "{\"access_token\": "))
            }
            Some(Fault::Html) => Act::Reply(Reply::html(200, "<h1>Welcome</h1>")),
            Some(Fault::Huge(bytes)) => {
                let body = format!("{{\"x\":\"{}\"}}", "x".repeat(bytes));
                Act::Reply(Reply::new(200, "application/json", body))
            }
            _ => Act::Reply(reply),
        }
    }

    /// Tokens of somebody who never came here.
    fn for_another(&self, profile: &Profile) -> Given {
        let grant = Grant {
            user: "mallory".to_owned(),
            scopes: vec!["openid".to_owned()],
            offline: true,
            ..Grant::default()
        };
        let mut ledger = self.book.open();
        let family = ledger.found("another", &grant, false);
        Given {
            user: grant.user,
            scopes: grant.scopes,
            main: Some(ledger.issue(family, profile)),
            beside: None,
        }
    }
}

/// What a request needs that its token does not grant.
fn lacking<'d>(discovery: &'d Discovery, seen: &Seen, scopes: &[String]) -> Option<&'d [String]> {
    let has = |needed: &[String]| needed.iter().all(|scope| scopes.contains(scope));
    if !has(&discovery.needed_scopes) {
        return Some(&discovery.needed_scopes);
    }
    let message: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    let tool = (message["method"] == "tools/call").then(|| &message["params"]["name"])?;
    let mut needed = discovery.needed_of_tools.iter();
    let needed = needed.find(|needed| *tool == *needed.tool)?;
    (needed.is_never_enough || !has(&needed.scopes)).then_some(&*needed.scopes)
}
