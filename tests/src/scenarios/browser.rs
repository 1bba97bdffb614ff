//! The pages where people connect accounts, in a real Chromium (`tests/browser`): scripts off, the
//! policy enforced, cookies and redirects as a browser has them.

use std::process::Stdio;

use serde_json::json;
use testkit::oauth::{Auth, OAuthProvider, Profile, Registered};
use tokio::process::Command;

use super::Platform;
use crate::harness::{Home, browser_folder};

const SECRET: &str = "secret-of-client";

/// A platform, and two providers that people sign in at.
struct Stage {
    platform: Platform,
    key: String,
    providers: [OAuthProvider; 2],
}

impl Stage {
    async fn new(env: &[(&str, &str)]) -> Self {
        let client = || Registered::new("client-1", SECRET, Auth::Post, "");
        let gitlab = OAuthProvider::start(Profile {
            resource_body: r#"{"id": 7, "username": "{user}"}"#.to_owned(),
            ..Profile::gitlab(client())
        });
        let atlassian = OAuthProvider::start(Profile::atlassian(client()));
        let providers = [gitlab.await, atlassian.await];
        let home = Home::new();
        let [gitlab, atlassian] = providers.each_ref().map(|provider| provider.url());
        let config = home.path().join("turnbuckle.toml");
        let text = format!(
            "[control_plane.oauth.origins]\n\"https://gitlab.com\" = \"{gitlab}\"\n\
             \"https://auth.atlassian.com\" = \"{atlassian}\"\n\
             \"https://api.atlassian.com\" = \"{atlassian}\"\n"
        );
        std::fs::write(&config, text).unwrap();
        let home = home.with_env("TURNBUCKLE_CONFIG", config.to_str().unwrap());
        let add = |home: Home, (name, value): &(&str, &str)| home.with_env(name, value);
        let platform = env.iter().fold(home, add).start().await;
        let callback = format!("{}/api/v1/oauth/callback", platform.url());
        for provider in &providers {
            provider.change(|profile| profile.clients[0].redirect_uris = vec![callback.clone()]);
        }
        let tenant = json!({"slug": "acme", "name": "Acme Ltd"});
        let admin = platform.admin();
        admin.post("/tenants", &tenant).await.expect(201);
        for r#type in ["gitlab", "jira"] {
            let client = json!({"client_id": "client-1", "client_secret": SECRET});
            let path = format!("/oauth-clients/{type}");
            admin.put(&path, &client).await.expect(200);
        }
        let connector = json!({"slug": "gitlab", "type": "gitlab", "display_name": "Our GitLab"});
        platform.connector("acme", &connector).await;
        let connector = json!({"slug": "jira", "type": "jira"});
        platform.connector("acme", &connector).await;
        let key = platform.key("acme", "tenant_admin").await;
        Self {
            platform,
            key,
            providers,
        }
    }

    /// Runs a script of `tests/browser`, which says what held.
    async fn passes(&self, script: &str) {
        let output = Command::new("node")
            .args(["--test", "--test-reporter=spec", script])
            .current_dir(browser_folder())
            .env("PLATFORM_URL", self.platform.url())
            .env("PLATFORM_KEY", &self.key)
            .env("TENANT", "acme")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script}:\n{said}");
        for provider in &self.providers {
            assert_eq!(provider.violations(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_person_connects_accounts_in_a_browser_without_scripts() {
    Stage::new(&[]).await.passes("connect.test.mjs").await;
}

#[tokio::test]
async fn a_link_that_is_over_says_so_in_a_browser() {
    let short = [("TURNBUCKLE_CONTROL_PLANE__OAUTH__LINK_LIFETIME", "5")];
    Stage::new(&short).await.passes("expired.test.mjs").await;
}

#[tokio::test]
async fn the_pages_for_connecting_accounts_can_be_read_and_used_by_everybody() {
    Stage::new(&[]).await.passes("looks.test.mjs").await;
}
