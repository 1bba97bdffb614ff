//! What a server tells of its lists and resources, for everybody who watches them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mcp::Message;
use tokio::sync::broadcast;

/// Notices that one who watches may be late with; more, and it hears of a gap.
const BACKLOG: usize = 64;

/// One thing that was told.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// A whole notification, as it came.
    Message(Bytes),
    /// Messages may have been missed, and subscriptions of the session may be gone with it.
    Gap,
}

/// Called whenever a server says that its tools have changed.
pub(crate) type ToolsChanged = Arc<dyn Fn() + Send + Sync>;

/// Hands on what a server tells. Bounded; never waits for anybody.
pub(crate) struct Notices {
    all: broadcast::Sender<Notice>,
    tools_changed: Option<ToolsChanged>,
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

impl Notices {
    pub(crate) fn new(tools_changed: Option<ToolsChanged>) -> Self {
        Self {
            all: broadcast::Sender::new(BACKLOG),
            tools_changed,
        }
    }

    /// Hands on a notification. What it is about is read by those who watch.
    pub(super) fn publish(&self, message: Bytes) {
        if method_of(&message).is_some_and(|method| method == "notifications/tools/list_changed") {
            self.tell_of_tools();
        }
        // Nobody may be there.
        let _ = self.all.send(Notice::Message(message));
    }

    /// Says that messages may have been missed.
    pub(super) fn gap(&self) {
        self.tell_of_tools();
        let _ = self.all.send(Notice::Gap);
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.all.subscribe()
    }

    /// Says that the tools have changed, or may have.
    pub(super) fn tell_of_tools(&self) {
        if let Some(tell) = &self.tools_changed {
            tell();
        }
    }
}

fn method_of(message: &[u8]) -> Option<Cow<'_, str>> {
    match mcp::parse(message, domain::limits::JSON_MAX_DEPTH) {
        Ok(Message::Notification { method, .. }) => Some(method),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn changed_tools_are_told_also_where_nobody_watches_and_gaps_count_as_change() {
        let told = Arc::new(AtomicUsize::new(0));
        let counting = told.clone();
        let notices = Notices::new(Some(Arc::new(move || {
            counting.fetch_add(1, Ordering::Relaxed);
        })));

        for method in ["tools", "prompts"] {
            let text =
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}/list_changed"}}"#);
            notices.publish(text.into());
        }
        let mut watching = notices.subscribe();
        notices.gap();

        assert_eq!(told.load(Ordering::Relaxed), 2);
        assert!(matches!(watching.recv().await, Ok(Notice::Gap)));
    }
}
