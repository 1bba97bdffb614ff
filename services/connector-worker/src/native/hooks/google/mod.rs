//! Google's Docs, Sheets, Slides and Calendar.

mod docs;
mod slides;

pub(super) use docs::{create_then_insert, docs_to_text};
pub(super) use slides::{skip_delete_when_empty, slides_to_text, speaker_notes};

use catalog::{Step, Target, WirePath};
use fabric::FailureKind;
use serde_json::{Value, json};

use crate::failure::unsent;
use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::body;
use crate::native::call::{Call, Stop};

/// A change of some members, with the list of their names that Google wants beside it: without it
/// all others would be cleared.
pub(super) async fn field_mask(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let path = |name: &str| {
        let text = call.tool.hook_params.get(name).and_then(Value::as_str);
        let path = text.and_then(|text| WirePath::fixed(text).ok());
        let message = format!(
            "the manifest of {} lacks code_params.{name}",
            call.tool.name
        );
        path.ok_or_else(|| Stop::Failed(unsent(FailureKind::Internal, message)))
    };
    let (target, below) = (path("target")?, path("below")?);
    let given = |wanted: &WirePath| {
        call.tool.args.iter().enumerate().any(|(at, arg)| {
            let lands = matches!(&arg.target, Target::Body(landing) if landing.path == *wanted);
            lands && arguments.value(at).is_some()
        })
    };
    let mut draft = call.draft(arguments)?;
    if !given(&target) {
        let mask = mask(call, arguments, &below);
        if mask.is_empty() {
            return Err(call.refuse("nothing is given that would change"));
        }
        let root = draft.body.get_or_insert_with(|| json!({}));
        body::put(root, &target, json!(mask), arguments);
    }
    call.simple(draft, arguments).await
}

/// Where the given arguments land, below that path.
fn mask(call: &Call<'_>, arguments: &Arguments, below: &WirePath) -> String {
    let mut names = Vec::new();
    for (at, arg) in call.tool.args.iter().enumerate() {
        let Target::Body(landing) = &arg.target else {
            continue;
        };
        let rest = landing.path.0.strip_prefix(below.0.as_slice());
        let Some(rest) = rest.filter(|_| arguments.value(at).is_some()) else {
            continue;
        };
        let keys = rest.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            _ => None,
        });
        names.push(keys.collect::<Vec<_>>().join("."));
    }
    names.join(",")
}

/// The signed-in user's answer to an invitation. The event is changed only as it was read.
pub(super) async fn rsvp(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let (_, event) = call.ask(&call.step(0, arguments, &[])?).await?;
    let mut guests = event["attendees"].as_array().cloned().unwrap_or_default();
    let own = guests.iter_mut().find(|guest| guest["self"] == json!(true));
    let Some(own) = own else {
        return Err(call.cannot(
            "The signed-in user is not among the guests of this event, so there is no invitation to answer. Nothing was changed.",
        ));
    };
    if let Some(status) = call.arg(arguments, "response_status") {
        own["responseStatus"] = status.clone();
    }
    if let Some(comment) = call.arg(arguments, "comment") {
        own["comment"] = comment.clone();
    }
    let mut draft = call.draft(arguments)?;
    let mut change = json!({ "attendees": guests });
    // Of a large event only the own entry was given; then only that is changed.
    if event["attendeesOmitted"] == json!(true) {
        change["attendeesOmitted"] = json!(true);
    }
    draft.body = Some(change);
    if let Some(etag) = event["etag"].as_str() {
        let set = draft.head("If-Match", etag);
        set.map_err(|rule| call.cannot(&format!("The event's etag {rule}.")))?;
    }
    call.simple(draft, arguments).await
}
