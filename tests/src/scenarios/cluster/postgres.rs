//! Postgres is stopped, paused or takes no changes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::cluster::{PAIR, Stage, Traffic};
use crate::harness::eventually;

const SOON: Duration = Duration::from_secs(15);
const TENANTS: &str = "/tenants";

/// A change through each control-plane is refused in words, within a limit.
async fn changes_are_refused(stage: &Stage, slug: &str, limit: Duration) {
    for control_plane in 0..PAIR {
        let began = Instant::now();
        let tenant = json!({ "slug": slug, "name": slug });
        let answer = stage
            .cluster
            .admin(control_plane)
            .post(TENANTS, &tenant)
            .await;
        let took = began.elapsed();
        println!("a change fails after {took:?}: {}", answer.text);
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(took < limit, "{took:?}");
    }
}

/// How long it takes until the same change works.
async fn change_works_again(stage: &Stage, slug: &str) {
    let back = Instant::now();
    for control_plane in 0..PAIR {
        let slug = format!("{slug}-{control_plane}");
        let tenant = json!({ "slug": slug, "name": slug });
        let admin = stage.cluster.admin(control_plane);
        eventually(SOON, "changes work again", async || {
            let answer = admin.post(TENANTS, &tenant).await;
            (answer.status == 201).then_some(())
        })
        .await;
    }
    println!("changes work again after {:?}", back.elapsed());
    let tenants = stage.cluster.admin(0).get(TENANTS).await.expect(200);
    let text = tenants.to_string();
    assert!(
        !text.contains("\"half\""),
        "nothing is half-written: {text}"
    );
}

#[tokio::test]
async fn calls_are_unharmed_and_changes_fail_clearly_while_postgres_is_away() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let all = [&stage.legacy, &stage.modern, &stage.hosted];
    let traffic = Traffic::start(&all, &[0, 1]).await;
    stage.cluster.expect_error("database");

    stage.cluster.postgres().stop();
    changes_are_refused(&stage, "half", Duration::from_secs(10)).await;
    stage.works().await;
    traffic.take().unharmed();
    stage.cluster.postgres().restart();
    change_works_again(&stage, "stopped").await;

    stage.cluster.postgres().set_read_only(true);
    changes_are_refused(&stage, "half", Duration::from_secs(5)).await;
    traffic.take().unharmed();
    stage.cluster.postgres().set_read_only(false);
    change_works_again(&stage, "readonly").await;

    stage.cluster.postgres().kill();
    stage.cluster.postgres().restart();
    change_works_again(&stage, "killed").await;
    stage.works().await;
    traffic.take().unharmed();
}
