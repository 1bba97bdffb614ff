//! Buses to test, and how tests wait.

use std::time::Duration;

use bus::{Bus, BusState, Heard, Hint, Hints, LocalBus, NatsBus, NatsConfig};
use fabric::Subject;
use runtime::{Shutdown, ShutdownTrigger, Tasks};
use testkit::nats::Nats;
use tokio::time::{Instant, timeout};

/// How long a test waits for what must come.
pub(crate) const WITHIN: Duration = Duration::from_secs(20);

pub(crate) fn hint(revision: i64) -> Hint {
    Hint {
        subject: Subject::Tenant("acme".to_owned()),
        revision,
    }
}

/// A bus over NATS with what runs it. Ends when it is dropped.
pub(crate) struct Node {
    pub(crate) bus: NatsBus,
    trigger: ShutdownTrigger,
}

impl Node {
    pub(crate) async fn start(config: &NatsConfig) -> Self {
        let (trigger, shutdown) = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        let bus = NatsBus::start(config, &tasks, &shutdown).await.unwrap();
        Self { bus, trigger }
    }

    /// A bus that is up.
    pub(crate) async fn up(config: &NatsConfig) -> Self {
        let node = Self::start(config).await;
        until(&node.bus, BusState::Up).await;
        node
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.trigger.end();
    }
}

pub(crate) fn config(url: &str) -> NatsConfig {
    NatsConfig::new(vec![url.to_owned()])
}

/// Two ends of one bus, of each kind.
pub(crate) enum Ends {
    Local(LocalBus),
    Nats {
        nodes: Box<(Node, Node)>,
        _server: Nats,
    },
}

impl Ends {
    pub(crate) async fn each() -> [Self; 2] {
        let nats = Nats::start();
        let config = config(&nats.url());
        let nodes = (Node::up(&config).await, Node::up(&config).await);
        [
            Self::Local(LocalBus::new()),
            Self::Nats {
                nodes: Box::new(nodes),
                _server: nats,
            },
        ]
    }

    pub(crate) fn here(&self) -> &dyn Bus {
        match self {
            Self::Local(bus) => bus,
            Self::Nats { nodes, .. } => &nodes.0.bus,
        }
    }

    pub(crate) fn there(&self) -> &dyn Bus {
        match self {
            Self::Local(bus) => bus,
            Self::Nats { nodes, .. } => &nodes.1.bus,
        }
    }
}

pub(crate) async fn until(bus: &dyn Bus, state: BusState) {
    let start = Instant::now();
    while bus.state() != state {
        assert!(start.elapsed() < WITHIN, "it does not become {state:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) async fn next(hints: &mut Hints) -> Heard {
    let heard = timeout(WITHIN, hints.next()).await;
    heard
        .expect("something is heard")
        .expect("the bus is there")
}

/// What is heard until this hint is, without it.
pub(crate) async fn heard_until(hints: &mut Hints, hint: &Hint) -> Vec<Heard> {
    let mut before = Vec::new();
    loop {
        match next(hints).await {
            Heard::Hint(heard) if heard == *hint => return before,
            other => before.push(other),
        }
    }
}
