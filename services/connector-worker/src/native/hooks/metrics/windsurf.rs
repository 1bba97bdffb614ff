//! Windsurf: the lines and runs of its agent Cascade.

use super::{Figures, Metrics};
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::hooks::desk::{count, number};
use crate::native::hooks::windsurf::results;

pub(super) async fn read(call: &Call<'_>, arguments: &Arguments) -> Result<Metrics, Stop> {
    let (_, body) = call.ask(&call.draft(arguments)?).await?;
    let mut metrics = Metrics {
        currency: Some("credits"),
        ..Metrics::default()
    };
    for row in results(&body, "cascadeLines") {
        let figures = Figures {
            lines_suggested: count(&row["linesSuggested"]),
            lines_accepted: count(&row["linesAccepted"]),
            ..Figures::default()
        };
        metrics
            .day(row["day"].as_str().unwrap_or_default())
            .add(&figures);
    }
    for row in results(&body, "cascadeRuns") {
        let figures = Figures {
            requests: count(&row["messagesSent"]),
            // In hundredths of a credit.
            cost: number(&row["promptsUsed"]).map(|hundredths| hundredths / 100.0),
            ..Figures::default()
        };
        metrics
            .day(row["day"].as_str().unwrap_or_default())
            .add(&figures);
        metrics
            .model(row["model"].as_str().unwrap_or("unknown"))
            .add(&figures);
    }
    Ok(metrics)
}
