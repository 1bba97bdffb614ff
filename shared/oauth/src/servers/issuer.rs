//! Who answered an authorization request (RFC 9207): against mix-up between servers.

use crate::Endpoints;

/// The answer is another server's. Nothing of it may be used or shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer does not come from the server that was asked")]
pub struct IssuerMismatch;

/// Compares the answer's `iss` with who was asked, character by character, before anything else of
/// the answer is looked at. A provider known by its manifest has no issuer to compare with.
pub fn check_issuer(endpoints: &Endpoints, iss: Option<&str>) -> Result<(), IssuerMismatch> {
    let Some(issuer) = &endpoints.issuer else {
        return Ok(());
    };
    match iss {
        Some(iss) if iss == issuer => Ok(()),
        None if !endpoints.names_itself => Ok(()),
        _ => Err(IssuerMismatch),
    }
}
