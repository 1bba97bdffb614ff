//! The answer to a `subscriptions/listen` as a stream of messages, whatever carries them.

use bytes::Bytes;
use runtime::Shutdown;
use tokio::sync::mpsc;

use super::{Dress, Hub, Listen, Listening, Place, Sink, TooMany, message};

/// Messages that wait for one listener; beyond, it is cut off.
const QUEUE: usize = 64;

/// A `subscriptions/listen` under way. Dropping it is the client's way to end it.
pub(crate) struct Subscription {
    acknowledged: Option<Bytes>,
    messages: mpsc::Receiver<Bytes>,
    /// The answer, for an end that is ours.
    ended: Option<Bytes>,
    shutdown: Shutdown,
    _listening: Listening,
}

impl Subscription {
    pub(super) fn begin(hub: &Hub, place: Place, listen: Listen) -> Result<Self, TooMany> {
        let Listen {
            filter,
            id,
            server_info,
        } = listen;
        let acknowledged = Some(message::acknowledged(&filter, &id));
        let ended = Some(message::ended(&id, &server_info));
        let (sender, messages) = mpsc::channel(QUEUE);
        let dress = Dress::Modern {
            subscription_id: id,
        };
        let listening = hub.listen(place, filter, Sink::Channel(sender), dress)?;
        Ok(Self {
            acknowledged,
            messages,
            ended,
            shutdown: hub.0.parts.process.shutdown.clone(),
            _listening: listening,
        })
    }

    /// The next message: first what was accepted, then what happens, and when the server ends it,
    /// the answer. `None`: nothing comes any more.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if let Some(acknowledged) = self.acknowledged.take() {
            return Some(acknowledged);
        }
        self.ended.as_ref()?;
        tokio::select! {
            biased;
            message = self.messages.recv() => match message {
                Some(message) => Some(message),
                // Too slow, or not welcome any more.
                None => self.ended.take(),
            },
            () = self.shutdown.draining() => self.ended.take(),
        }
    }
}
