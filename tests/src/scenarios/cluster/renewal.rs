//! An account's tokens end while a thousand callers use them through both gateways: they are
//! renewed once, and a control-plane that dies over it loses nothing that can be kept.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use testkit::oauth::{Auth, Fault, OAuthProvider, Profile, Registered, Reuse, Rotation};
use tokio::task::JoinSet;

use crate::harness::cluster::{Cluster, Got, PAIR, Wire};
use crate::harness::eventually;
use crate::scenarios::mid_call::follow;

const CALLERS: usize = 1_000;
/// How many of them come at once.
const STEP: usize = 50;
const TOOL: &str = "gitlab_list_projects";
const TOKEN: &str = "/oauth/token";
const SECRET: &str = "secret-of-client";
/// For what takes one process no time, on a busy machine.
const SOON: Duration = Duration::from_secs(60);
const STRICT: Rotation = Rotation::Rotating(Reuse::RevokesFamily);
const FORGIVING: Rotation = Rotation::Rotating(Reuse::Window(Duration::from_secs(600)));

/// A cluster with an account at a provider of ours, which stands for GitLab.
struct Renewed {
    cluster: Cluster,
    provider: OAuthProvider,
    wire: Wire,
}

impl Renewed {
    async fn open() -> Self {
        let client = Registered::new("client-1", SECRET, Auth::Post, "");
        let provider = OAuthProvider::start(Profile {
            resource_body: "[]".to_owned(),
            ..Profile::gitlab(client)
        })
        .await;
        let at = provider.url();
        let at = at.as_str().trim_end_matches('/');
        let origins = format!("\"https://gitlab.com\" = \"{at}\"\n");
        let mut cluster = Cluster::prepare();
        cluster.configure_further("worker", |toml| {
            // Room for all of them at one worker.
            let room = "max_calls_per_connector = 2000\nnative.requests_at_once = 2000";
            format!("{toml}\n[worker]\n{room}\n[worker.origins]\n{origins}")
        });
        cluster.configure_further("control-plane", |toml| {
            format!(
                "{toml}\n[control_plane.oauth.origins]\n{origins}\
                 [control_plane.accounts]\ntoken_deadline = 10\n\
                 [egress]\nallow = [\"127.0.0.0/8\"]\n"
            )
        });
        cluster.launch().await;
        let (_, key) = cluster.tenant("acme").await;
        let admin = cluster.admin(0);
        let registered = json!({ "client_id": "client-1", "client_secret": SECRET });
        let put = admin.request(Method::PUT, "/oauth-clients/gitlab");
        let put = put.json(&registered).send().await.unwrap();
        assert!(put.status().is_success(), "{put:?}");
        let connector = json!({ "slug": "gitlab", "type": "gitlab" });
        cluster.connector("acme", &connector).await;
        let connections = "/tenants/acme/connectors/gitlab/connections";
        let begun = admin.post(connections, &json!({})).await.expect(201);
        follow(&provider, begun["url"].as_str().unwrap(), "ada").await;
        let wire = cluster.wire("acme", "gitlab", &key);
        Self {
            cluster,
            provider,
            wire,
        }
    }

    /// Both workers have the newest token.
    async fn warm(&self) {
        eventually(SOON, "calls have their results", async || {
            for turn in 0..8 * PAIR {
                let got = self.wire.call(turn % PAIR, TOOL, json!({})).await;
                if !got.is_result() {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Adds as many calls, through both gateways.
    fn call(&self, callers: usize, calls: &mut JoinSet<Got>) {
        for caller in 0..callers {
            let wire = self.wire.clone();
            calls.spawn(async move { wire.call(caller % PAIR, TOOL, json!({})).await });
        }
    }

    /// As many calls at once, through both gateways: the provider has all of them before it.
    async fn under_way(&self) -> JoinSet<Got> {
        let began = Instant::now();
        self.provider.hold_calls(true);
        let mut calls = JoinSet::new();
        // They need not come at once to be there at once.
        for there in (STEP..=CALLERS).step_by(STEP) {
            self.call(STEP, &mut calls);
            eventually(SOON, "all calls are at the provider", async || {
                let early = calls.try_join_next();
                assert!(early.is_none(), "it has ended: {early:?}");
                (self.provider.held_calls() == there).then_some(())
            })
            .await;
        }
        println!("{CALLERS} calls are under way after {:?}", began.elapsed());
        calls
    }

    /// Now they find that their token has ended.
    async fn refused(&self) {
        let before = self.provider.counts().resource_refused;
        self.provider.hold_calls(false);
        eventually(SOON, "all calls are refused", async || {
            (self.provider.counts().resource_refused - before == CALLERS).then_some(())
        })
        .await;
    }

    /// How often the provider was asked for new tokens for those that it gave by the `nth` refresh.
    fn asked_for(&self, nth: usize) -> usize {
        let refreshes = self.provider.counts().refreshes;
        refreshes.get(nth).copied().unwrap_or_default()
    }

    /// The last refresh was so long ago that a token that is refused has rather ended than been
    /// refused for good.
    fn long_ago(&self, and: &str) {
        self.cluster
            .sql(&format!("UPDATE accounts SET refreshed_at = 1{and}"));
    }

    fn account(&self, column: &str) -> String {
        self.cluster.sql(&format!("SELECT {column} FROM accounts"))
    }

    /// Which control-plane looks after accounts.
    fn leader(&self) -> usize {
        let holder = "SELECT holder FROM leases WHERE job = 'accounts'";
        let holder = self.cluster.sql(holder);
        let control_planes = self.cluster.control_planes.iter();
        let mut nodes = control_planes.map(|member| member.runs().then(|| member.node()));
        let leader = nodes.position(|node| node.is_some_and(|node| node == holder));
        leader.unwrap_or_else(|| panic!("{holder} leads and does not run"))
    }

    /// The leading control-plane renews, and is killed over it with all callers waiting: what they
    /// got. The provider's request meets the fault and is never answered.
    async fn leader_dies(&mut self, rotation: Rotation, fault: Fault) -> Vec<Got> {
        self.provider.change(|profile| profile.rotation = rotation);
        self.warm().await;
        let calls = self.under_way().await;
        let before = self.provider.seen_at(TOKEN).len();
        self.provider.expire_access();
        self.provider.fail_next(fault);
        self.long_ago(", refresh_at = 1");
        eventually(SOON, "the leader asks for new tokens", async || {
            (self.provider.seen_at(TOKEN).len() == before + 1).then_some(())
        })
        .await;
        self.refused().await;
        let leader = self.leader();
        self.cluster.control_planes[leader].kill();
        let killed = Instant::now();
        let got = calls.join_all().await;
        println!("all callers were answered {:?} after it", killed.elapsed());
        self.cluster.control_planes[leader].restart().await;
        got
    }
}

fn all_have_results(calls: &[Got]) {
    assert_eq!(calls.len(), CALLERS);
    let bad: Vec<&Got> = calls.iter().filter(|got| !got.is_result()).collect();
    assert!(bad.is_empty(), "{} of them, e.g. {:?}", bad.len(), bad[0]);
}

#[tokio::test]
async fn a_thousand_callers_who_find_a_token_ended_cause_one_refresh() {
    let renewed = Renewed::open().await;
    renewed.warm().await;
    assert_eq!(renewed.account("token_generation"), "1");

    let calls = renewed.under_way().await;
    renewed.provider.expire_access();
    renewed.provider.fail_next(Fault::Hold);
    renewed.refused().await;
    eventually(SOON, "somebody asks for new tokens", async || {
        (renewed.asked_for(0) > 0).then_some(())
    })
    .await;
    renewed.provider.let_go();
    all_have_results(&calls.join_all().await);

    let counts = renewed.provider.counts();
    assert_eq!((counts.refreshed, &*counts.refreshes), (1, &[1][..]));
    assert_eq!(counts.families_revoked, 0);
    assert_eq!(renewed.provider.violations(), Vec::<String>::new());
    let stands = renewed.account("token_generation || ' ' || fence || ' ' || state");
    assert_eq!(stands, "2 1 connected");

    // That it is one is the claim's doing: when somebody takes it off the row, the other
    // control-plane asks as well, and the provider, as strict as it is, ends the grant.
    renewed.provider.expire_access();
    renewed.provider.fail_next(Fault::Hold);
    renewed.long_ago("");
    let mut calls = JoinSet::new();
    renewed.call(PAIR * PAIR, &mut calls);
    eventually(SOON, "somebody asks for new tokens", async || {
        (renewed.asked_for(1) == 1).then_some(())
    })
    .await;
    let let_go = "UPDATE accounts SET renewing_by = NULL, renewing_until = NULL";
    renewed.cluster.sql(let_go);
    eventually(SOON, "the other one asks too", async || {
        (renewed.asked_for(1) == 2).then_some(())
    })
    .await;
    renewed.provider.let_go();
    calls.join_all().await;
    assert_eq!(renewed.provider.counts().families_revoked, 1);
}

#[tokio::test]
async fn a_leader_that_is_killed_in_a_refresh_loses_no_grant_that_can_be_kept() {
    let mut renewed = Renewed::open().await;

    // The provider has not carried it out.
    let got = renewed.leader_dies(STRICT, Fault::HoldBefore).await;
    all_have_results(&got);
    let counts = renewed.provider.counts();
    assert_eq!((counts.refreshed, counts.families_revoked), (1, 0));
    assert_eq!(renewed.account("token_generation"), "2");

    // It has, and gives the same once more.
    let got = renewed.leader_dies(FORGIVING, Fault::Hold).await;
    all_have_results(&got);
    let counts = renewed.provider.counts();
    assert_eq!(
        (&*counts.refreshes, counts.families_revoked),
        (&[1, 2][..], 0)
    );
    let stands = renewed.account("token_generation || ' ' || state");
    assert_eq!(stands, "3 connected");
    assert_eq!(renewed.provider.violations(), Vec::<String>::new());

    // It has, and takes the old one for stolen: nobody can have the grant back, and each caller is
    // told what to do.
    let got = renewed.leader_dies(STRICT, Fault::Hold).await;
    assert_eq!(renewed.provider.counts().families_revoked, 1);
    assert_eq!(renewed.account("state"), "needs_reauth");
    assert_eq!(got.len(), CALLERS);
    for got in &got {
        let text = got.text();
        assert!(!got.is_result() && text.contains("/connect/"), "{text}");
    }
}
