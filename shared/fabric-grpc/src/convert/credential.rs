//! Credentials of accounts, on their way to a worker.

use domain::AccountId;
use fabric::{AccountLease, Credential, CredentialError, CredentialRequest};
use proto::fabric::v1;
use proto::fabric::v1::credential_response::Credential as Wire;
use secrecy::{ExposeSecret, SecretString};
use tonic::Status;

use super::call::{duration_from, duration_to};
use super::{Invalid, need, parse};

pub(crate) fn credential_request_to(request: CredentialRequest) -> v1::CredentialRequest {
    v1::CredentialRequest {
        tenant_id: request.tenant.to_string(),
        connector_id: request.connector.to_string(),
        key_id: request.key.to_string(),
        refused: request.refused.map(generation_to),
        further_scopes: request.further_scopes,
        wants_link: request.wants_link,
        token_kind: request
            .token_kind
            .map_or_else(String::new, |kind| kind.as_str().to_owned()),
    }
}

/// # Errors
/// A field holds nothing that it may hold.
pub(crate) fn credential_request_from(
    request: v1::CredentialRequest,
) -> Result<CredentialRequest, Invalid> {
    Ok(CredentialRequest {
        tenant: parse(&request.tenant_id, "tenant_id")?,
        connector: parse(&request.connector_id, "connector_id")?,
        key: parse(&request.key_id, "key_id")?,
        refused: request.refused.map(generation_from).transpose()?,
        further_scopes: request.further_scopes,
        wants_link: request.wants_link,
        token_kind: match request.token_kind.as_str() {
            "" => None,
            kind => Some(parse(kind, "token_kind")?),
        },
    })
}

/// What is given, or the status that says why nothing is.
pub(crate) fn credential_to(
    credential: Result<Credential, CredentialError>,
) -> Result<v1::CredentialResponse, Status> {
    let wire = match credential {
        Ok(Credential::Own) => Wire::Own(v1::OwnSecret {}),
        Ok(Credential::Account(account)) => Wire::Account(v1::AccountTokens {
            of: Some(generation_to((account.account, account.generation))),
            method: account.method.as_str().to_owned(),
            access_token: account.access_token.expose_secret().to_owned(),
            user_token: account
                .user_token
                .map(|token| token.expose_secret().to_owned()),
            scopes: account.scopes,
            variables: account.variables.into_iter().collect(),
            usable_for: account.usable_for.map(duration_to),
        }),
        Err(CredentialError::Missing {
            connect_url,
            message,
        }) => Wire::Missing(v1::MissingAccount {
            connect_url,
            message,
        }),
        Err(error @ CredentialError::Gone) => return Err(Status::not_found(error.to_string())),
        Err(error @ CredentialError::Sealed) => {
            return Err(Status::failed_precondition(error.to_string()));
        }
        Err(CredentialError::Provider(why)) => return Err(Status::aborted(why)),
        Err(CredentialError::Unavailable(why)) => return Err(Status::unavailable(why)),
    };
    Ok(v1::CredentialResponse {
        credential: Some(wire),
    })
}

/// # Errors
/// `Missing` as it was said, and `Unavailable` for an answer that cannot be read.
pub(crate) fn credential_from(
    response: v1::CredentialResponse,
) -> Result<Credential, CredentialError> {
    let garbled = |_: Invalid| CredentialError::Unavailable("its answer cannot be read".to_owned());
    match response.credential {
        Some(Wire::Own(v1::OwnSecret {})) => Ok(Credential::Own),
        Some(Wire::Account(tokens)) => {
            let account = account_from(tokens).map_err(garbled)?;
            Ok(Credential::Account(account))
        }
        Some(Wire::Missing(missing)) => Err(CredentialError::Missing {
            connect_url: missing.connect_url,
            message: missing.message,
        }),
        None => Err(garbled(Invalid("credential"))),
    }
}

fn account_from(tokens: v1::AccountTokens) -> Result<AccountLease, Invalid> {
    let (account, generation) = generation_from(need(tokens.of, "of")?)?;
    Ok(AccountLease {
        account,
        generation,
        method: parse(&tokens.method, "method")?,
        access_token: SecretString::from(tokens.access_token),
        user_token: tokens.user_token.map(SecretString::from),
        scopes: tokens.scopes,
        variables: tokens.variables.into_iter().collect(),
        usable_for: tokens.usable_for.as_ref().map(duration_from).transpose()?,
    })
}

fn generation_to((account, generation): (AccountId, i64)) -> v1::AccountGeneration {
    v1::AccountGeneration {
        account_id: account.to_string(),
        generation,
    }
}

fn generation_from(of: v1::AccountGeneration) -> Result<(AccountId, i64), Invalid> {
    Ok((parse(&of.account_id, "account_id")?, of.generation))
}
