//! What happens in mid-call.

use fabric::{CallEvent, List};
use proto::fabric::v1;

use super::outcome::{input_required_from, input_required_to};
use super::{Invalid, need};

/// `None` for a kind of event that the wire does not know, which is a newer one than this.
pub fn event_to(event: CallEvent) -> Option<v1::Event> {
    use v1::event::Event as Wire;
    let event = match event {
        CallEvent::Progress(params) => Wire::Progress(params),
        CallEvent::Log(params) => Wire::Log(params),
        CallEvent::Task(state) => Wire::Task(state),
        CallEvent::ElicitationComplete(params) => Wire::ElicitationComplete(params),
        CallEvent::Asked(input) => Wire::Asked(input_required_to(input)),
        CallEvent::Watching => Wire::Watching(v1::Watching {}),
        CallEvent::ListChanged(list) => Wire::ListChanged(list_to(list).into()),
        CallEvent::ResourceUpdated(params) => Wire::ResourceUpdated(params),
        _ => return None,
    };
    Some(v1::Event { event: Some(event) })
}

/// # Errors
/// It is none of the events that there are.
pub fn event_from(event: v1::Event) -> Result<CallEvent, Invalid> {
    use v1::event::Event as Wire;
    Ok(match need(event.event, "event")? {
        Wire::Progress(params) => CallEvent::Progress(params),
        Wire::Log(params) => CallEvent::Log(params),
        Wire::Task(state) => CallEvent::Task(state),
        Wire::ElicitationComplete(params) => CallEvent::ElicitationComplete(params),
        Wire::Asked(input) => CallEvent::Asked(input_required_from(input)),
        Wire::Watching(v1::Watching {}) => CallEvent::Watching,
        Wire::ListChanged(list) => CallEvent::ListChanged(list_from(list)?),
        Wire::ResourceUpdated(params) => CallEvent::ResourceUpdated(params),
    })
}

fn list_to(list: List) -> v1::ListKind {
    match list {
        List::Tools => v1::ListKind::Tools,
        List::Prompts => v1::ListKind::Prompts,
        List::Resources => v1::ListKind::Resources,
    }
}

fn list_from(list: i32) -> Result<List, Invalid> {
    match v1::ListKind::try_from(list) {
        Ok(v1::ListKind::Tools) => Ok(List::Tools),
        Ok(v1::ListKind::Prompts) => Ok(List::Prompts),
        Ok(v1::ListKind::Resources) => Ok(List::Resources),
        Ok(v1::ListKind::Unspecified) | Err(_) => Err(Invalid("list_changed")),
    }
}
