//! Building a JSON body from values and where they land.

use catalog::{Step, WirePath};
use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::encode;

/// Elements that an index may reach; manifests use a handful.
const INDEX_MAX: usize = 1_000;

/// Puts `value` at `path`, making the objects and arrays on the way.
pub(super) fn put(root: &mut Value, path: &WirePath, value: Value, arguments: &Arguments) {
    put_steps(root, &path.0, value, arguments);
}

fn put_steps(at: &mut Value, steps: &[Step], value: Value, arguments: &Arguments) {
    let Some((step, rest)) = steps.split_first() else {
        *at = value;
        return;
    };
    match step {
        Step::Key(key) => put_steps(member(at, key.clone()), rest, value, arguments),
        Step::KeyOf(arg) => {
            let key = arguments.value(*arg).map(encode::text).unwrap_or_default();
            put_steps(member(at, key), rest, value, arguments);
        }
        Step::Index(n) => put_steps(
            element(at, usize::try_from(*n).ok()),
            rest,
            value,
            arguments,
        ),
        Step::IndexOf(arg) => {
            let n = arguments.value(*arg).and_then(Value::as_u64);
            put_steps(
                element(at, n.and_then(|n| usize::try_from(n).ok())),
                rest,
                value,
                arguments,
            );
        }
        Step::Each => {
            let values = match value {
                Value::Array(values) => values,
                single => vec![single],
            };
            for (n, value) in values.into_iter().enumerate() {
                put_steps(element(at, Some(n)), rest, value, arguments);
            }
            if at.is_null() {
                *at = Value::Array(Vec::new());
            }
        }
    }
}

fn member(at: &mut Value, key: String) -> &mut Value {
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    at.as_object_mut()
        .expect("made above")
        .entry(key)
        .or_insert(Value::Null)
}

fn element(at: &mut Value, n: Option<usize>) -> &mut Value {
    let n = n.unwrap_or(0).min(INDEX_MAX);
    if !at.is_array() {
        *at = Value::Array(Vec::new());
    }
    let items = at.as_array_mut().expect("made above");
    if items.len() <= n {
        items.resize(n + 1, Value::Null);
    }
    &mut items[n]
}

/// Joins the members of `extra` with those of the object at `path`.
pub(super) fn merge(root: &mut Value, path: &WirePath, extra: Value, arguments: &Arguments) {
    let Value::Object(extra) = extra else { return };
    for (key, value) in extra {
        let mut steps = path.0.clone();
        steps.push(Step::Key(key));
        put(root, &WirePath(steps), value, arguments);
    }
}

/// Closes the gaps that indices leave in arrays when what stands before was not given.
pub(super) fn close_gaps(root: &mut Value, path: &WirePath) {
    close(root, &path.0);
}

fn close(at: &mut Value, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else {
        return;
    };
    match (step, at) {
        (Step::Key(key), at) => {
            if let Some(next) = at.get_mut(key) {
                close(next, rest);
            }
        }
        (Step::Index(_) | Step::IndexOf(_) | Step::Each, Value::Array(items)) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(|item| close(item, rest));
        }
        _ => {}
    }
}
