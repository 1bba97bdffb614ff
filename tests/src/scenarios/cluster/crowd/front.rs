//! What stands before the gateways.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::STAYS;
use super::clients::chance;
use crate::harness::cluster::{Member, PAIR};

/// How often a gateway is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Chooses the gateway of a request.
#[derive(Clone)]
pub(in crate::scenarios::cluster) enum Front {
    /// The one that is never killed.
    Stays,
    /// Any, whether it is there or not.
    Any,
    /// Any that says that it is ready, as a load balancer does.
    Ready(Arc<Doors>),
}

/// Which gateways say that they are ready.
pub(in crate::scenarios::cluster) struct Doors {
    open: Arc<[AtomicBool; PAIR]>,
    _looks: JoinSet<()>,
}

impl Front {
    /// Looks at the gateways from now on.
    pub(in crate::scenarios::cluster) fn looking_at(gateways: &[Member]) -> Self {
        let open: Arc<[AtomicBool; PAIR]> = Arc::default();
        let mut looks = JoinSet::new();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(1));
        let http = http.build().unwrap();
        for (number, gateway) in gateways.iter().enumerate() {
            let (open, http, url) = (open.clone(), http.clone(), gateway.ready_url());
            looks.spawn(async move {
                loop {
                    let answer = http.get(&url).send().await;
                    let ready = answer.is_ok_and(|answer| answer.status() == 200);
                    open[number].store(ready, Ordering::Relaxed);
                    tokio::time::sleep(ASK_EVERY).await;
                }
            });
        }
        Self::Ready(Arc::new(Doors {
            open,
            _looks: looks,
        }))
    }

    pub(super) fn pick(&self) -> usize {
        let any = usize::try_from(chance() % 2).unwrap() % PAIR;
        match self {
            Self::Stays => STAYS,
            Self::Any => any,
            Self::Ready(doors) if doors.open[any].load(Ordering::Relaxed) => any,
            Self::Ready(_) => PAIR - 1 - any,
        }
    }

    /// Whether all gateways are ready, as far as is seen from here.
    pub(in crate::scenarios::cluster) fn is_whole(&self) -> bool {
        match self {
            Self::Ready(doors) => doors.open.iter().all(|open| open.load(Ordering::Relaxed)),
            _ => true,
        }
    }
}
