//! What other nodes tell this one: one subscription for the whole process, to a channel of its
//! own. It says that something has changed, never what; so what is missed while it is broken is
//! made good by looking at everything once it is back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use tokio::time::{Instant, interval, sleep, timeout};
use uuid::Uuid;

use super::keeper::Maker;
use super::link::Link;

const BEAT: Duration = Duration::from_secs(1);
/// A channel that is silent for so long although we speak to ourselves on it is broken.
const SILENCE: Duration = Duration::from_millis(3_500);
const DELAY: Duration = Duration::from_millis(200);
const BEAT_MESSAGE: &str = "beat";

/// Who is told.
pub(super) trait Told: Send + Sync {
    /// Something about the stream has changed.
    fn stream(&self, stream: Uuid);
    /// A message lies in the mailbox.
    fn mail(&self, mailbox: Uuid);
    /// Something may have been missed.
    fn anything(&self);
}

pub(super) struct Courier {
    pub(super) link: Arc<Link>,
    pub(super) maker: Arc<Maker>,
    pub(super) told: Vec<Arc<dyn Told>>,
}

impl Courier {
    /// Never ends.
    pub(super) async fn run(self) {
        for turn in 0.. {
            if let Some(subscription) = self.subscribe(turn).await {
                self.hear(subscription).await;
                tracing::debug!("the subscription to Redis is lost, making a new one");
            }
            // Whoever waits for what we cannot hear looks for itself now and then.
            self.told.iter().for_each(|told| told.anything());
            sleep(DELAY).await;
        }
    }

    async fn subscribe(&self, turn: usize) -> Option<PubSub> {
        let made = async {
            let mut subscription = self.maker.any(turn).get_async_pubsub().await?;
            subscription.subscribe(self.link.channel()).await?;
            Ok::<_, redis::RedisError>(subscription)
        };
        timeout(2 * self.link.timeout, made).await.ok()?.ok()
    }

    async fn hear(&self, mut subscription: PubSub) {
        self.told.iter().for_each(|told| told.anything());
        let mut messages = subscription.on_message();
        let mut beat = interval(BEAT);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => {
                        heard = Instant::now();
                        self.tell(message.get_payload_bytes());
                    }
                    None => return,
                },
                _ = beat.tick() => {
                    if heard.elapsed() > SILENCE {
                        return;
                    }
                    let mut command = redis::cmd("PUBLISH");
                    let channel = self.link.channel();
                    command.arg(&channel).arg(BEAT_MESSAGE);
                    // The keeper learns of a failure from the link.
                    let _ = self.link.command::<i64>(&channel, &command).await;
                }
            }
        }
    }

    fn tell(&self, message: &[u8]) {
        let Some((kind, id)) = message.split_first() else {
            return;
        };
        let Ok(id) = Uuid::try_parse_ascii(id) else {
            return;
        };
        for told in &self.told {
            match kind {
                b's' => told.stream(id),
                b'm' => told.mail(id),
                _ => {}
            }
        }
    }
}
