//! The token of an account, which goes with every message to its server. A renewed one takes its
//! place, and what was agreed with the server stays.

use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwapOption;
use egress::Response;
use fabric::{Failure, FailureKind};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::challenge::insufficient_scope;
use crate::failure::unsent;

/// The token in use, and what the server said against tokens. Empty for a server that is not an
/// account's: its messages stay as they are.
#[derive(Default)]
pub(crate) struct Bearer {
    token: ArcSwapOption<Token>,
    /// What was said of the newest token that anything was said of.
    said: Mutex<Option<(i64, Denial)>>,
}

struct Token {
    /// `Bearer …`, marked so that nothing prints it.
    value: HeaderValue,
    generation: i64,
}

/// What a server said against a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// It is not taken (401).
    Token,
    /// Its grant is too small (403 with `insufficient_scope`); what is missing, as far as it is
    /// told.
    Scopes(Vec<String>),
}

impl Bearer {
    /// From now on messages carry this token, unless they carry a newer one already.
    ///
    /// # Errors
    /// It cannot be sent in a header.
    pub(crate) fn set(&self, token: &str, generation: i64) -> Result<(), Failure> {
        if self.is_at(generation) {
            return Ok(());
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            let message = "the account's token cannot be sent in a header";
            unsent(FailureKind::Credential, message)
        })?;
        value.set_sensitive(true);
        let token = Arc::new(Token { value, generation });
        self.token.rcu(|known| match known {
            Some(known) if known.generation >= generation => Some(known.clone()),
            _ => Some(token.clone()),
        });
        Ok(())
    }

    fn is_at(&self, generation: i64) -> bool {
        let token = self.token.load();
        token
            .as_ref()
            .is_some_and(|token| token.generation >= generation)
    }

    /// Puts the token where it goes; gives the generation that was put.
    pub(super) fn sign(&self, headers: &mut HeaderMap) -> Option<i64> {
        let token = self.token.load();
        let token = token.as_ref()?;
        headers.insert(AUTHORIZATION, token.value.clone());
        Some(token.generation)
    }

    /// Notes what an answer says of the token that its request carried.
    pub(super) fn note(&self, generation: Option<i64>, answer: &Response) {
        let Some(generation) = generation else { return };
        let denial = match answer.status() {
            StatusCode::UNAUTHORIZED => Denial::Token,
            StatusCode::FORBIDDEN => match insufficient_scope(answer.headers()) {
                Some(scopes) => Denial::Scopes(scopes),
                None => return,
            },
            _ => return,
        };
        let mut said = self.said();
        if said.as_ref().is_none_or(|(known, _)| *known <= generation) {
            *said = Some((generation, denial));
        }
    }

    /// What was said against the token of that generation.
    pub(crate) fn denial_of(&self, generation: i64) -> Option<Denial> {
        let said = self.said();
        let (of, denial) = said.as_ref()?;
        (*of == generation).then(|| denial.clone())
    }

    fn said(&self) -> MutexGuard<'_, Option<(i64, Denial)>> {
        self.said.lock().expect("no panic while held")
    }
}
