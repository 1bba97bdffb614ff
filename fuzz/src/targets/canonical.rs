use domain::{ToolDefinition, canonical_json, differences};
use serde_json::value::RawValue;

/// The form by which definitions are compared: it is JSON, is its own form, and differs from the
/// text in nothing; another value has another form.
pub fn canonical(input: &[u8]) -> (bool, bool, usize) {
    let mut lines = input.splitn(2, |&byte| byte == b'\n');
    let mut next = || -> Option<&RawValue> { serde_json::from_slice(lines.next()?).ok() };
    let Some(one) = next() else {
        return (false, false, 0);
    };
    let form = canonical_json(one);
    let form = RawValue::from_string(form).expect("the canonical form is JSON");
    assert_eq!(canonical_json(&form), form.get());
    let same = differences(one, &form);
    assert!(same.items.is_empty() && same.complete);

    let hash = |raw: &RawValue| Some(ToolDefinition::parse(raw.to_owned()).ok()?.hash());
    assert!(hash(one).is_none_or(|first| hash(&form).is_none_or(|second| first == second)));

    let Some(other) = next() else {
        return (true, hash(one).is_some(), 0);
    };
    let found = differences(one, other);
    let equal = canonical_json(other) == form.get();
    assert_eq!(equal, found.items.is_empty() && found.complete);
    (true, equal, found.items.len().min(16))
}
