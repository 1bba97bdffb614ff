//! All control-planes are gone; two start, and change things, at once.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::cluster::{Cluster, Member, PAIR, Stage, Traffic};
use crate::harness::{Api, eventually};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn calls_go_on_without_a_control_plane_and_a_gateway_starts_from_disk() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let all = [&stage.legacy, &stage.modern, &stage.hosted];
    let traffic = Traffic::start(&all, &[1]).await;

    // One dies, the other one is told to end.
    stage.cluster.control_planes[0].kill();
    stage.cluster.control_planes[1].stop().await;
    for member in stage.cluster.gateways.iter().chain(&stage.cluster.workers) {
        eventually(SOON, "it says that it is degraded", async || {
            (member.ready().await["status"] == "degraded").then_some(())
        })
        .await;
    }
    let session = stage.modern.open(1).await;
    stage.cluster.gateways[0].kill();
    let took = stage.cluster.gateways[0].restart().await;
    println!("a gateway starts without a control-plane within {took:?}");
    let ready = stage.cluster.gateways[0].ready().await;
    assert_eq!(ready["status"], "degraded", "{ready}");
    let why = ready["degraded"]["control-plane"].as_str();
    assert!(why.is_some_and(|why| !why.is_empty()), "{ready}");
    stage.works().await;
    let got = session.call(0, "echo", json!({ "text": "hi" })).await;
    assert_eq!(got.text(), "hi");
    traffic.take().unharmed();

    let began = Instant::now();
    for control_plane in &mut stage.cluster.control_planes {
        control_plane.launch();
    }
    for control_plane in &mut stage.cluster.control_planes {
        control_plane.started().await;
    }
    let off = json!({ "enabled": false });
    let path = "/tenants/acme/connectors/legacy/tools/hold";
    stage.cluster.admin(0).patch(path, &off).await.expect(200);
    for gateway in 0..PAIR {
        eventually(SOON, "the change is enforced", async || {
            let tools = stage.legacy.tools(gateway).await;
            (!tools.contains(&"hold".to_owned())).then_some(())
        })
        .await;
    }
    println!("changes are enforced again after {:?}", began.elapsed());
    for member in stage.cluster.members() {
        eventually(SOON, "it is ready again", async || {
            (member.ready().await["status"] == "ready").then_some(())
        })
        .await;
    }
    traffic.take().unharmed();
}

#[tokio::test]
async fn two_control_planes_that_start_at_once_make_one_database() {
    let mut cluster = Cluster::prepare();
    cluster.launch().await;
    cluster.tenant("acme").await;
    for control_plane in 0..PAIR {
        let tenants = cluster
            .admin(control_plane)
            .get("/tenants")
            .await
            .expect(200);
        assert_eq!(tenants["tenants"][0]["slug"], "acme", "{tenants}");
    }
    // Both came up, so neither migrated what the other had; and one first key was made.
    let count = |sql: &str| cluster.sql(sql);
    assert_eq!(
        count("SELECT count(*) FROM api_keys WHERE tenant_id IS NULL"),
        "1"
    );
    // Each migration was applied once, and all of them.
    let files = std::fs::read_dir(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/postgres"
    ));
    let applied = count("SELECT count(*) || ' ' || max(version) FROM migrations");
    let files = files.unwrap().count();
    assert_eq!(applied, format!("{files} {files}"));
}

#[tokio::test]
async fn of_two_changes_of_one_thing_at_two_control_planes_one_counts() {
    let cluster = Cluster::start().await;
    let (one, two) = (cluster.admin(0), cluster.admin(1));
    for n in 0..10 {
        let slug = format!("t{n}");
        let tenant = |name: &str| json!({ "slug": slug, "name": name });
        let (first, second) = (tenant("one"), tenant("two"));
        let (first, second) =
            tokio::join!(one.post("/tenants", &first), two.post("/tenants", &second));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", first.text, second.text);
        let loser = if first.status == 409 { &first } else { &second };
        loser.expect_problem(409, "slug-taken");

        let path = format!("/tenants/{slug}");
        let tag = one.get(&path).await.header("etag").to_owned();
        let rename = |admin: &Api, name: &str| {
            let request = admin.request(reqwest::Method::PATCH, &path);
            let request = request.header("if-match", &tag);
            let request = request.header("content-type", "application/merge-patch+json");
            request.body(json!({ "name": name }).to_string()).send()
        };
        let (first, second) = tokio::join!(rename(&one, "first"), rename(&two, "second"));
        let (first, second) = (first.unwrap().status(), second.unwrap().status());
        let mut statuses = [first.as_u16(), second.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
        let winner = if first == 200 { "first" } else { "second" };
        for admin in [&one, &two] {
            assert_eq!(admin.get(&path).await.expect(200)["name"], winner);
        }
    }
    assert_eq!(cluster.sql("SELECT count(*) FROM tenants"), "10");
}

/// The revision that a gateway says it enforces.
async fn enforced(gateway: &Member) -> i64 {
    let metrics = gateway.operator().get("/metrics").await.text;
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix("turnbuckle_config_revision_enforced "));
    value
        .unwrap_or_else(|| panic!("{metrics}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn changes_at_two_control_planes_at_once_come_to_every_gateway_in_one_order() {
    const CHANGES: usize = 100;
    let stage = Stage::open().await;
    let wires = [&stage.legacy, &stage.modern];
    let change = |control_plane: usize| {
        let admin = stage.cluster.admin(control_plane);
        async move {
            let mut revisions = Vec::new();
            for n in 0..CHANGES {
                // Both switch the same tools, not always the same way.
                let connector = ["legacy", "modern"][(n / 3) % 2];
                let path = format!("/tenants/acme/connectors/{connector}/tools/hold");
                let patch = json!({ "enabled": (n + control_plane).is_multiple_of(3) });
                let answer = admin.patch(&path, &patch).await;
                let revision = answer.header("turnbuckle-revision").to_owned();
                answer.expect(200);
                // None is told to who found it as it wanted it.
                revisions.extend(revision.parse::<i64>());
            }
            revisions
        }
    };
    let watch = async {
        let mut last = [0; PAIR];
        loop {
            for (gateway, last) in stage.cluster.gateways.iter().zip(&mut last) {
                let now = enforced(gateway).await;
                assert!(now >= *last, "{} goes back: {now} < {last}", gateway.name());
                *last = now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let both = async { tokio::join!(change(0), change(1)) };
    let (one, two) = tokio::select! {
        revisions = both => revisions,
        never = watch => never,
    };
    for revisions in [&one, &two] {
        assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
    }
    let mut all = [one, two].concat();
    all.sort_unstable();
    assert!(
        all.len() > CHANGES && all.is_sorted_by(|a, b| a < b),
        "{all:?}"
    );
    let whole = "SELECT (SELECT last FROM revision_counter) - count(*) FROM config_changes";
    assert_eq!(stage.cluster.sql(whole), "0");

    let newest: i64 = stage
        .cluster
        .sql("SELECT last FROM revision_counter")
        .parse()
        .unwrap();
    for gateway in &stage.cluster.gateways {
        eventually(SOON, "it enforces the newest", async || {
            (enforced(gateway).await == newest).then_some(())
        })
        .await;
    }
    for (wire, connector) in wires.into_iter().zip(["legacy", "modern"]) {
        let path = format!("/tenants/acme/connectors/{connector}/tools/hold");
        let truth = stage.cluster.admin(0).get(&path).await.expect(200)["enabled"] == true;
        for gateway in 0..PAIR {
            let tools = wire.tools(gateway).await;
            assert_eq!(
                tools.contains(&"hold".to_owned()),
                truth,
                "gateway {gateway}"
            );
        }
    }
}

#[tokio::test]
async fn a_lost_admin_key_is_replaced_at_the_start_of_a_control_plane() {
    let mut cluster = Cluster::prepare();
    cluster.configure_further("control-plane", |toml| {
        // Each has a file of its own, as on machines of their own.
        let own = toml
            .lines()
            .find_map(|line| line.strip_prefix("listen = \"127.0.0.1:"));
        let own = own.unwrap().trim_end_matches('"');
        toml.replace("admin.key", &format!("{own}.key"))
    });
    for control_plane in &mut cluster.control_planes {
        control_plane.launch();
        control_plane.started().await;
    }
    let file = |member: &Member| cluster.folder().join(format!("{}.key", member.port()));
    let [first, second] = cluster.control_planes.as_slice() else {
        panic!("there are two");
    };
    assert!(file(first).exists() && !file(second).exists());
    // Who has none says who made it.
    let log = second.log();
    let told = log.lines().find(|line| line.contains("no admin key is in"));
    let told = told.unwrap_or_else(|| panic!("{log}"));
    assert!(told.contains("first start of 127.0.0.1:"), "{told}");

    let path = file(second);
    let second = &mut cluster.control_planes[1];
    second.stop().await;
    second.launch_with(&["--new-admin-key"]);
    second.started().await;
    let key = std::fs::read_to_string(&path).unwrap();
    let admin = Api::new(format!("{}/api/v1/admin", second.url()), Some(key.trim()));
    admin.get("/tenants").await.expect(200);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
