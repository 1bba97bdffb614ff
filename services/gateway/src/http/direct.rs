//! Streams that live with their connection: who leaves, ends what he asked for.
//!
//! One event is in memory at a time: who reads slowly holds back his own request and nothing else.

use std::time::Duration;

use ::mcp::sse;
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::inbound::Counted;
use super::respond::Open;
use crate::core::{Ended, Running, Step};
use crate::hub::Subscription;
use crate::metrics::End;

/// A request's messages, then its answer. Begins with `first` when something has happened
/// already, else with a comment, so that the client gets its headers at once.
pub(super) fn run(
    running: Box<Running>,
    first: Option<Step>,
    keep_alive: Duration,
    counted: Counted,
    open: Open,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let request = Request {
        running,
        keep_alive,
        counted,
        _open: open,
    };
    let begin = match first {
        Some(step) => Next::Tell(request, step),
        None => Next::Comment(request),
    };
    stream::unfold(begin, |next| async {
        match next {
            Next::Tell(request, step) => Some(request.tell(step)),
            Next::Comment(request) => Some(comment(request)),
            Next::Wait(mut request) => {
                let step = tokio::time::timeout(request.keep_alive, request.running.step());
                Some(match step.await {
                    Ok(step) => request.tell(step),
                    Err(_) => comment(request),
                })
            }
            Next::Over => None,
        }
    })
}

struct Request {
    running: Box<Running>,
    keep_alive: Duration,
    counted: Counted,
    _open: Open,
}

enum Next {
    Tell(Request, Step),
    Comment(Request),
    Wait(Request),
    Over,
}

fn comment(request: Request) -> (Bytes, Next) {
    (Bytes::from_static(sse::KEEP_ALIVE), Next::Wait(request))
}

impl Request {
    fn tell(mut self, step: Step) -> (Bytes, Next) {
        match step {
            Step::Message(message) => (sse::encode(&message), Next::Wait(self)),
            Step::End(ended) => {
                // What was said before the end comes before the answer.
                let mut out = Vec::new();
                while let Some(message) = self.running.waiting() {
                    out.extend_from_slice(&sse::encode(&message));
                }
                match ended {
                    Ended::Answer(answer) => {
                        out.extend_from_slice(&sse::encode(&answer.body));
                        (self.counted)(answer.end);
                    }
                    Ended::Cancelled => (self.counted)(End::Cancelled),
                }
                (out.into(), Next::Over)
            }
        }
    }
}

/// A modern client's notifications, until it leaves or we end them.
pub(super) fn listen(
    subscription: Subscription,
    keep_alive: Duration,
    open: Open,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let listening = (subscription, keep_alive, open);
    stream::unfold(
        listening,
        |(mut subscription, keep_alive, open)| async move {
            let bytes = match tokio::time::timeout(keep_alive, subscription.next()).await {
                Ok(Some(message)) => sse::encode(&message),
                Ok(None) => return None,
                Err(_) => Bytes::from_static(sse::KEEP_ALIVE),
            };
            Some((bytes, (subscription, keep_alive, open)))
        },
    )
}
