//! Cursor: active users and models of each day, spending and members of the team.

use serde_json::{Value, json};

use super::{Metrics, PAGES_MAX};
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};

/// Members of one page of the spending.
const PAGE: usize = 100;

pub(super) async fn read(call: &Call<'_>, arguments: &Arguments) -> Result<Metrics, Stop> {
    let mut metrics = Metrics::default();
    let usage = call.draft(arguments)?;
    let (_, active) = call.ask(&usage).await?;
    for row in rows(&active) {
        metrics.day(day(row)).active_users = row["dau"].as_u64();
    }
    let mut models = call.step(0, arguments, &[])?;
    models.query = usage.query;
    let (_, used) = call.ask(&models).await?;
    for row in rows(&used) {
        let models = row["model_breakdown"].as_object().into_iter().flatten();
        for (model, figures) in models {
            let messages = figures["messages"].as_u64();
            super::add(&mut metrics.day(day(row)).requests, messages);
            super::add(&mut metrics.model(model).requests, messages);
        }
    }
    metrics.cost = Some(spending(call, arguments).await?);
    metrics.notes.push(
        "The cost is that of the running billing cycle, whatever days were asked for.".to_owned(),
    );
    let (_, members) = call.ask(&call.step(2, arguments, &[])?).await?;
    let members = members["teamMembers"].as_array();
    metrics.members = members.map(|members| {
        let kept = members
            .iter()
            .filter(|member| member["isRemoved"] != json!(true));
        kept.count() as u64
    });
    Ok(metrics)
}

/// What all members together spent, in dollars.
async fn spending(call: &Call<'_>, arguments: &Arguments) -> Result<f64, Stop> {
    let mut cents = 0.0;
    let mut page = call.step(1, arguments, &[])?;
    for number in 1..=PAGES_MAX {
        page.body = Some(json!({ "page": number, "pageSize": PAGE }));
        let (_, body) = call.ask(&page).await?;
        let members = body["teamMemberSpend"].as_array().into_iter().flatten();
        cents += members
            .filter_map(|member| {
                member["overallSpendCents"]
                    .as_f64()
                    .or(member["spendCents"].as_f64())
            })
            .sum::<f64>();
        let pages = body["totalPages"].as_u64().unwrap_or(1);
        if number as u64 >= pages {
            break;
        }
    }
    Ok(cents / 100.0)
}

fn rows(body: &Value) -> &[Value] {
    body["data"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn day(row: &Value) -> &str {
    row["date"]
        .as_str()
        .or(row["event_date"].as_str())
        .unwrap_or_default()
}
