//! Between a legacy client's request and the stream that its messages are kept in: goes on
//! whether somebody reads or not, for a client that lost its connection may come back.

use super::delivery::Delivery;
use super::inbound::Counted;
use crate::core::{Ended, Running, Step};
use crate::metrics::End;
use crate::service::App;

/// Puts a request's messages and its answer into a stream of its own, and closes that.
pub(super) async fn run(
    app: &App,
    mut delivery: Delivery,
    running: Box<Running>,
    first: Option<Step>,
    counted: Counted,
) -> anyhow::Result<()> {
    let filled = fill(app, &mut delivery, running, first, counted).await;
    delivery.close().await?;
    filled
}

/// Puts a request's messages and its answer into a stream. When that takes no more, the request
/// goes on alone.
pub(super) async fn fill(
    app: &App,
    delivery: &mut Delivery,
    mut running: Box<Running>,
    first: Option<Step>,
    counted: Counted,
) -> anyhow::Result<()> {
    let mut next = first;
    loop {
        let step = match next.take() {
            Some(step) => step,
            None => tokio::select! {
                biased;
                () = app.process.shutdown.ending() => return Ok(()),
                step = running.step() => step,
            },
        };
        match step {
            Step::Message(message) => {
                if !delivery.put(message).await? {
                    return Ok(());
                }
            }
            Step::End(ended) => {
                // What was said before the end comes before the answer.
                while let Some(message) = running.waiting() {
                    delivery.put(message).await?;
                }
                match ended {
                    Ended::Answer(answer) => {
                        counted(answer.end);
                        delivery.put(answer.body).await?;
                    }
                    Ended::Cancelled => counted(End::Cancelled),
                }
                return Ok(());
            }
        }
    }
}
