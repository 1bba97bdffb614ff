//! Putting the credential where the manifest says. It is decrypted here and nowhere else, and the
//! field that carries it is marked so that nothing prints it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::closed::{AuthPlace, ToolToken};
use catalog::{AuthMethod, CredentialPart};
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::call::Call;
use super::request::Draft;
use super::trouble::{Sent, Trouble};

impl Call<'_> {
    /// Puts the credential where the manifest says.
    pub(super) fn sign(&self, draft: &mut Draft) -> Result<(), Sent> {
        if self.tool.token == Some(ToolToken::None) {
            return Ok(());
        }
        let secrets = self.lease.secrets.expose_secret();
        let Some(token) = secrets
            .0
            .token
            .as_deref()
            .map(str::trim)
            .filter(|t| !t.is_empty())
        else {
            return Err(Sent::before(Trouble::NoCredential));
        };
        let is_pair = token.contains(':');
        let Some(method) = self.connector.auth.pasted(&draft.path, is_pair) else {
            return Ok(());
        };
        let credential = credential(method, token);
        match method.place {
            AuthPlace::Header => {
                let name = HeaderName::try_from(method.name.as_str());
                let value = HeaderValue::try_from(credential);
                let (Ok(name), Ok(mut value)) = (name, value) else {
                    return Err(Sent::before(Trouble::BadCredential));
                };
                value.set_sensitive(true);
                draft.headers.insert(name, value);
            }
            AuthPlace::Body => {
                let body = draft.body.get_or_insert_with(|| Value::Object(Map::new()));
                if let Some(members) = body.as_object_mut() {
                    members.insert(method.name.clone(), Value::from(credential));
                }
            }
        }
        Ok(())
    }
}

fn credential(method: &AuthMethod, token: &str) -> String {
    let parts = method.format.iter().map(|part| match part {
        CredentialPart::Text(text) => text.clone(),
        CredentialPart::Token => token.to_owned(),
        // A key that is all there is stands as the user name of an empty password.
        CredentialPart::Pair if method.password.as_deref() == Some("") => {
            STANDARD.encode(format!("{}:", token.trim_end_matches(':')))
        }
        CredentialPart::Pair => STANDARD.encode(token),
    });
    parts.collect()
}
