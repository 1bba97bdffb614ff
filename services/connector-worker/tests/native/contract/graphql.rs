//! Providers that publish a GraphQL schema.

use testkit::provider::Credential;

use super::held::{Setup, hold};

#[tokio::test]
async fn linear() {
    // A personal key stands alone in its field.
    let credential = Credential::Header("authorization", "the-token".to_owned());
    hold(Setup {
        credentials: vec![("/", credential)],
        ..Setup::bearer("linear", "linear.schema.graphql", 36)
    })
    .await;
}
