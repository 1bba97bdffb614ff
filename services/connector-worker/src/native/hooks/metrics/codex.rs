//! OpenAI: buckets of a day of usage and costs, and the organisation's users.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Figures, Metrics, PAGES_MAX, different};
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::hooks::desk::number;
use crate::native::request::Draft;

pub(super) async fn read(call: &Call<'_>, arguments: &Arguments) -> Result<Metrics, Stop> {
    let mut metrics = Metrics::default();
    let mut usage = call.draft(arguments)?;
    let span = usage.query.clone();
    usage.set_query("bucket_width", "1d");
    usage.set_query("limit", "31");
    for name in ["user_id", "model"] {
        usage.query.push(("group_by".to_owned(), name.to_owned()));
    }
    let mut everybody: Vec<String> = Vec::new();
    for bucket in all(call, usage, "page", "next_page").await? {
        let Some(day) = day(&bucket) else { continue };
        let rows = bucket["results"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let people = rows.iter().filter_map(|row| row["user_id"].as_str());
        let active = different(people.clone());
        everybody.extend(people.map(str::to_owned));
        // A day without anything is one of nobody.
        metrics.day(&day).active_users = Some(active);
        for row in rows {
            let figures = Figures {
                requests: row["num_model_requests"].as_u64(),
                input_tokens: row["input_tokens"].as_u64(),
                output_tokens: row["output_tokens"].as_u64(),
                ..Figures::default()
            };
            metrics.day(&day).add(&figures);
            let model = row["model"].as_str().unwrap_or("unknown");
            metrics.model(model).add(&figures);
        }
    }
    metrics.active = Some(different(everybody.iter().map(String::as_str)));

    let mut costs = call.step(0, arguments, &[])?;
    costs.query = span;
    costs.set_query("limit", "180");
    for bucket in all(call, costs, "page", "next_page").await? {
        let Some(day) = day(&bucket) else { continue };
        let rows = bucket["results"].as_array().into_iter().flatten();
        let amounts = rows.filter_map(|row| number(&row["amount"]["value"]));
        super::add_cost(&mut metrics.day(&day).cost, Some(amounts.sum()));
    }
    let mut users = call.step(1, arguments, &[])?;
    users.set_query("limit", "100");
    metrics.members = Some(all(call, users, "after", "last_id").await?.len() as u64);
    Ok(metrics)
}

/// The items of a list, over its pages.
async fn all(
    call: &Call<'_>,
    mut page: Draft,
    param: &str,
    next: &str,
) -> Result<Vec<Value>, Stop> {
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let (_, mut body) = call.ask(&page).await?;
        if let Some(Value::Array(more)) = body.get_mut("data") {
            found.append(more);
        }
        match body[next].as_str() {
            Some(next) if body["has_more"] == json!(true) => page.set_query(param, next),
            _ => break,
        }
    }
    Ok(found)
}

fn day(bucket: &Value) -> Option<String> {
    let start = OffsetDateTime::from_unix_timestamp(bucket["start_time"].as_i64()?).ok()?;
    Some(start.date().to_string())
}
