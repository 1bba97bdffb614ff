//! The name of its task that a server of 2025-11-25 puts into everything that belongs to it. It is
//! the server's own id, which no client knows.

use bytes::Bytes;

const RELATED: &str = "io.modelcontextprotocol/related-task";

/// A result, or params, without the name of the task; as they are where they have none.
pub(super) fn without_task(object: Bytes) -> Bytes {
    let names_it = std::str::from_utf8(&object).is_ok_and(|text| text.contains(RELATED));
    if !names_it {
        return object;
    }
    let text = String::from_utf8_lossy(&object);
    let cleaned = edited(&text, &|name, value| {
        if name != "_meta" {
            return Some(value.to_owned());
        }
        let meta = edited(value, &|name, value| {
            (name != RELATED).then(|| value.to_owned())
        })?;
        (meta != "{}").then_some(meta)
    });
    cleaned.map_or(object, Bytes::from)
}

/// The members of an object that `change` leaves; `None` when it is none.
fn edited(object: &str, change: &dyn Fn(&str, &str) -> Option<String>) -> Option<String> {
    let members = mcp::members(object).ok()?;
    let kept = members.iter().filter_map(|(name, value)| {
        let value = change(name, value.get())?;
        let name = serde_json::to_string(name).expect("a string is JSON");
        Some(format!("{name}:{value}"))
    });
    Some(format!("{{{}}}", kept.collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_task_is_taken_away() {
        let clean = |text: &'static str| without_task(Bytes::from_static(text.as_bytes()));
        let named = r#""io.modelcontextprotocol/related-task":{"taskId":"T"}"#;
        let with = |meta: String| {
            let text = format!(r#"{{"x":1.0,"_meta":{{{meta}}}}}"#);
            String::from_utf8(without_task(text.into()).to_vec()).unwrap()
        };

        assert_eq!(with(named.to_owned()), r#"{"x":1.0}"#);
        assert_eq!(
            with(format!(r#""y":[1, 2],{named}"#)),
            r#"{"x":1.0,"_meta":{"y":[1, 2]}}"#
        );
        assert_eq!(clean(r#"{ "x": 1.0 }"#), r#"{ "x": 1.0 }"#);
        let elsewhere = r#"["io.modelcontextprotocol/related-task"]"#;
        assert_eq!(clean(elsewhere), elsewhere);
    }
}
