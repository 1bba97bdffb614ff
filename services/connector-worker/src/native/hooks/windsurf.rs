//! Windsurf: queries from the names of figures, and lists that its analytics only imply.

use std::collections::BTreeMap;

use fabric::FailureKind;
use serde_json::{Value, json};

use super::desk::{count, number, pick};
use crate::failure::unsent;
use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};

/// Which figures can be added up, by what they are about.
const FIGURES: [(&str, &[&str]); 4] = [
    (
        "QUERY_DATA_SOURCE_USER_DATA",
        &[
            "num_acceptances",
            "num_lines_accepted",
            "num_bytes_accepted",
        ],
    ),
    (
        "QUERY_DATA_SOURCE_CHAT_DATA",
        &[
            "num_chats_received",
            "chat_accepted",
            "chat_inserted_at_cursor",
            "chat_applied",
            "chat_loc_used",
        ],
    ),
    (
        "QUERY_DATA_SOURCE_COMMAND_DATA",
        &[
            "lines_added",
            "lines_removed",
            "bytes_added",
            "bytes_removed",
            "selection_lines",
            "selection_bytes",
        ],
    ),
    (
        "QUERY_DATA_SOURCE_PCW_DATA",
        &[
            "percent_code_written",
            "codeium_bytes",
            "user_bytes",
            "total_bytes",
            "codeium_bytes_by_autocomplete",
            "codeium_bytes_by_command",
        ],
    ),
];

/// Analytics by queries, some of which are only named by what they shall sum up.
pub(super) async fn query_requests(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let mut queries = call.list(arguments, "query_requests").to_vec();
    let names = call
        .list(arguments, "metrics")
        .iter()
        .filter_map(Value::as_str);
    queries.extend(expanded(names).map_err(|why| call.refuse(&why))?);
    if queries.is_empty() {
        return Err(call.refuse("at least one query or metric is required"));
    }
    let arguments = call.set(arguments, "query_requests", Value::Array(queries));
    call.sent(&arguments).await
}

/// One query for each source that the figures come from, in the sources' order.
fn expanded<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<Value>, String> {
    let mut selections: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for name in names {
        let source = FIGURES.iter().position(|(_, known)| known.contains(&name));
        let Some(source) = source else {
            let known: Vec<&str> = FIGURES
                .iter()
                .flat_map(|(_, known)| known.iter().copied())
                .collect();
            return Err(format!(
                "argument \"metrics\" holds {name:?}; known are {}",
                known.join(", ")
            ));
        };
        let mut selection = json!({ "field": name, "name": name });
        // A share cannot be added up.
        if name != "percent_code_written" {
            selection["aggregation_function"] = json!("QUERY_AGGREGATION_SUM");
        }
        selections.entry(source).or_default().push(selection);
    }
    let queries = selections.into_iter().map(|(source, selections)| {
        json!({ "data_source": FIGURES[source].0, "selections": selections })
    });
    Ok(queries.collect())
}

/// What one of the tools derives from an answer.
pub(super) async fn derived(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let (_, body) = call.ask(&call.draft(arguments)?).await?;
    Ok(match call.tool.name.as_str() {
        "windsurf_list_members" => members(&body),
        "windsurf_get_spending_breakdown" => spending(&body),
        "windsurf_get_seat_info" => seats(&body),
        name => {
            let message = format!("nothing is known to derive for {name}");
            return Err(unsent(FailureKind::Internal, message).into());
        }
    })
}

/// The people of the usage page, without their API keys.
fn members(body: &Value) -> Made {
    let rows = body["userTableStats"].as_array().into_iter().flatten();
    let about = [
        "name",
        "email",
        "role",
        "signupTime",
        "lastUpdateTime",
        "activeDays",
        "disableCodeium",
        "teamStatus",
    ];
    let members: Vec<Value> = rows.map(|row| pick(row, &about)).collect();
    Made::json(json!({ "count": members.len(), "members": members }))
}

/// Credits by day and by model.
fn spending(body: &Value) -> Made {
    let (mut days, mut models) = (BTreeMap::<&str, f64>::new(), BTreeMap::<&str, f64>::new());
    let mut total = 0.0;
    for run in results(body, "cascadeRuns") {
        // In hundredths of a credit.
        let Some(credits) = number(&run["promptsUsed"]).map(|used| used / 100.0) else {
            continue;
        };
        let day = run["day"].as_str().unwrap_or_default();
        *days.entry(day.get(..10).unwrap_or(day)).or_default() += credits;
        *models
            .entry(run["model"].as_str().unwrap_or("unknown"))
            .or_default() += credits;
        total += credits;
    }
    let list = |key: &str, sums: BTreeMap<&str, f64>| -> Vec<Value> {
        let shown = sums.into_iter();
        shown
            .map(|(name, credits)| json!({ key: name, "credits": credits }))
            .collect()
    };
    let mut made = Made::json(json!({
        "credits": total, "by_day": list("day", days), "by_model": list("model", models),
    }));
    if total == 0.0 {
        made.notes
            .push("No run has credits: nothing was spent, or the team pays by quota.".to_owned());
    }
    made
}

/// The seats that the credits are counted by.
fn seats(body: &Value) -> Made {
    let (seats, each) = (
        count(&body["numSeats"]),
        count(&body["promptCreditsPerSeat"]),
    );
    let credits = seats
        .zip(each)
        .map(|(seats, each)| seats.saturating_mul(each));
    Made::json(json!({
        "seats": seats,
        "prompt_credits_per_seat": each,
        "prompt_credits": credits,
        "add_on_credits_available": body["addOnCreditsAvailable"],
        "add_on_credits_used": body["addOnCreditsUsed"],
        "billing_cycle_start": body["billingCycleStart"],
        "billing_cycle_end": body["billingCycleEnd"],
    }))
}

/// The rows of one kind in an answer of Cascade's analytics.
pub(super) fn results<'a>(body: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let results = body["queryResults"].as_array().into_iter().flatten();
    results.flat_map(move |result| result[kind][kind].as_array().into_iter().flatten())
}
