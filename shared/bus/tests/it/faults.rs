use std::time::{Duration, Instant};

use bus::{Bus, BusState, Heard};
use testkit::cutting_proxy::{CuttingProxy, Network};
use testkit::nats::Nats;

use crate::rig::{Node, config, heard_until, hint, next, until};

/// As long as it takes to see that nobody answers, and more.
const LIVELY: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_bus_starts_without_nats_and_comes_up_when_it_does() {
    let mut nats = Nats::start();
    nats.stop();
    let node = Node::start(&config(&nats.url())).await;
    let mut hints = node.bus.subscribe();
    assert_eq!(node.bus.state(), BusState::Down);

    nats.restart();

    until(&node.bus, BusState::Up).await;
    node.bus.publish(hint(1));
    heard_until(&mut hints, &hint(1)).await;
}

#[tokio::test]
async fn hints_are_dropped_while_nats_is_away_and_who_listens_learns_of_the_gap() {
    let mut nats = Nats::start();
    let (here, there) = (
        Node::up(&config(&nats.url())).await,
        Node::up(&config(&nats.url())).await,
    );
    let mut hints = there.bus.subscribe();
    here.bus.publish(hint(1));
    heard_until(&mut hints, &hint(1)).await;

    for end in [Nats::stop, Nats::kill] {
        let before = here.bus.losses().dropped;
        end(&mut nats);
        until(&here.bus, BusState::Down).await;
        until(&there.bus, BusState::Down).await;
        for _ in 0..5_000 {
            here.bus.publish(hint(2));
        }
        while here.bus.losses().dropped < before + 5_000 {
            tokio::task::yield_now().await;
        }

        nats.restart();
        until(&here.bus, BusState::Up).await;
        until(&there.bus, BusState::Up).await;
        here.bus.publish(hint(3));

        let heard = heard_until(&mut hints, &hint(3)).await;
        let is_gap = |heard: &Heard| *heard == Heard::Gap;
        assert!(
            !heard.is_empty() && heard.iter().all(is_gap),
            "nothing old comes late: {heard:?}"
        );
    }
}

#[tokio::test]
async fn a_nats_that_hangs_for_a_moment_holds_nobody_up_and_loses_little() {
    let nats = Nats::start();
    let node = Node::up(&config(&nats.url())).await;
    let mut hints = node.bus.subscribe();
    assert_eq!(next(&mut hints).await, Heard::Gap);

    nats.pause();
    let start = Instant::now();
    node.bus.publish(hint(1));
    assert!(start.elapsed() < Duration::from_secs(1));
    nats.resume();

    let heard = heard_until(&mut hints, &hint(1)).await;
    assert_eq!(heard, []);
}

#[tokio::test]
async fn a_connection_that_goes_silent_is_noticed_and_made_anew() {
    let nats = Nats::start();
    let proxy = CuttingProxy::start(nats.address()).await;
    let config = config(&format!("nats://{}", proxy.address()));
    let node = Node::up(&config).await;
    let mut hints = node.bus.subscribe();
    assert_eq!(next(&mut hints).await, Heard::Gap);

    proxy.set(Network::Stalled);
    let start = Instant::now();
    until(&node.bus, BusState::Down).await;
    assert!(start.elapsed() < LIVELY, "{:?}", start.elapsed());
    // What was held back meanwhile is not let through any more.
    proxy.set(Network::Cut);
    proxy.set(Network::Fine);

    until(&node.bus, BusState::Up).await;
    node.bus.publish(hint(1));
    assert!(
        heard_until(&mut hints, &hint(1))
            .await
            .contains(&Heard::Gap)
    );
}
