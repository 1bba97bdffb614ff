//! Slack's upload of a file, which takes three requests.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::failure::sent;
use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use fabric::FailureKind;

/// Asks for an address, sends the bytes there, and shares the file. The address is another host's
/// and gets no credential.
pub(super) async fn upload(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let mut files = call.list(arguments, "files").to_vec();
    let content = match call.text(arguments, "content") {
        Some(text) => Some(Bytes::from(text.to_owned())),
        None => call.base64(arguments, "content_base64")?,
    };
    let Some(content) = content else {
        if files.is_empty() {
            return Err(call.refuse("content, content_base64 or files is required"));
        }
        return call.sent(arguments).await;
    };
    if content.is_empty() {
        return Err(call.refuse("the file is empty, which Slack does not take"));
    }
    let name = call.text(arguments, "filename").unwrap_or_default();
    let mut open = call.step(0, arguments, &[])?;
    if open.method == http::Method::GET {
        open.set_query("filename", name);
        open.set_query("length", &content.len().to_string());
    } else {
        open.body = Some(json!({ "filename": name, "length": content.len() }));
    }
    let (_, opened) = call.ask(&open).await?;
    let id = send_bytes(call, &open, &opened, content).await;
    let id = id.map_err(|stop| stop.after("No file was shared."))?;
    files.insert(0, json!({ "id": id, "title": name }));
    let arguments = call.set(arguments, "files", Value::Array(files));
    call.sent(&arguments).await.map_err(|stop| {
        stop.after(&format!(
            "The content was uploaded as {id}, but not shared."
        ))
    })
}

async fn send_bytes(
    call: &Call<'_>,
    open: &crate::native::request::Draft,
    opened: &Value,
    content: Bytes,
) -> Result<String, Stop> {
    let garbage = |what: &str| sent(FailureKind::Garbage, format!("Slack gave {what}"));
    let (Some(id), Some(link)) = (opened["file_id"].as_str(), opened["upload_url"].as_str()) else {
        return Err(garbage("no address to send the file to").into());
    };
    let upload = open
        .upload(link, content)
        .map_err(|why| garbage(&format!("an address for the file that is not used: {why}")))?;
    let answered = call.exchange(&upload).await?;
    call.accept(&answered)?;
    Ok(id.to_owned())
}
