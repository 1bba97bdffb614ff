//! A program signs in by itself, and tools work with it.

use std::time::Duration;

use serde_json::json;
use testkit::oauth::{Auth, OAuthProvider, Profile, Registered, TestKey};

use crate::harness::{Home, eventually};

/// Both of them in what people give us; of the second the beginning of a key's text.
const SECRETS: [&str; 3] = ["secret-", "MII", "eyJ"];

#[tokio::test]
async fn an_administrator_gives_the_key_of_an_app_and_a_tool_works_with_it_until_it_is_taken_away()
{
    let client = Registered::new("unused", "secret-unused", Auth::Post, "");
    let mut profile = Profile::standard(client);
    profile.resource_body = "[]".to_owned();
    profile.programs.apps = vec![("Iv23App".to_owned(), TestKey::rsa(), vec!["77".to_owned()])];
    let provider = OAuthProvider::start(profile).await;
    let home = Home::new();
    let config = home.path().join("turnbuckle.toml");
    let origins = format!("\"https://api.github.com\" = \"{}\"\n", provider.url());
    let text = format!("[worker.origins]\n{origins}[control_plane.oauth.origins]\n{origins}");
    std::fs::write(&config, text).unwrap();
    let key_file = home.path().join("app.pem");
    std::fs::write(&key_file, TestKey::rsa().pkcs1_pem()).unwrap();
    let platform = home
        .with_env("TURNBUCKLE_CONFIG", config.to_str().unwrap())
        .start()
        .await;
    let key = platform.tenant("acme").await;
    let connector = json!({"slug": "github", "type": "github"});
    platform.connector("acme", &connector).await;
    let mcp = platform.mcp("acme", &key);
    let commits = async || {
        let arguments = json!({"owner": "octo", "repo": "cat"});
        let answer = mcp.call("github_list_commits", arguments).await;
        let result = answer["result"].clone();
        assert!(
            SECRETS
                .iter()
                .all(|secret| !result.to_string().contains(secret))
        );
        result
    };
    let before = commits().await;
    assert_eq!(before["isError"], json!(true), "{before}");

    let cli = platform.cli();
    let add = [
        "oauth", "add", "github", "--tenant", "acme", "--name", "app",
    ];
    let kind = ["--kind", "app_installation", "--client-id", "Iv23App"];
    let of = ["--installation-id", "77", "--private-key-file"];
    let path = [key_file.to_str().unwrap()];
    let made = cli
        .json(&[&add[..], &kind[..], &of[..], &path[..]].concat())
        .await;

    assert_eq!(made["method"], "app_installation", "{made}");
    assert_eq!(made["subject"], "installation 77");
    let works = async || (commits().await["isError"] != json!(true)).then_some(());
    eventually(Duration::from_secs(5), "the tool works", works).await;
    assert_eq!(provider.counts().minted, 1);

    // Its token is over before its time: the same call gets another one.
    provider.expire_access();
    let after = commits().await;
    assert_ne!(after["isError"], json!(true), "{after}");
    assert_eq!(provider.counts().minted, 2);

    // Somebody removes the app there.
    provider.change(|profile| profile.programs.apps.clear());
    provider.expire_access();
    let ended = eventually(Duration::from_secs(5), "the account ends", async || {
        let answer = commits().await;
        let words = answer.to_string();
        words
            .contains("needs another secret or key")
            .then_some(answer)
    })
    .await;
    assert!(ended.to_string().contains("app"), "{ended}");
    let status = cli
        .json(&["oauth", "status", "github", "--tenant", "acme"])
        .await;
    assert_eq!(status["accounts"][0]["state"], "needs_reauth", "{status}");
    let log = platform.home().log();
    assert!(SECRETS.iter().all(|secret| !log.contains(secret)));
    assert_eq!(provider.violations(), Vec::<String>::new());
}
