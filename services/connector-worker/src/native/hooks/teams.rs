//! Members of a new Teams chat, from their ids.

use serde_json::{Value, json};

use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};

/// Creates a chat whose members are given by id, in Graph's own form, or both.
pub(super) async fn chat_members(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let mut members = call.list(arguments, "members").to_vec();
    let base = call.draft(arguments)?.base;
    for id in call.list(arguments, "member_ids") {
        let id = id.as_str().unwrap_or_default().trim();
        if id.is_empty() {
            return Err(call.refuse("argument \"member_ids\" holds an empty id"));
        }
        members.push(json!({
            "@odata.type": "#microsoft.graph.aadUserConversationMember",
            "roles": ["owner"],
            "user@odata.bind": format!("{base}/users('{}')", id.replace('\'', "''")),
        }));
    }
    let is_pair = call.text(arguments, "chat_type") == Some("oneOnOne");
    if is_pair && members.len() != 2 {
        return Err(call.refuse(&format!(
            "a chat of two needs exactly two members, the signed-in user included; {} are given",
            members.len()
        )));
    }
    if members.is_empty() {
        return Err(
            call.refuse("at least one of the arguments \"member_ids\", \"members\" is required")
        );
    }
    let arguments = call.set(arguments, "members", Value::Array(members));
    call.sent(&arguments).await
}
