//! A provider that does not take the credential: another one, or words on what a person can do.

use std::sync::atomic::Ordering;

use catalog::closed::{Effect, ErrorStyle};
use fabric::{AccountLease, FailureKind};
use http::Method;

use super::call::{Call, Stop};
use super::denied::Denied;
use super::exchange::Answered;
use super::request::Draft;
use crate::credentials::{Missing, Signature, Unsigned};
use crate::failure::unsent;

impl Call<'_> {
    /// What a request is signed with.
    ///
    /// # Errors
    /// The account has no token of the kind that the tool needs.
    pub(super) async fn signature(&self, draft: &Draft) -> Result<Signature, Stop> {
        let signature = self.signed.signature();
        let (Signature::Account(lease), Some(renewal)) = (&signature, &self.signed.renewal) else {
            return Ok(signature);
        };
        if draft.is_foreign || !self.lacks_user_token(lease) {
            return Ok(signature);
        }
        let found = renewal.with_scopes(lease, self.tools_scopes()).await;
        match self.taken(lease, found)? {
            Some(signature) => Ok(signature),
            None => Err(Stop::Failed(unsent(
                FailureKind::Credential,
                format!(
                    "The connected {} account has no user token, which this tool needs: it must \
                     be connected anew, for a user.",
                    self.connector.display_name
                ),
            ))),
        }
    }

    /// Another signature for the same request, where the provider refused this one: it has carried
    /// nothing out then.
    ///
    /// # Errors
    /// There is none before a person has done something about it.
    pub(super) async fn signed_anew(
        &self,
        draft: &Draft,
        answered: &Answered,
        signature: &Signature,
    ) -> Result<Option<Signature>, Stop> {
        let (Signature::Account(lease), Some(renewal)) = (signature, &self.signed.renewal) else {
            return Ok(None);
        };
        let styled = self.connector.errors.style != ErrorStyle::HttpStatus;
        if (answered.status.is_success() && !styled) || draft.is_foreign || !answered.is_home {
            return Ok(None);
        }
        let found = match self.denied(answered) {
            None => return Ok(None),
            Some(Denied::Token) => renewal.instead_of(lease).await,
            Some(Denied::Scopes(scopes)) => renewal.with_scopes(lease, scopes).await,
        };
        self.taken(lease, found)
    }

    /// Goes on with what was found, if it is another than what there was.
    fn taken(
        &self,
        before: &AccountLease,
        found: Result<Signature, Unsigned>,
    ) -> Result<Option<Signature>, Stop> {
        let found = found.map_err(|why| match why {
            Unsigned::Failed(failure) => Stop::Failed(failure),
            Unsigned::Refused => Stop::Failed(unsent(
                FailureKind::Credential,
                "nobody wants to connect an account",
            )),
            Unsigned::Missing(missing) => Stop::Missing(Missing {
                begun: self.wrote.load(Ordering::Relaxed),
                ..missing
            }),
        })?;
        let none = std::collections::BTreeMap::new();
        let variables = match &found {
            Signature::Account(lease) => &lease.variables,
            Signature::Own | Signature::Given(_) => &none,
        };
        let has_place = !self.connector.base_url_variables.is_empty();
        if has_place && *variables != before.variables {
            return Err(Stop::Failed(unsent(
                FailureKind::Credential,
                "Another account was connected in mid-call: call again.",
            )));
        }
        let is_other = match &found {
            Signature::Account(lease) => {
                (lease.account, lease.generation) != (before.account, before.generation)
            }
            Signature::Own | Signature::Given(_) => true,
        };
        Ok(is_other.then(|| {
            self.signed.take(found.clone());
            found
        }))
    }

    /// Notes that something was done that must not be done again.
    pub(super) fn note(&self, draft: &Draft, answered: &Answered) {
        let writes = draft.method != Method::GET && self.tool.effect != Effect::Read;
        if writes && answered.status.is_success() {
            self.wrote.store(true, Ordering::Relaxed);
        }
    }
}
