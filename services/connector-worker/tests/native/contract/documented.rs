//! Providers that publish no description: requests are held against method and path, the media type
//! and the credential, and against nothing else.

use testkit::provider::Credential;

use super::held::{Setup, hold};

fn undescribed(connector: &'static str, tools: usize) -> Setup {
    Setup {
        specs: Vec::new(),
        ..Setup::bearer(connector, "", tools)
    }
}

#[tokio::test]
async fn cursor() {
    // The key is the user name, and there is no password.
    let basic = Credential::Header("authorization", "Basic dGhlLXRva2VuOg==".to_owned());
    hold(Setup {
        credentials: vec![("/", basic)],
        ..undescribed("cursor", 32)
    })
    .await;
}

#[tokio::test]
async fn windsurf() {
    let key = Credential::Member("service_key", "the-token".to_owned());
    let bearer = Credential::Header("authorization", "Bearer the-token".to_owned());
    hold(Setup {
        credentials: vec![("/api/v1/", key), ("/api/v2alpha/", bearer)],
        ..undescribed("windsurf", 16)
    })
    .await;
}
