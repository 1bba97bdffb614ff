//! The document that is our name at servers which fetch such documents.

use serde_json::{Value, json};
use url::Url;

/// A Client ID Metadata Document: `at` is its own address, and the client's id. A public client,
/// as there is nobody to agree on a secret with.
pub fn client_document(at: &Url, name: &str, home: &Url, redirect_uri: &Url) -> Value {
    json!({
        "client_id": at,
        "client_name": name,
        "client_uri": home,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "web",
    })
}
