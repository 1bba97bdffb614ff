//! Claude Code: a report for each day, a row for each person, and the organisation's users.

use serde_json::{Value, json};

use super::{Figures, Metrics, PAGES_MAX, different};
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::hooks::desk::number;

/// Rows or users of one page; Anthropic gives no more.
const PAGE: &str = "1000";
/// The tools that change files, which a person may accept or refuse.
const TOOLS: [&str; 4] = [
    "edit_tool",
    "multi_edit_tool",
    "write_tool",
    "notebook_edit_tool",
];

pub(super) async fn read(call: &Call<'_>, all: &[Arguments]) -> Result<Metrics, Stop> {
    let (mut metrics, mut rows) = (Metrics::default(), Vec::new());
    for arguments in all {
        let mut page = call.draft(arguments)?;
        page.set_query("limit", PAGE);
        for number in 1.. {
            let (_, mut body) = call.ask(&page).await?;
            if let Some(Value::Array(more)) = body.get_mut("data") {
                rows.append(more);
            }
            match body["next_page"].as_str() {
                Some(_) if number == PAGES_MAX => {
                    metrics
                        .notes
                        .push("A day has more rows than were read.".to_owned());
                    break;
                }
                Some(next) if body["has_more"] == json!(true) => page.set_query("page", next),
                _ => break,
            }
        }
    }
    let people = |row: &Value| person(row).map(str::to_owned);
    for row in &rows {
        let day = row["date"].as_str().unwrap_or_default().to_owned();
        add_row(&mut metrics, &day, row);
    }
    for (day, figures) in &mut metrics.days {
        let of_day = rows
            .iter()
            .filter(|row| row["date"].as_str().is_some_and(|at| at.starts_with(day)));
        let people: Vec<String> = of_day.filter_map(people).collect();
        figures.active_users = Some(different(people.iter().map(String::as_str)));
    }
    let everybody: Vec<String> = rows.iter().filter_map(people).collect();
    metrics.active = Some(different(everybody.iter().map(String::as_str)));
    metrics.members = Some(members(call, &all[0]).await?);
    Ok(metrics)
}

/// Who a row is about: a person, or the key of a program.
fn person(row: &Value) -> Option<&str> {
    let actor = &row["actor"];
    actor["email_address"]
        .as_str()
        .or(actor["api_key_name"].as_str())
}

fn add_row(metrics: &mut Metrics, day: &str, row: &Value) {
    let actions = TOOLS.iter().map(|tool| &row["tool_actions"][tool]);
    let taken = |name: &str| {
        actions
            .clone()
            .filter_map(|tool| tool[name].as_u64())
            .sum::<u64>()
    };
    let (accepted, rejected) = (taken("accepted"), taken("rejected"));
    let core = &row["core_metrics"];
    let mut figures = Figures {
        requests: core["num_sessions"].as_u64(),
        suggestions: Some(accepted + rejected),
        acceptances: Some(accepted),
        lines_accepted: core["lines_of_code"]["added"].as_u64(),
        ..Figures::default()
    };
    for used in row["model_breakdown"].as_array().into_iter().flatten() {
        let more = Figures {
            input_tokens: used["tokens"]["input"].as_u64(),
            output_tokens: used["tokens"]["output"].as_u64(),
            // In cents.
            cost: number(&used["estimated_cost"]["amount"]).map(|cents| cents / 100.0),
            ..Figures::default()
        };
        figures.add(&more);
        let model = used["model"].as_str().unwrap_or("unknown");
        metrics.model(model).add(&more);
    }
    metrics.day(day).add(&figures);
}

async fn members(call: &Call<'_>, arguments: &Arguments) -> Result<u64, Stop> {
    let mut page = call.step(0, arguments, &[])?;
    page.set_query("limit", PAGE);
    let mut count = 0;
    for _ in 0..PAGES_MAX {
        let (_, body) = call.ask(&page).await?;
        count += body["data"].as_array().map_or(0, Vec::len) as u64;
        match body["last_id"].as_str() {
            Some(last) if body["has_more"] == json!(true) => page.set_query("after_id", last),
            _ => break,
        }
    }
    Ok(count)
}
