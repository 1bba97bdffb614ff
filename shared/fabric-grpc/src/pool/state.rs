//! States name the worker that can go on with them: `<node>~<state>`.

use fabric::{CallEvent, Outcome};

const MARK: char = '~';

/// Whether a node can be named so.
pub(super) fn can_name(node: &str) -> bool {
    !node.is_empty() && !node.contains(MARK)
}

fn name(state: &mut Option<String>, node: &str) {
    if let Some(state) = state {
        *state = format!("{node}{MARK}{state}");
    }
}

/// Names the worker in what it asks.
pub(super) fn name_in(outcome: &mut Outcome, node: &str) {
    if let Outcome::InputRequired(input) = outcome {
        name(&mut input.state, node);
    }
}

/// As [`name_in`], for what is asked outside calls.
pub(super) fn name_in_event(event: &mut CallEvent, node: &str) {
    if let CallEvent::Asked(input) = event {
        name(&mut input.state, node);
    }
}

/// Takes the worker's name off a state; `None` when it names none.
pub(super) fn take_node(state: &mut String) -> Option<String> {
    let (node, own) = state.split_once(MARK)?;
    let (node, own) = (node.to_owned(), own.to_owned());
    *state = own;
    Some(node)
}
