//! Codes, families of tokens, and the rules about them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::book::Counts;
use super::profile::{Profile, Reuse, Rotation};

/// What a person granted.
#[derive(Clone, Debug, Default)]
pub(super) struct Grant {
    pub(super) user: String,
    pub(super) scopes: Vec<String>,
    /// Of a provider with a bot's and a user's token, the user's.
    pub(super) user_scopes: Vec<String>,
    /// Whether refresh tokens come with it.
    pub(super) offline: bool,
    /// What the tokens are for.
    pub(super) resource: Option<String>,
}

/// A code, not yet used.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) grant: Grant,
    pub(super) until: Duration,
    pub(super) families: Option<Vec<usize>>,
}

/// All tokens that came of one consent, for one of the provider's two kinds.
#[derive(Clone, Debug)]
pub(super) struct Family {
    pub(super) client: String,
    pub(super) grant: Grant,
    /// The user's beside a bot's.
    pub(super) is_user: bool,
    revoked: bool,
    refresh: Vec<Refresh>,
}

#[derive(Clone, Debug)]
struct Refresh {
    token: String,
    until: Option<Duration>,
    used_at: Option<Duration>,
    /// Issued with it.
    access: String,
}

#[derive(Clone, Debug)]
struct Access {
    family: usize,
    until: Option<Duration>,
    ended: bool,
    used: bool,
}

/// A new token and what came with it.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) family: usize,
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) ttl: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) now: Duration,
    pub(super) moved: Duration,
    pub(super) counts: Counts,
    pub(super) violations: Vec<String>,
    pub(super) codes: HashMap<String, Code>,
    /// Who registered, by the token that ends it.
    pub(super) registered: HashMap<String, String>,
    pub(super) families: Vec<Family>,
    /// Names of assertions that came already.
    pub(super) assertions: HashSet<String>,
    access: HashMap<String, Access>,
    last: u64,
}

impl Ledger {
    pub(super) fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// A word that was never given before.
    pub(super) fn word(&mut self, kind: &str) -> String {
        self.last += 1;
        // Long enough for those who count, and different in each run of each test.
        let noise = std::process::id() as u64 ^ (self.last << 20) ^ 0x5bd1_e995;
        format!("secret-{kind}-{}-{noise:016x}", self.last)
    }

    pub(super) fn found(&mut self, client: &str, grant: &Grant, is_user: bool) -> usize {
        self.families.push(Family {
            client: client.to_owned(),
            grant: grant.clone(),
            is_user,
            revoked: false,
            refresh: Vec::new(),
        });
        self.families.len() - 1
    }

    /// A new access token, with a refresh token where the provider and the grant say so.
    pub(super) fn issue(&mut self, family: usize, profile: &Profile) -> Issued {
        let access = self.word("at");
        self.access.insert(
            access.clone(),
            Access {
                family,
                until: profile.access_ttl.map(|ttl| self.now + ttl),
                ended: false,
                used: false,
            },
        );
        let has_one = !self.families[family].refresh.is_empty();
        let wants_one = match profile.rotation {
            Rotation::None => false,
            Rotation::Static => !has_one,
            Rotation::Rotating(_) => true,
        };
        let refresh = (wants_one && self.families[family].grant.offline).then(|| {
            let token = self.word("rt");
            let until = profile.refresh_ttl.map(|ttl| self.now + ttl);
            self.families[family].refresh.push(Refresh {
                token: token.clone(),
                until,
                used_at: None,
                access: access.clone(),
            });
            token
        });
        Issued {
            family,
            access,
            refresh,
            ttl: profile.access_ttl,
        }
    }

    /// A refresh. The reason otherwise.
    pub(super) fn refresh(
        &mut self,
        token: &str,
        client: &str,
        profile: &Profile,
    ) -> Result<Issued, &'static str> {
        let place = self.families.iter().enumerate().find_map(|(family, all)| {
            let at = all.refresh.iter().position(|known| known.token == token)?;
            Some((family, at))
        });
        let (family, at) = place.ok_or("unknown refresh token")?;
        if self.counts.refreshes.len() <= at {
            self.counts.refreshes.resize(at + 1, 0);
        }
        self.counts.refreshes[at] += 1;
        let known = &self.families[family];
        let held = &known.refresh[at];
        if known.client != client {
            self.violations
                .push("a client sent another's refresh token".to_owned());
            return Err("refresh token of another client");
        }
        if known.revoked {
            return Err("the grant was revoked");
        }
        if held.until.is_some_and(|until| until <= self.now) {
            return Err("the refresh token has ended");
        }
        let issued = match (profile.rotation, held.used_at) {
            (Rotation::None, _) => return Err("there are no refresh tokens"),
            (Rotation::Static, _) | (Rotation::Rotating(_), None) => self.issue(family, profile),
            (Rotation::Rotating(reuse), Some(used_at)) => {
                self.reuse(family, at, reuse, used_at, profile)?
            }
        };
        let now = self.now;
        let held = &mut self.families[family].refresh[at];
        held.used_at.get_or_insert(now);
        let old_access = held.access.clone();
        if profile.ends_old_access && old_access != issued.access {
            self.end(&old_access);
        }
        self.counts.refreshed += 1;
        Ok(issued)
    }

    /// A refresh token that was used already.
    fn reuse(
        &mut self,
        family: usize,
        at: usize,
        reuse: Reuse,
        used_at: Duration,
        profile: &Profile,
    ) -> Result<Issued, &'static str> {
        let newest = self.families[family].refresh.last().cloned();
        let is_last_but_one = at + 2 == self.families[family].refresh.len();
        let newest = newest.filter(|_| is_last_but_one);
        match (reuse, newest) {
            (Reuse::Window(window), Some(newest)) if self.now < used_at + window => Ok(Issued {
                family,
                access: newest.access,
                refresh: Some(newest.token),
                ttl: profile.access_ttl,
            }),
            (Reuse::UntilUsed, Some(newest)) if !self.was_used(&newest.access) => {
                self.end(&newest.access);
                self.families[family].refresh.pop();
                Ok(self.issue(family, profile))
            }
            _ => {
                self.revoke(family);
                self.counts.families_revoked += 1;
                Err("the refresh token was used before: the grant is revoked")
            }
        }
    }

    fn was_used(&self, access: &str) -> bool {
        self.access.get(access).is_some_and(|access| access.used)
    }

    fn end(&mut self, access: &str) {
        if let Some(access) = self.access.get_mut(access) {
            access.ended = true;
        }
    }

    pub(super) fn revoke(&mut self, family: usize) {
        self.families[family].revoked = true;
        let own = self.access.values_mut().filter(|a| a.family == family);
        own.for_each(|access| access.ended = true);
    }

    /// What a token, of either kind, belongs to.
    pub(super) fn family_of(&self, token: &str) -> Option<usize> {
        let by_access = self.access.get(token).map(|access| access.family);
        by_access.or_else(|| {
            let holds = |family: &Family| family.refresh.iter().any(|known| known.token == token);
            self.families.iter().position(holds)
        })
    }

    /// Whose access token that is, if it is good.
    pub(super) fn holder(&self, token: &str) -> Option<&Family> {
        let access = self.access.get(token)?;
        let ended = access.ended || access.until.is_some_and(|until| until <= self.now);
        (!ended).then(|| &self.families[access.family])
    }

    /// A call with it.
    pub(super) fn touch(&mut self, token: &str) {
        if let Some(access) = self.access.get_mut(token) {
            access.used = true;
        }
    }

    /// Forgets who registered with this token, and revokes what it was granted.
    pub(super) fn unregister(&mut self, token: &str) {
        let Some(client) = self.registered.remove(token) else {
            return;
        };
        let own = |family: &usize| self.families[*family].client == client;
        let own: Vec<usize> = (0..self.families.len()).filter(own).collect();
        own.into_iter().for_each(|family| self.revoke(family));
        self.counts.unregistrations += 1;
    }

    pub(super) fn revoke_everything(&mut self) {
        (0..self.families.len()).for_each(|family| self.revoke(family));
    }

    pub(super) fn expire_access(&mut self) {
        self.access
            .values_mut()
            .for_each(|access| access.ended = true);
    }
}
