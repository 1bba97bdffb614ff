//! Figures out of GitHub Copilot's usage report, and seats that nobody uses.

use std::collections::BTreeMap;

use catalog::Answer;
use fabric::FailureKind;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::metrics::rate;
use crate::failure::unsent;
use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{self, Call, Stop};
use crate::native::pages::Next;

/// Pages of seats that are read, 100 seats each.
const SEAT_PAGES_MAX: usize = 50;

/// The days of a report that the caller wants.
pub(super) struct Days {
    pub(super) days: Vec<Value>,
    /// What the caller should know of them.
    pub(super) note: Option<String>,
}

/// Downloads the report and takes its days apart.
pub(super) async fn days(call: &Call<'_>, arguments: &Arguments) -> Result<Days, Stop> {
    let Answer::ReportLinks(links) = &call.tool.response.kind else {
        let message = format!("the manifest of {} has no report", call.tool.name);
        return Err(unsent(FailureKind::Internal, message).into());
    };
    let report = call.report_lines(links, &call.draft(arguments)?).await?;
    let mut days = Vec::new();
    for mut line in report.lines {
        // A report of 28 days has them in one list, that of one day is the day itself.
        match line.get_mut("day_totals").map(Value::take) {
            Some(Value::Array(inner)) => days.extend(inner),
            _ => days.push(line),
        }
    }
    days.retain(|day| call.keeps(&call.tool.response, day, arguments));
    days.sort_by(|a, b| a["day"].as_str().cmp(&b["day"].as_str()));
    let note = (!report.complete).then(|| "The report is larger than what was read.".to_owned());
    Ok(Days { days, note })
}

/// What one of the tools derives from the report.
pub(super) async fn summary(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let Days { days, note } = days(call, arguments).await?;
    let name = call.tool.name.as_str();
    let mut found = match name.strip_prefix("copilot_get_") {
        Some("acceptance_rate") => acceptance(&days),
        Some("usage_by_language") => {
            grouped(&days, "totals_by_language_feature", "language", "languages")
        }
        Some("usage_by_editor") => grouped(&days, "totals_by_ide", "ide", "editors"),
        Some("chat_usage") => chat(&days),
        Some("pr_summary_usage") => pull_requests(&days),
        _ => {
            let message = format!("no figure is known for {name}");
            return Err(unsent(FailureKind::Internal, message).into());
        }
    };
    found["from"] = days.first().map(|day| day["day"].clone()).into();
    found["to"] = days.last().map(|day| day["day"].clone()).into();
    found["days"] = json!(days.len());
    let mut made = Made::json(found);
    made.notes.extend(note);
    if days.is_empty() {
        made.notes
            .push("The report has no day in this range.".to_owned());
    }
    Ok(made)
}

/// Sums of what a row counts.
#[derive(Clone, Copy, Default)]
struct Sum {
    requests: u64,
    suggestions: u64,
    acceptances: u64,
    lines_suggested: u64,
    lines_accepted: u64,
}

impl Sum {
    fn add(&mut self, row: &Value) {
        let count = |name: &str| row[name].as_u64().unwrap_or(0);
        self.requests += count("user_initiated_interaction_count");
        self.suggestions += count("code_generation_activity_count");
        self.acceptances += count("code_acceptance_activity_count");
        self.lines_suggested += count("loc_suggested_to_add_sum");
        self.lines_accepted += count("loc_added_sum");
    }

    fn shown(self) -> Value {
        json!({
            "suggestions": self.suggestions,
            "acceptances": self.acceptances,
            "acceptance_rate": rate(self.acceptances, self.suggestions),
            "lines_suggested": self.lines_suggested,
            "lines_accepted": self.lines_accepted,
        })
    }
}

fn rows<'a>(day: &'a Value, list: &str) -> &'a [Value] {
    day[list].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Completions are what is suggested and accepted; chats and agents are counted elsewhere.
fn acceptance(days: &[Value]) -> Value {
    let of_day = |day: &Value| {
        let mut sum = Sum::default();
        let features = rows(day, "totals_by_feature");
        let completions = |row: &&Value| row["feature"] == json!("code_completion");
        match features.is_empty() {
            true => sum.add(day),
            false => features
                .iter()
                .filter(completions)
                .for_each(|row| sum.add(row)),
        }
        sum
    };
    let mut total = Sum::default();
    let mut by_day = Vec::new();
    for day in days {
        let sum = of_day(day);
        total.requests += sum.requests;
        total.suggestions += sum.suggestions;
        total.acceptances += sum.acceptances;
        total.lines_suggested += sum.lines_suggested;
        total.lines_accepted += sum.lines_accepted;
        let mut shown = sum.shown();
        shown["day"] = day["day"].clone();
        by_day.push(shown);
    }
    let mut found = total.shown();
    found["by_day"] = json!(by_day);
    found
}

fn grouped(days: &[Value], list: &str, key: &str, name: &str) -> Value {
    let mut groups: BTreeMap<&str, Sum> = BTreeMap::new();
    for row in days.iter().flat_map(|day| rows(day, list)) {
        let group = row[key].as_str().unwrap_or("unknown");
        groups.entry(group).or_default().add(row);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(group, sum)| (std::cmp::Reverse(sum.suggestions), *group));
    let shown = groups.into_iter().map(|(group, sum)| {
        let mut shown = sum.shown();
        shown[key] = json!(group);
        shown
    });
    json!({ name: shown.collect::<Vec<_>>() })
}

fn chat(days: &[Value]) -> Value {
    let mut kinds: BTreeMap<&str, Sum> = BTreeMap::new();
    for row in days.iter().flat_map(|day| rows(day, "totals_by_feature")) {
        let kind = row["feature"].as_str().unwrap_or_default();
        if kind.starts_with("chat") || kind.starts_with("agent") {
            kinds.entry(kind).or_default().add(row);
        }
    }
    let requests: u64 = kinds.values().map(|sum| sum.requests).sum();
    let shown = kinds.into_iter().map(|(kind, sum)| {
        let mut shown = sum.shown();
        shown["kind"] = json!(kind);
        shown["requests"] = json!(sum.requests);
        shown
    });
    let last = days.last().cloned().unwrap_or_default();
    json!({
        "requests": requests,
        "by_kind": shown.collect::<Vec<_>>(),
        "monthly_active_chat_users": last["monthly_active_chat_users"],
        "monthly_active_agent_users": last["monthly_active_agent_users"],
    })
}

fn pull_requests(days: &[Value]) -> Value {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for day in days {
        let counts = day["pull_requests"].as_object().into_iter().flatten();
        for (name, count) in counts.filter(|(name, _)| name.starts_with("total_")) {
            let name = name.trim_start_matches("total_");
            *sums.entry(name).or_default() += count.as_u64().unwrap_or(0);
        }
    }
    json!({ "pull_requests": sums })
}

/// The seats that were not used for some days, longest unused first.
pub(super) async fn inactive_seats(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let wanted = call.arg(arguments, "days_inactive").and_then(Value::as_i64);
    let wanted = wanted.unwrap_or(30).max(0);
    let now = call.engine.clock.now();
    let mut page = call.draft(arguments)?;
    page.set_query("per_page", "100");
    let (mut seats, mut total, mut complete) = (Vec::new(), 0, false);
    for _ in 0..SEAT_PAGES_MAX {
        let (answered, mut body) = call.ask(&page).await?;
        let next = call.tool.pages.as_ref().map_or(Next::End, |pages| {
            call::next(pages, &page, &answered, &body, arguments)
        });
        if let Some(Value::Array(more)) = body.get_mut("seats") {
            total += more.len();
            let unused = |seat: Value| unused(call, arguments, &seat, now, wanted);
            seats.extend(more.drain(..).filter_map(unused));
        }
        if !next.apply(&mut page) {
            complete = true;
            break;
        }
    }
    // Those never used have no days: they come first.
    seats.sort_by_key(|seat| match seat["days_inactive"].as_i64() {
        None => (0, 0),
        Some(days) => (1, -days),
    });
    let mut made = Made::json(json!({
        "days_inactive": wanted,
        "inactive": seats.len(),
        "seats_read": total,
        "complete": complete,
        "seats": seats,
    }));
    if !complete {
        made.notes
            .push(format!("Only the first {total} seats were read."));
    }
    Ok(made)
}

/// The seat, when it was not used for so many days.
fn unused(
    call: &Call<'_>,
    arguments: &Arguments,
    seat: &Value,
    now: OffsetDateTime,
    wanted: i64,
) -> Option<Value> {
    let last = seat["last_activity_at"].as_str();
    let last = last.and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
    let days = last.map(|at| (now - at).whole_days());
    if days.is_some_and(|days| days < wanted) {
        return None;
    }
    let about = [
        "created_at",
        "last_activity_at",
        "last_activity_editor",
        "pending_cancellation_date",
    ];
    let mut shown = call.digest(arguments, seat, &about);
    shown["login"] = seat["assignee"]["login"].clone();
    shown["team"] = seat["assigning_team"]["slug"].clone();
    shown["days_inactive"] = json!(days);
    Some(shown)
}
