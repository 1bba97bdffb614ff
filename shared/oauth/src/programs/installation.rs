//! The token of an app's installation, which GitHub does not give as RFC 6749 has it.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::closed::TokenRequest;
use domain::AccountSecrets;
use egress::Deadline;
use http::{HeaderValue, Method};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::answer::{garbage, token};
use crate::http::{Outgoing, send};
use crate::{Endpoints, TokenEndpoint, TokenError, Tokens};

/// How long such a token lasts where the answer does not say.
const LASTS: Duration = Duration::from_secs(3600);

impl TokenEndpoint {
    pub(super) async fn installation_token(
        &self,
        endpoints: &Endpoints,
        assertion: &str,
        deadline: Deadline,
    ) -> Result<Tokens, TokenError> {
        let mut request = Outgoing::new(Method::POST, endpoints.token.clone());
        for (name, value) in &endpoints.headers {
            request.headers.insert(name, value.clone());
        }
        let version = HeaderValue::from_static("2022-11-28");
        request.headers.insert("x-github-api-version", version);
        request.bearer(assertion);
        let request = request.finish(TokenRequest::Json)?;
        let incoming = send(&self.client, self.limits, request, deadline).await?;
        let body = endpoints.answer.checked(&incoming, &[assertion]);
        let body = body.map_err(|error| match error {
            // It was taken away, or never was this app's.
            TokenError::Refused { code, .. } if code == "HTTP 404" => TokenError::InvalidGrant {
                description: "the app has no such installation".to_owned(),
            },
            other => other,
        })?;
        let body = body.ok_or_else(|| garbage("no JSON object"))?;
        let access_token = token(&body, "token")?.ok_or_else(|| garbage("it has no token"))?;
        Ok(Tokens {
            secrets: AccountSecrets {
                access_token: Some(access_token),
                ..AccountSecrets::default()
            },
            expires_in: Some(lasts(&body, self.clock.now()).unwrap_or(LASTS)),
            // Its permissions are not the manifest's scopes.
            scopes: Vec::new(),
            subject: None,
            variables: BTreeMap::new(),
        })
    }
}

/// Until the moment that the answer names, which is not believed further than an hour.
fn lasts(body: &Value, now: OffsetDateTime) -> Option<Duration> {
    let ends = body.get("expires_at")?.as_str()?;
    let ends = OffsetDateTime::parse(ends, &Rfc3339).ok()?;
    let left = Duration::try_from(ends - now).ok()?;
    (!left.is_zero()).then(|| left.min(LASTS))
}
