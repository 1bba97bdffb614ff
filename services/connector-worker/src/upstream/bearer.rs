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

tokio::task_local! {
    static HEARD: Heard;
}

/// What the server said against the token of one call: nothing yet, or nothing that we understand,
/// or that. Calls of one account run beside each other, and each may lack something else.
type Heard = Arc<Mutex<Option<(i64, Option<Denial>)>>>;

/// Runs `work`, and says what was last heard meanwhile against the token of its requests.
pub(crate) async fn heard<F: Future>(work: F) -> (F::Output, Option<(i64, Option<Denial>)>) {
    let heard = Heard::default();
    let output = HEARD.scope(heard.clone(), work).await;
    let last = locked(&heard).take();
    (output, last)
}

/// What is heard while `work` runs, as a task of its own, belongs to the call that is made now.
pub(super) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let heard = HEARD.try_with(Clone::clone).unwrap_or_default();
    HEARD.scope(heard, work)
}

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
            StatusCode::UNAUTHORIZED => Some(Denial::Token),
            StatusCode::FORBIDDEN => insufficient_scope(answer.headers()).map(Denial::Scopes),
            _ => return,
        };
        // An error only says that nobody makes a call.
        let _ = HEARD.try_with(|heard| *locked(heard) = Some((generation, denial.clone())));
        let Some(denial) = denial else { return };
        let mut said = locked(&self.said);
        if said.as_ref().is_none_or(|(known, _)| *known <= generation) {
            *said = Some((generation, denial));
        }
    }

    /// What was last said against the token of that generation, to whichever call.
    pub(crate) fn denial_of(&self, generation: i64) -> Option<Denial> {
        let said = locked(&self.said);
        let (of, denial) = said.as_ref()?;
        (*of == generation).then(|| denial.clone())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic while held")
}
