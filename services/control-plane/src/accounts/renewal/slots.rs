//! How many requests for tokens are under way at one provider. Each has its own: one that hangs
//! holds up nobody's renewals at another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

pub(super) struct Slots {
    each: usize,
    /// Of providers that are asked or waited for now, by the origin of their token endpoint.
    taken: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Slots {
    pub(super) fn new(each: usize) -> Self {
        Self {
            each,
            taken: Mutex::default(),
        }
    }

    /// Waits for a turn at the provider of this token endpoint.
    pub(super) async fn at(&self, endpoint: &Url) -> OwnedSemaphorePermit {
        let provider = endpoint.origin().ascii_serialization();
        let slots = {
            let mut taken = self.taken.lock().expect("no panic while held");
            // Whoever has or waits for a turn holds the semaphore too.
            taken.retain(|_, slots| Arc::strong_count(slots) > 1);
            let slots = taken.entry(provider);
            let slots = slots.or_insert_with(|| Arc::new(Semaphore::new(self.each)));
            slots.clone()
        };
        slots.acquire_owned().await.expect("it is never closed")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_provider_whose_turns_are_all_taken_holds_up_no_other() {
        let slots = Slots::new(1);
        let (slow, quick) = ("https://slow.example/token", "https://quick.example/token");
        let (slow, quick): (Url, Url) = (slow.parse().unwrap(), quick.parse().unwrap());
        let first = slots.at(&slow).await;

        let mut second = std::pin::pin!(slots.at(&slow));
        assert!(second.as_mut().now_or_never().is_none());
        drop(slots.at(&quick).await);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        drop(second.await);

        drop(slots.at(&quick).await);
        assert_eq!(slots.taken.lock().unwrap().len(), 1, "of those in use");
    }
}
