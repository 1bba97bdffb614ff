//! Tasks: whose a task is stands in its id, which only we can read.

use ::mcp::members;
use ::mcp::rename::{Shape, rename};
use bytes::{BufMut, Bytes, BytesMut};
use domain::ConnectorId;
use uuid::Uuid;

use super::caller::Caller;
use crate::snapshot::Upstream;

const PURPOSE: &[u8] = b"mcp task 1";
/// A longer id is none of ours.
const MAX_TEXT: usize = 8 * 1024;
/// A longer id of an upstream cannot be carried.
const MAX_OWN: usize = 4 * 1024;

/// Seals an upstream's task id for this caller, whichever of its endpoints it uses.
pub(super) fn seal(caller: &Caller, connector: ConnectorId, own: &str) -> String {
    let mut plain = connector.as_uuid().as_bytes().to_vec();
    plain.extend_from_slice(own.as_bytes());
    caller.app.sealer.seal(&plain, &place(caller))
}

/// Whose task it is, and the upstream's own id. Why another id is refused is not told.
pub(super) fn open(caller: &Caller, sealed: &str) -> Option<(ConnectorId, String)> {
    if sealed.len() > MAX_TEXT {
        return None;
    }
    let plain = caller.app.sealer.open(sealed, &place(caller))?;
    let (connector, own) = plain.split_first_chunk::<16>()?;
    let own = String::from_utf8(own.to_vec()).ok()?;
    Some((ConnectorId::new(Uuid::from_bytes(*connector)), own))
}

fn place(caller: &Caller) -> Vec<u8> {
    let everywhere = super::session::Bound {
        connector: None,
        ..caller.bound()
    };
    everywhere.place(PURPOSE, b"")
}

/// A task as the client knows it: under `known`, its id of it, or a new one; with the endpoint's
/// names in what it asks and in its result.
pub(super) fn dress(
    task: &Bytes,
    caller: &Caller,
    upstream: &Upstream,
    known: Option<&str>,
) -> Result<Bytes, serde_json::Error> {
    dress_as(task, upstream, &|own| match known {
        Some(known) => Ok(known.to_owned()),
        None => {
            let own: String = serde_json::from_str(own)?;
            if own.len() > MAX_OWN {
                return Err(serde::de::Error::custom("a task id is too long"));
            }
            Ok(seal(caller, upstream.connector, &own))
        }
    })
}

/// A task that has changed, for the params of a notification.
pub(crate) fn state(
    task: &Bytes,
    upstream: &Upstream,
    known: &str,
) -> Result<Bytes, serde_json::Error> {
    dress_as(task, upstream, &|_| Ok(known.to_owned()))
}

fn dress_as(
    task: &Bytes,
    upstream: &Upstream,
    id: &dyn Fn(&str) -> Result<String, serde_json::Error>,
) -> Result<Bytes, serde_json::Error> {
    let text = std::str::from_utf8(task).map_err(serde::de::Error::custom)?;
    let mut out = BytesMut::with_capacity(text.len() + 256);
    for (name, raw) in members(text)? {
        out.put_u8(if out.is_empty() { b'{' } else { b',' });
        out.put_slice(quoted(&name).as_bytes());
        out.put_u8(b':');
        let value = task.slice_ref(raw.get().as_bytes());
        let shape = match name.as_ref() {
            "taskId" => {
                out.put_slice(quoted(&id(raw.get())?).as_bytes());
                continue;
            }
            "result" => Some(Shape::ToolResult),
            "inputRequests" => Some(Shape::InputRequests),
            _ => None,
        };
        match shape.filter(|_| !upstream.is_bare()) {
            Some(shape) => out.put_slice(&rename(shape, &value, upstream.rename())?),
            None => out.put_slice(&value),
        }
    }
    if out.is_empty() {
        out.put_u8(b'{');
    }
    out.put_u8(b'}');
    Ok(out.freeze())
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}
