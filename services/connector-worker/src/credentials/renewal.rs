//! Another credential in the midst of a call.

use egress::Deadline;
use fabric::AccountLease;

use super::{Credentials, Signature, Unsigned, Whose};

/// Where one call gets another credential from, when its provider does not take the one it has.
#[derive(Clone, Copy)]
pub(crate) struct Renewal<'a> {
    pub(crate) credentials: &'a Credentials,
    pub(crate) whose: Whose,
    pub(crate) accounts: i64,
    pub(crate) deadline: Deadline,
}

impl Renewal<'_> {
    /// Another credential than the one that the provider refused.
    ///
    /// # Errors
    /// There is none, and a person must connect the account again; or it cannot be had now.
    pub(crate) async fn instead_of(&self, refused: &AccountLease) -> Result<Signature, Unsigned> {
        let renewed =
            self.credentials
                .instead_of(refused, self.whose, self.accounts, self.deadline);
        Box::pin(renewed).await
    }

    /// A credential with further scopes than `of`.
    ///
    /// # Errors
    /// A person must agree to them first; or nobody can be asked now.
    pub(crate) async fn with_scopes(
        &self,
        of: &AccountLease,
        scopes: Vec<String>,
    ) -> Result<Signature, Unsigned> {
        let credentials = self.credentials;
        let asked = credentials.with_scopes(of, scopes, self.whose, self.accounts, self.deadline);
        Box::pin(asked).await
    }
}
