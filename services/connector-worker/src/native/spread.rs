//! One call that becomes several requests: one for each day, or for each element.

use catalog::{Spread, Target, Tool};
use serde_json::{Value, json};
use time::Date;

use super::arguments::Arguments;
use super::encode;

/// The arguments of each request; one where nothing is spread.
///
/// # Errors
/// The argument that cannot be spread, and why. More than `most` requests are refused.
pub(super) fn spread(
    tool: &Tool,
    arguments: Arguments,
    most: usize,
) -> Result<Vec<Arguments>, String> {
    let mut all = vec![arguments];
    for (at, arg) in tool.args.iter().enumerate() {
        let Some(spread) = arg.spread else { continue };
        let is_sent = |arguments: &Arguments| {
            let holds = arg.when.as_ref().is_none_or(|when| arguments.holds(when));
            arguments.value(at).filter(|_| holds).cloned()
        };
        let Some(value) = is_sent(&all[0]) else {
            continue;
        };
        let last = tool
            .args
            .iter()
            .position(|arg| arg.target == Target::LastDay);
        let values = match spread {
            Spread::Days => days(&value, last.and_then(|last| all[0].value(last)), most),
            Spread::Each => Ok(value.as_array().cloned().unwrap_or_default()),
        };
        let values = values.map_err(|rule| format!("argument {:?} {rule}", arg.name))?;
        if values.len() * all.len() > most {
            let name = &arg.name;
            return Err(format!(
                "argument {name:?} would take {} requests; one call makes {most} at most",
                values.len() * all.len()
            ));
        }
        let with = |value: &Value| {
            let arguments = all.iter();
            arguments
                .map(|arguments| arguments.with(at, value.clone()))
                .collect::<Vec<_>>()
        };
        all = values.iter().flat_map(with).collect();
    }
    Ok(all)
}

/// Each day from one to the other, as `YYYY-MM-DD`; at most one more than `most`.
fn days(first: &Value, last: Option<&Value>, most: usize) -> Result<Vec<Value>, String> {
    let day = |value: &Value| encode::instant(&encode::text(value)).map(|instant| instant.date());
    let first = day(first)?;
    let last = last.map_or(Ok(first), |last| {
        day(last).map_err(|rule| format!("has an end that {rule}"))
    })?;
    if last < first {
        return Err("is after the last day".to_owned());
    }
    let days = std::iter::successors(Some(first), |day| day.next_day());
    let days = days.take_while(|day| *day <= last).take(most + 1);
    Ok(days.map(|day| json!(text(day))).collect())
}

fn text(day: Date) -> String {
    let (year, month, day) = day.to_calendar_date();
    format!("{year:04}-{:02}-{day:02}", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_days_has_both_its_ends() {
        let days = |first: &str, last: Option<&str>| {
            let last = last.map(|last| json!(last));
            days(&json!(first), last.as_ref(), 31)
        };

        assert_eq!(days("2026-01-31", None), Ok(vec![json!("2026-01-31")]));
        assert_eq!(
            days("2024-02-28T23:00:00Z", Some("2024-03-01")),
            Ok(vec![
                json!("2024-02-28"),
                json!("2024-02-29"),
                json!("2024-03-01")
            ])
        );
        assert_eq!(
            days("2026-01-01", Some("2036-01-01")).map(|days| days.len()),
            Ok(32)
        );
        assert_eq!(
            days("2026-01-02", Some("2026-01-01")),
            Err("is after the last day".to_owned())
        );
        assert!(days("2026-01-02", Some("soon")).is_err());
    }
}
