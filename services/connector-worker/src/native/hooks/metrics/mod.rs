//! The figures of AI coding tools in one shape, so that they can be compared.
//!
//! ```text
//! { "tool": "copilot", "from": "2026-01-01", "to": "2026-01-28",
//!   "users": { "seats": 40, "members": null, "active": 31 },
//!   "totals": { FIGURES }, "days": [{ "day": "2026-01-01", FIGURES }],
//!   "models": [{ "model": "…", FIGURES }], "unknown": ["cost", …] }
//! FIGURES: active_users, requests, suggestions, acceptances, acceptance_rate, lines_suggested,
//!   lines_accepted, input_tokens, output_tokens, cost, currency
//! ```
//!
//! A figure that is missing is one that the provider does not tell; those that no day has stand in
//! `unknown`. `requests` are the messages, prompts or model requests that people made. `suggestions`
//! and `acceptances` count offers of code that a person took or refused, `lines_*` their lines.
//! `active_users` of a day are the people who used the tool on it; of the totals, the largest number
//! of a day. `users.active` are the different people of the whole time, where the provider tells
//! who they are. `cost` is in `currency`: `USD`, or `credits` where a provider sells those.

mod claude_code;
mod codex;
mod copilot;
mod cursor;
mod windsurf;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};

/// Entries of the list of models.
const MODELS_MAX: usize = 50;
/// Pages that are followed of one list.
const PAGES_MAX: usize = 20;

/// What happened on a day, or with a model; see the module for what each means.
#[derive(Clone, Debug, Default, PartialEq)]
struct Figures {
    active_users: Option<u64>,
    requests: Option<u64>,
    suggestions: Option<u64>,
    acceptances: Option<u64>,
    lines_suggested: Option<u64>,
    lines_accepted: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost: Option<f64>,
}

/// The whole, as far as a provider tells it.
#[derive(Default)]
struct Metrics {
    seats: Option<u64>,
    members: Option<u64>,
    /// The different people of the whole time.
    active: Option<u64>,
    days: BTreeMap<String, Figures>,
    models: BTreeMap<String, Figures>,
    /// Costs that belong to no day.
    cost: Option<f64>,
    /// `USD` unless it is said.
    currency: Option<&'static str>,
    notes: Vec<String>,
}

/// The normalised metrics of the connector's tool.
pub(super) async fn normalised(call: &Call<'_>, all: &[Arguments]) -> Result<Made, Stop> {
    let metrics = match call.connector.name.as_str() {
        "claude_code" => claude_code::read(call, all).await?,
        "codex" => codex::read(call, &all[0]).await?,
        "copilot" => copilot::read(call, &all[0]).await?,
        "cursor" => cursor::read(call, &all[0]).await?,
        "windsurf" => windsurf::read(call, &all[0]).await?,
        name => return Err(call.cannot(&format!("{name} has no figures of coding tools."))),
    };
    Ok(metrics.made(&call.connector.name))
}

/// Adds where both or one are known.
fn add(sum: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or(0).saturating_add(more));
    }
}

fn add_cost(sum: &mut Option<f64>, more: Option<f64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or(0.0) + more);
    }
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.active_users = self.active_users.max(other.active_users);
        add(&mut self.requests, other.requests);
        add(&mut self.suggestions, other.suggestions);
        add(&mut self.acceptances, other.acceptances);
        add(&mut self.lines_suggested, other.lines_suggested);
        add(&mut self.lines_accepted, other.lines_accepted);
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add_cost(&mut self.cost, other.cost);
    }

    fn shown(&self, currency: &str) -> Map<String, Value> {
        let counts = [
            ("active_users", self.active_users),
            ("requests", self.requests),
            ("suggestions", self.suggestions),
            ("acceptances", self.acceptances),
            ("lines_suggested", self.lines_suggested),
            ("lines_accepted", self.lines_accepted),
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
        ];
        let counts = counts.into_iter();
        let mut shown: Map<String, Value> = counts
            .filter_map(|(name, count)| Some((name.to_owned(), json!(count?))))
            .collect();
        if let (Some(part), Some(whole)) = (self.acceptances, self.suggestions) {
            shown.insert("acceptance_rate".to_owned(), json!(rate(part, whole)));
        }
        if let Some(cost) = self.cost {
            // Sums of fractions are shown as a person would write them.
            shown.insert(
                "cost".to_owned(),
                json!((cost * 10_000.0).round() / 10_000.0),
            );
            shown.insert("currency".to_owned(), json!(currency));
        }
        shown
    }
}

impl Metrics {
    fn day(&mut self, day: &str) -> &mut Figures {
        // Times are told to the second; a day is their first ten characters.
        let day = day.get(..10).unwrap_or(day);
        self.days.entry(day.to_owned()).or_default()
    }

    fn model(&mut self, model: &str) -> &mut Figures {
        self.models.entry(model.to_owned()).or_default()
    }

    fn made(self, tool: &str) -> Made {
        let currency = self.currency.unwrap_or("USD");
        let mut totals = Figures::default();
        self.days.values().for_each(|day| totals.add(day));
        add_cost(&mut totals.cost, self.cost);
        let days = self.days.iter().map(|(day, figures)| {
            let mut shown = Map::from_iter([("day".to_owned(), json!(day))]);
            shown.extend(figures.shown(currency));
            Value::Object(shown)
        });
        let mut models: Vec<_> = self.models.iter().collect();
        models.sort_by_key(|(name, figures)| (std::cmp::Reverse(figures.requests), name.as_str()));
        let models = models.into_iter().take(MODELS_MAX).map(|(model, figures)| {
            let mut shown = Map::from_iter([("model".to_owned(), json!(model))]);
            shown.extend(figures.shown(currency));
            Value::Object(shown)
        });
        let known = totals.shown(currency);
        let all = [
            "active_users",
            "requests",
            "suggestions",
            "acceptances",
            "lines_suggested",
            "lines_accepted",
            "input_tokens",
            "output_tokens",
            "cost",
        ];
        let unknown: Vec<&str> = all
            .into_iter()
            .filter(|name| !known.contains_key(*name))
            .collect();
        let mut made = Made::json(json!({
            "tool": tool,
            "from": self.days.keys().next(),
            "to": self.days.keys().next_back(),
            "users": { "seats": self.seats, "members": self.members, "active": self.active },
            "totals": known,
            "days": days.collect::<Vec<_>>(),
            "models": models.collect::<Vec<_>>(),
            "unknown": unknown,
        }));
        made.notes = self.notes;
        made
    }
}

/// A share between 0 and 1, with three digits.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than a few digits"
)]
pub(super) fn rate(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => (part as f64 / whole as f64 * 1_000.0).round() / 1_000.0,
    }
}

/// How many different people there are.
fn different<'a>(people: impl Iterator<Item = &'a str>) -> u64 {
    people.collect::<BTreeSet<_>>().len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_added_up_and_what_nobody_tells_is_named() {
        let mut metrics = Metrics {
            seats: Some(4),
            ..Metrics::default()
        };
        let day = Figures {
            active_users: Some(3),
            suggestions: Some(6),
            acceptances: Some(2),
            cost: Some(0.1),
            ..Figures::default()
        };
        *metrics.day("2026-01-02T00:00:00Z") = day.clone();
        *metrics.day("2026-01-01") = Figures {
            active_users: Some(2),
            cost: Some(0.2),
            ..day
        };

        let shown = metrics.made("copilot").structured;

        assert_eq!(
            (&shown["from"], &shown["to"]),
            (&json!("2026-01-01"), &json!("2026-01-02"))
        );
        assert_eq!(
            shown["totals"],
            json!({ "active_users": 3, "suggestions": 12, "acceptances": 4, "acceptance_rate": 0.333, "cost": 0.3, "currency": "USD" })
        );
        assert_eq!(
            shown["users"],
            json!({ "seats": 4, "members": null, "active": null })
        );
        assert_eq!(
            shown["unknown"],
            json!([
                "requests",
                "lines_suggested",
                "lines_accepted",
                "input_tokens",
                "output_tokens"
            ])
        );
    }
}
