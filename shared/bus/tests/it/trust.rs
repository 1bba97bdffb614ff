use std::path::PathBuf;

use bus::{Bus, BusState, Heard, NatsConfig, NatsTls};
use testkit::certificates::Certificates;
use testkit::nats::Nats;

use crate::rig::{Node, config, heard_until, hint, next, until};

fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let file = folder.path().join("credentials");
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn credentials_are_read_from_their_file_at_each_connection_and_never_shown() {
    let nats = Nats::with_config("authorization { user: mary, password: hunter2 }\n");
    let folder = tempfile::tempdir().unwrap();
    let config = NatsConfig {
        credentials: Some(file(&folder, "mary:wrong")),
        ..config(&nats.url())
    };
    let node = Node::start(&config).await;
    while !nats.log().contains("authentication error") {
        tokio::task::yield_now().await;
    }
    assert_eq!(node.bus.state(), BusState::Down);

    file(&folder, "mary:hunter2\n");

    until(&node.bus, BusState::Up).await;
    let printed = format!("{:?} {config:?}", node.bus);
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[tokio::test]
async fn a_token_is_credentials_too() {
    let nats = Nats::with_config("authorization { token: \"hunter2\" }\n");
    let folder = tempfile::tempdir().unwrap();
    let config = NatsConfig {
        credentials: Some(file(&folder, "hunter2\n")),
        ..config(&nats.url())
    };

    Node::up(&config).await;
}

#[tokio::test]
async fn tls_proves_both_sides_to_each_other() {
    let files = Certificates::of_loopback();
    let nats = Nats::with_config(&format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n",
        files.server(),
        files.server_key(),
        files.ca(),
    ));
    let with = |ca: PathBuf, certificate| NatsConfig {
        tls: Some(NatsTls {
            ca: Some(ca),
            certificate,
        }),
        ..config(&format!("tls://localhost:{}", nats.port()))
    };
    let ours = Some((files.client(), files.client_key()));

    let node = Node::up(&with(files.ca(), ours.clone())).await;
    let mut hints = node.bus.subscribe();
    node.bus.publish(hint(1));
    heard_until(&mut hints, &hint(1)).await;

    let stranger = Certificates::of_loopback();
    let theirs = Some((stranger.client(), stranger.client_key()));
    for refused in [
        with(stranger.ca(), ours.clone()),
        with(files.ca(), theirs),
        with(files.ca(), None),
    ] {
        let before = nats.log().matches("TLS handshake error").count();
        let node = Node::start(&refused).await;
        while nats.log().matches("TLS handshake error").count() == before {
            tokio::task::yield_now().await;
        }
        assert_eq!(node.bus.state(), BusState::Down, "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_no_hint_is_counted_and_one_of_a_newer_version_is_a_gap() {
    let nats = Nats::start();
    let node = Node::up(&config(&nats.url())).await;
    let mut hints = node.bus.subscribe();
    assert_eq!(next(&mut hints).await, Heard::Gap);
    let stranger = async_nats::connect(nats.url()).await.unwrap();

    for message in ["hello", r#"{"v":2,"changed":"everything"}"#] {
        let subject = "turnbuckle.changes";
        stranger.publish(subject, message.into()).await.unwrap();
    }
    // Another installation's are not ours.
    stranger
        .publish("other.changes", r#"{"v":1,"revision":9}"#.into())
        .await
        .unwrap();
    stranger.flush().await.unwrap();

    assert_eq!(next(&mut hints).await, Heard::Gap);
    assert_eq!(node.bus.losses().rejected, 1);
    node.bus.publish(hint(1));
    assert_eq!(heard_until(&mut hints, &hint(1)).await, []);
}
