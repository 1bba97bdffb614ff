//! New tokens for old.

use std::collections::BTreeMap;

use domain::AccountSecrets;
use egress::Deadline;

use crate::answer::Answer;
use crate::{Endpoints, OAuthClient, TokenEndpoint, TokenError, Tokens, same_source};

impl TokenEndpoint {
    /// Renews what can be renewed. What the answer leaves out (the refresh token of a provider
    /// that does not rotate it, the scopes) stays as it was, `scopes` then being empty.
    ///
    /// A provider that gave a bot's and a user's token with a refresh token each is asked twice.
    /// If only the second fails, the first one's pair is what this returns: it must not be lost.
    ///
    /// # Errors
    /// [`TokenError::InvalidGrant`] also where there is no refresh token.
    pub async fn refresh(
        &self,
        endpoints: &Endpoints,
        client: &OAuthClient,
        old: &AccountSecrets,
        deadline: Deadline,
    ) -> Result<Tokens, TokenError> {
        let pairs = [&old.refresh_token, &old.user_refresh_token];
        if pairs.iter().all(|token| token.is_none()) {
            return Err(TokenError::InvalidGrant {
                description: "the provider gave no refresh token".to_owned(),
            });
        }
        let mut tokens = Tokens {
            secrets: old.clone(),
            expires_in: None,
            scopes: Vec::new(),
            subject: None,
            variables: BTreeMap::new(),
        };
        if let Some(token) = &old.refresh_token {
            let answer = self.renew(endpoints, client, old, token, deadline).await?;
            take_main(endpoints, &mut tokens, answer);
        }
        if let Some(token) = &old.user_refresh_token {
            match self.renew(endpoints, client, old, token, deadline).await {
                Ok(answer) => take_user(endpoints, &mut tokens, answer),
                Err(TokenError::InvalidGrant { .. }) if old.refresh_token.is_some() => {
                    tokens.secrets.user_token = None;
                    tokens.secrets.user_refresh_token = None;
                }
                Err(_) if old.refresh_token.is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tokens)
    }

    async fn renew(
        &self,
        endpoints: &Endpoints,
        client: &OAuthClient,
        old: &AccountSecrets,
        refresh_token: &str,
        deadline: Deadline,
    ) -> Result<Answer, TokenError> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        let answer = self
            .ask(endpoints, Some(client), &fields, &[refresh_token], deadline)
            .await?;
        let known = old.identity.as_ref().zip(answer.identity.as_ref());
        if known.is_some_and(|(old, new)| same_source(old, new) && old != new) {
            return Err(TokenError::AnotherAccount);
        }
        Ok(answer)
    }
}

fn take_main(endpoints: &Endpoints, tokens: &mut Tokens, answer: Answer) {
    let Answer {
        main,
        user,
        subject,
        identity,
    } = answer;
    let secrets = &mut tokens.secrets;
    secrets.access_token = main.access_token.or(secrets.access_token.take());
    secrets.refresh_token = main.refresh_token.or(secrets.refresh_token.take());
    secrets.identity = secrets.identity.take().or(identity);
    if let Some(user) = user {
        secrets.user_token = user.access_token;
        secrets.user_refresh_token = user.refresh_token.or(secrets.user_refresh_token.take());
    }
    tokens.expires_in = main.expires_in;
    tokens.scopes = endpoints.scopes.granted(&main.scope.unwrap_or_default());
    tokens.subject = subject;
}

/// The answer for the user's refresh token has the token where a bot's would be, or in the
/// user's own place.
fn take_user(endpoints: &Endpoints, tokens: &mut Tokens, answer: Answer) {
    let user = answer.user.unwrap_or(answer.main);
    let secrets = &mut tokens.secrets;
    secrets.user_token = user.access_token.or(secrets.user_token.take());
    secrets.user_refresh_token = user.refresh_token.or(secrets.user_refresh_token.take());
    secrets.identity = secrets.identity.take().or(answer.identity);
    tokens.expires_in = [tokens.expires_in, user.expires_in]
        .into_iter()
        .flatten()
        .min();
    let scopes = endpoints.scopes.granted(&user.scope.unwrap_or_default());
    for scope in scopes {
        if !tokens.scopes.contains(&scope) {
            tokens.scopes.push(scope);
        }
    }
    tokens.subject = tokens.subject.take().or(answer.subject);
}
