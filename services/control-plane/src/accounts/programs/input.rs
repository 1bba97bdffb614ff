//! What an administrator says of a program.

use std::fmt;

use catalog::OAuth2;
use catalog::closed::ClientAuth;
use domain::AccountMethod;
use oauth::{Grant, PemKey, Proof, ServiceAccount, SigningAlgorithm};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fields::Violations;

/// Bytes of an id, of a secret, and of a key or key file.
const ID_MAX_LENGTH: usize = 512;
const SECRET_MAX_LENGTH: usize = 4096;
const KEY_MAX_LENGTH: usize = 32 * 1024;
/// Scopes, and bytes of one.
const SCOPES_MAX: usize = 100;
const SCOPE_MAX_LENGTH: usize = 256;

/// What a program signs in at a provider with, by itself: no person consents. Which members there
/// must be depends on `kind`; nothing of it but `kind` is ever shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInInput {
    /// `client_credentials`: an OAuth client's own tokens (Microsoft; remote MCP servers).
    /// `jwt_bearer`: a service account's (Google). `account_credentials`: a server-to-server app's
    /// (Zoom). `app_installation`: an installed app's (GitHub).
    #[schema(schema_with = kinds)]
    pub kind: String,
    /// Of `client_credentials` and `account_credentials`; of `app_installation` the app's client id
    /// or number.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Write-only. Of `client_credentials`, if there is no `private_key`, and of
    /// `account_credentials`.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// Write-only: in PEM. Of `app_installation`, and of `client_credentials` in the place of
    /// `client_secret`; Microsoft needs the certificate in the same text.
    #[serde(default)]
    pub private_key: Option<String>,
    /// What the provider knows `private_key` by, where it wants to be told.
    #[serde(default)]
    pub key_id: Option<String>,
    /// Write-only. Of `jwt_bearer`: the JSON key file of the service account, as text.
    #[serde(default)]
    pub service_account: Option<String>,
    /// Of `jwt_bearer`: the address of the person it acts for, by domain-wide delegation.
    #[serde(default)]
    pub subject: Option<String>,
    /// Of `account_credentials`.
    #[serde(default)]
    pub account_id: Option<String>,
    /// Of `app_installation`.
    #[serde(default)]
    pub installation_id: Option<String>,
    /// Of `client_credentials` and `jwt_bearer`: what is asked for, whatever the tools need. Left
    /// out, it is what the tools that are enabled need.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl fmt::Debug for SignInInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInInput")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

fn kinds() -> utoipa::openapi::schema::Object {
    crate::openapi::one_of(&[
        "client_credentials",
        "jwt_bearer",
        "account_credentials",
        "app_installation",
    ])
}

/// The members of one input, as they are taken.
struct Members<'a> {
    input: &'a SignInInput,
    violations: &'a mut Violations,
}

impl SignInInput {
    /// The kind, if it is one of a program.
    pub(super) fn method(&self) -> Option<AccountMethod> {
        let method: AccountMethod = self.kind.parse().ok()?;
        method.is_programs_own().then_some(method)
    }

    /// What the program has, if all of it is as it must be. `oauth2` says what its provider takes;
    /// none for a remote MCP server, which says so itself.
    pub(super) fn grant(
        &self,
        method: AccountMethod,
        oauth2: Option<&OAuth2>,
        violations: &mut Violations,
    ) -> Option<Grant> {
        self.check_others(method, violations);
        self.check_scopes(violations);
        let mut members = Members {
            input: self,
            violations,
        };
        match method {
            AccountMethod::ClientCredentials => members.client_credentials(oauth2),
            AccountMethod::JwtBearer => members.jwt_bearer(oauth2),
            AccountMethod::AccountCredentials => members.account_credentials(),
            AccountMethod::AppInstallation => members.app_installation(),
            AccountMethod::OAuth | AccountMethod::Token => None,
        }
    }

    /// What is not of this kind was meant otherwise.
    fn check_others(&self, method: AccountMethod, violations: &mut Violations) {
        use AccountMethod::{AccountCredentials, AppInstallation, ClientCredentials, JwtBearer};
        let all: [(&str, bool, &[AccountMethod]); 9] = [
            (
                "client_id",
                self.client_id.is_some(),
                &[ClientCredentials, AccountCredentials, AppInstallation],
            ),
            (
                "client_secret",
                self.client_secret.is_some(),
                &[ClientCredentials, AccountCredentials],
            ),
            (
                "private_key",
                self.private_key.is_some(),
                &[ClientCredentials, AppInstallation],
            ),
            ("key_id", self.key_id.is_some(), &[ClientCredentials]),
            (
                "service_account",
                self.service_account.is_some(),
                &[JwtBearer],
            ),
            ("subject", self.subject.is_some(), &[JwtBearer]),
            (
                "account_id",
                self.account_id.is_some(),
                &[AccountCredentials],
            ),
            (
                "installation_id",
                self.installation_id.is_some(),
                &[AppInstallation],
            ),
            (
                "scopes",
                !self.scopes.is_empty(),
                &[ClientCredentials, JwtBearer],
            ),
        ];
        for (name, _, _) in all
            .into_iter()
            .filter(|(_, given, kinds)| *given && !kinds.contains(&method))
        {
            let rule = format!("is not for the kind {}", method.as_str());
            violations.add(format!("sign_in.{name}"), rule);
        }
    }

    fn check_scopes(&self, violations: &mut Violations) {
        let is_one = |scope: &String| {
            // As RFC 6749 §3.3 has it.
            let fits = |byte: u8| byte == 0x21 || (0x23..=0x7e).contains(&byte) && byte != b'\\';
            (1..=SCOPE_MAX_LENGTH).contains(&scope.len()) && scope.bytes().all(fits)
        };
        if self.scopes.len() > SCOPES_MAX || !self.scopes.iter().all(is_one) {
            let rule = format!("must be {SCOPES_MAX} scopes at most, each without blanks");
            violations.add("sign_in.scopes", rule);
        }
    }
}

impl Members<'_> {
    fn client_credentials(&mut self, oauth2: Option<&OAuth2>) -> Option<Grant> {
        let client_id = self.id("client_id", self.input.client_id.as_deref());
        let takes = |word: ClientAuth| oauth2.is_none_or(|o| o.client_auth.contains(&word));
        let proof = match (&self.input.client_secret, &self.input.private_key) {
            (Some(secret), None) => {
                if !takes(ClientAuth::SecretBasic) && !takes(ClientAuth::SecretPost) {
                    self.refuse("client_secret", "is not taken there: give a private_key");
                }
                let secret = self.secret(Some(secret));
                secret.map(Proof::Secret)
            }
            (None, Some(pem)) => {
                if !takes(ClientAuth::PrivateKeyJwt) {
                    self.refuse("private_key", "is not taken there: give a client_secret");
                }
                self.key(pem, false).map(Proof::Key)
            }
            _ => {
                self.refuse("client_secret", "must be given, or else private_key");
                None
            }
        };
        Some(Grant::ClientCredentials {
            client_id: client_id?,
            proof: proof?,
        })
    }

    fn jwt_bearer(&mut self, oauth2: Option<&OAuth2>) -> Option<Grant> {
        let subject = self.input.subject.as_deref();
        if let Some(subject) = subject {
            self.id("subject", Some(subject));
            self.violations.email("sign_in.subject", subject);
        }
        let Some(file) = self.input.service_account.as_deref() else {
            self.refuse("service_account", "must be given");
            return None;
        };
        let token_url = oauth2.map_or("", |oauth2| &oauth2.token_url);
        let read = ServiceAccount::of_file(file, token_url);
        let ServiceAccount { email, key } =
            self.violations.keep("sign_in.service_account", read)?;
        Some(Grant::JwtBearer {
            issuer: email,
            key,
            subject: subject.map(str::to_owned),
        })
    }

    fn account_credentials(&mut self) -> Option<Grant> {
        let client_id = self.id("client_id", self.input.client_id.as_deref());
        let account_id = self.id("account_id", self.input.account_id.as_deref());
        let secret = self.secret(self.input.client_secret.as_ref());
        Some(Grant::AccountCredentials {
            client_id: client_id?,
            client_secret: secret?,
            account_id: account_id?,
        })
    }

    fn app_installation(&mut self) -> Option<Grant> {
        let app_id = self.id("client_id", self.input.client_id.as_deref());
        let installation_id = self.input.installation_id.as_deref();
        let is_number = |id: &&str| {
            (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
        };
        let installation_id = installation_id.filter(is_number);
        if installation_id.is_none() {
            self.refuse("installation_id", "must be the installation's number");
        }
        let key = match self.input.private_key.as_deref() {
            Some(pem) => self.key(pem, true),
            None => {
                self.refuse("private_key", "must be given");
                None
            }
        };
        Some(Grant::AppInstallation {
            app_id: app_id?,
            key: key?,
            installation_id: installation_id?.to_owned(),
        })
    }

    fn refuse(&mut self, name: &str, rule: &str) {
        self.violations.add(format!("sign_in.{name}"), rule);
    }

    fn id(&mut self, name: &str, given: Option<&str>) -> Option<String> {
        let given = given.unwrap_or_default();
        let fits = (1..=ID_MAX_LENGTH).contains(&given.len())
            && given.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if !fits {
            self.refuse(name, "must be given: one word of visible characters");
            return None;
        }
        Some(given.to_owned())
    }

    fn secret(&mut self, given: Option<&String>) -> Option<String> {
        let given = given.map(String::as_str).unwrap_or_default();
        let fits = (1..=SECRET_MAX_LENGTH).contains(&given.len())
            && given.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
            && !given.trim().is_empty();
        if !fits {
            self.refuse("client_secret", "must be one line of visible characters");
            return None;
        }
        Some(given.to_owned())
    }

    fn key(&mut self, pem: &str, only_rsa: bool) -> Option<PemKey> {
        let key_id = match self.input.key_id.as_deref() {
            Some(key_id) => Some(self.id("key_id", Some(key_id))?),
            None => None,
        };
        let key = PemKey {
            pem: pem.to_owned(),
            key_id,
        };
        if pem.len() > KEY_MAX_LENGTH {
            self.refuse("private_key", "is longer than any key");
            return None;
        }
        let parsed = self.violations.keep("sign_in.private_key", key.parsed())?;
        if only_rsa && parsed.algorithm() != SigningAlgorithm::Rs256 {
            self.refuse("private_key", "must be an RSA key, without a certificate");
            return None;
        }
        Some(key)
    }
}
