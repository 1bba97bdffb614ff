//! GitHub Copilot: the organisation's report of 28 days, and its seats.

use serde_json::Value;

use super::Metrics;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::hooks::copilot::{Days, days};

pub(super) async fn read(call: &Call<'_>, arguments: &Arguments) -> Result<Metrics, Stop> {
    let Days { days, note } = days(call, arguments).await?;
    let (_, billing) = call.ask(&call.step(0, arguments, &[])?).await?;
    let mut metrics = Metrics {
        seats: billing["seat_breakdown"]["total"].as_u64(),
        ..Metrics::default()
    };
    metrics.notes.extend(note);
    for day in &days {
        let figures = metrics.day(day["day"].as_str().unwrap_or_default());
        let count = |name: &str| day[name].as_u64();
        figures.active_users = count("daily_active_users");
        figures.requests = count("user_initiated_interaction_count");
        figures.suggestions = count("code_generation_activity_count");
        figures.acceptances = count("code_acceptance_activity_count");
        figures.lines_suggested = count("loc_suggested_to_add_sum");
        figures.lines_accepted = count("loc_added_sum");
    }
    for day in &days {
        for row in day["totals_by_model_feature"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let more = super::Figures {
                requests: row["user_initiated_interaction_count"].as_u64(),
                suggestions: row["code_generation_activity_count"].as_u64(),
                acceptances: row["code_acceptance_activity_count"].as_u64(),
                ..super::Figures::default()
            };
            metrics.model(name(row)).add(&more);
        }
    }
    Ok(metrics)
}

fn name(row: &Value) -> &str {
    row["model"].as_str().unwrap_or("unknown")
}
