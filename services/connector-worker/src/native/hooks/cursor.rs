//! Cursor's API knows members by their e-mail addresses only.

use serde_json::Value;

use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::encode;

/// Sets a member's limit; a member who is named by id is looked up first.
pub(super) async fn user_email(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let id = call.text(arguments, "user_id").map(str::trim);
    let Some(id) = id.filter(|_| call.arg(arguments, "user_email").is_none()) else {
        return call.sent(arguments).await;
    };
    let (_, team) = call.ask(&call.step(0, arguments, &[])?).await?;
    let members = team["teamMembers"].as_array().into_iter().flatten();
    let named = |member: &&Value| {
        let ids = [&member["id"], &member["userId"], &member["user_id"]];
        ids.into_iter()
            .any(|known| !known.is_null() && encode::text(known) == id)
    };
    let member = members.into_iter().find(named);
    let Some(email) = member.and_then(|member| member["email"].as_str()) else {
        return Err(call.cannot(&format!(
            "The team has no member with the id {id}; nothing was changed. cursor_list_members lists them."
        )));
    };
    let arguments = call.set(arguments, "user_email", Value::from(email));
    call.sent(&arguments).await
}
