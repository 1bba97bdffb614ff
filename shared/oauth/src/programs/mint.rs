//! Tokens for programs.

use egress::Deadline;

use super::grant::{Grant, Program};
use crate::answer::Answer;
use crate::assertions::Assertion;
use crate::token::tokens;
use crate::{Endpoints, KeyError, OAuthClient, TokenEndpoint, TokenError, Tokens};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl TokenEndpoint {
    /// Asks for a client's own tokens (RFC 6749 §4.4). There is nothing to refresh them with, also
    /// where the answer has it.
    pub async fn client_credentials(
        &self,
        endpoints: &Endpoints,
        client: &OAuthClient,
        scopes: &[String],
        deadline: Deadline,
    ) -> Result<Tokens, TokenError> {
        let scope = endpoints.scopes.written(scopes);
        let mut fields = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            fields.push(("scope", &scope));
        }
        let answer = self
            .ask(endpoints, Some(client), &fields, &[], deadline)
            .await?;
        Ok(of_program(endpoints, answer))
    }

    /// Asks for a program's tokens. `endpoints` are those of its kind, `needed` is what it asks for
    /// where it does not say itself, in the manifest's words.
    ///
    /// # Errors
    /// [`TokenError::InvalidGrant`] for everything that only another secret or key will change, or
    /// another installation: what the program has is good no more.
    pub async fn mint(
        &self,
        endpoints: &Endpoints,
        program: &Program,
        needed: &[String],
        deadline: Deadline,
    ) -> Result<Tokens, TokenError> {
        let scopes = match program.scopes.as_slice() {
            [] => needed,
            own => own,
        };
        let minted = match &program.grant {
            Grant::ClientCredentials { .. } => {
                let client = the_client(&program.grant)?;
                self.client_credentials(endpoints, &client, scopes, deadline)
                    .await
            }
            Grant::JwtBearer { .. } => self.jwt_bearer(endpoints, program, scopes, deadline).await,
            Grant::AccountCredentials { account_id, .. } => {
                let client = the_client(&program.grant)?;
                let fields = [
                    ("grant_type", "account_credentials"),
                    ("account_id", account_id.as_str()),
                ];
                let answer = self
                    .ask(endpoints, Some(&client), &fields, &[], deadline)
                    .await;
                answer.map(|answer| of_program(endpoints, answer))
            }
            Grant::AppInstallation { app_id, key, .. } => {
                let key = key.parsed().map_err(unusable)?;
                let assertion = Assertion::of_app(app_id).signed(&key, self.clock.now())?;
                self.installation_token(endpoints, &assertion, deadline)
                    .await
            }
        };
        minted.map_err(final_or_not)
    }

    async fn jwt_bearer(
        &self,
        endpoints: &Endpoints,
        program: &Program,
        scopes: &[String],
        deadline: Deadline,
    ) -> Result<Tokens, TokenError> {
        let Grant::JwtBearer {
            issuer,
            key,
            subject,
        } = &program.grant
        else {
            return Err(TokenError::Unsent("it is no such grant".to_owned()));
        };
        let key = key.parsed().map_err(unusable)?;
        let scope = endpoints.scopes.written(scopes);
        let assertion =
            Assertion::of_grant(issuer, subject.as_deref(), &endpoints.audience, &scope);
        let assertion = assertion.signed(&key, self.clock.now())?;
        let fields = [("grant_type", JWT_BEARER), ("assertion", &assertion)];
        let answer = self
            .ask(endpoints, None, &fields, &[&assertion], deadline)
            .await?;
        let mut tokens = of_program(endpoints, answer);
        // An answer that says nothing grants what was asked for (RFC 6749 §5.1).
        if tokens.scopes.is_empty() {
            tokens.scopes = scopes.to_vec();
        }
        Ok(tokens)
    }
}

/// What the answer to a program says.
fn of_program(endpoints: &Endpoints, answer: Answer) -> Tokens {
    let mut tokens = tokens(endpoints, answer);
    tokens.secrets.refresh_token = None;
    tokens.secrets.user_refresh_token = None;
    tokens
}

fn the_client(grant: &Grant) -> Result<OAuthClient, TokenError> {
    let client = grant.client().map_err(unusable)?;
    client.ok_or_else(|| TokenError::Unsent("the grant has no client".to_owned()))
}

/// It was a good key when it was stored.
fn unusable(error: KeyError) -> TokenError {
    TokenError::InvalidGrant {
        description: format!("the private key {error}"),
    }
}

/// A client whose proof is taken no more needs another one, which only an administrator has.
fn final_or_not(error: TokenError) -> TokenError {
    match error {
        TokenError::Refused { code, description }
            if ["invalid_client", "HTTP 401"].contains(&code.as_str()) =>
        {
            TokenError::InvalidGrant { description }
        }
        other => other,
    }
}
