//! Passing a mail on, with its text and its files.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use mail_builder::mime::MimePart;
use mail_parser::{Addr, Message, MessageParser, MimeHeaders};

use super::compose::{self, Letter};
use super::{address, send, titled};
use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};

/// Sends the message on, below the caller's own words.
pub(in crate::native::hooks) async fn forward(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    if call.arg(arguments, "raw").is_some() {
        return call.sent(arguments).await;
    }
    let to = compose::people(call, arguments, "to")?;
    let id = call.text(arguments, "message_id").unwrap_or_default();
    let mut look = call.step(0, arguments, &[("id", id)])?;
    look.set_query("format", "raw");
    let (_, original) = call.ask(&look).await?;
    let raw = original["raw"].as_str().unwrap_or_default();
    let raw = URL_SAFE
        .decode(raw)
        .or_else(|_| URL_SAFE_NO_PAD.decode(raw))
        .unwrap_or_default();
    let Some(message) = MessageParser::default().parse(&raw) else {
        return Err(call.cannot("The message cannot be read, so it cannot be passed on."));
    };
    let words = call.text(arguments, "body").unwrap_or_default();
    let mut letter = passed_on(&message, words);
    letter.to = to;
    send(call, arguments, letter).await
}

fn passed_on(message: &Message<'_>, words: &str) -> Letter {
    let head = head(message);
    let text = message.body_text(0).unwrap_or_default();
    let words_first = if words.is_empty() {
        String::new()
    } else {
        format!("{words}\n\n")
    };
    let has_html = message.html_bodies().any(|part| part.is_text_html());
    let html = message.body_html(0).filter(|_| has_html).map(|html| {
        let above = format!("{words_first}{head}");
        format!(
            "<div style=\"white-space:pre-wrap\">{}</div>\n{html}",
            escape(&above)
        )
    });
    Letter {
        subject: titled(
            "Fwd",
            &address::plain(message.subject().unwrap_or_default()),
        ),
        text: Some(format!("{words_first}{head}{text}")),
        html,
        attachments: message.attachments().enumerate().map(file).collect(),
        ..Letter::default()
    }
}

/// Who wrote what to whom, as people know it from forwarded mails.
fn head(message: &Message<'_>) -> String {
    let people = |list: Option<&mail_parser::Address<'_>>| {
        let list = list.into_iter().flat_map(|list| list.iter()).map(person);
        list.collect::<Vec<_>>().join(", ")
    };
    let fields = [
        ("From", people(message.from())),
        (
            "Date",
            message
                .date()
                .map(|date| date.to_rfc822())
                .unwrap_or_default(),
        ),
        (
            "Subject",
            address::plain(message.subject().unwrap_or_default()),
        ),
        ("To", people(message.to())),
        ("Cc", people(message.cc())),
    ];
    let mut head = "---------- Forwarded message ----------\n".to_owned();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        head.push_str(&format!("{name}: {value}\n"));
    }
    head.push('\n');
    head
}

fn person(one: &Addr<'_>) -> String {
    let email = one.address().unwrap_or_default();
    match one.name() {
        Some(name) => format!("{name} <{email}>"),
        None => email.to_owned(),
    }
}

fn file((at, part): (usize, &mail_parser::MessagePart<'_>)) -> MimePart<'static> {
    let kind = match part.content_type() {
        Some(kind) => format!(
            "{}/{}",
            kind.ctype(),
            kind.subtype().unwrap_or("octet-stream")
        ),
        None => String::new(),
    };
    let kind = if compose::is_media_type(&kind) {
        kind
    } else {
        "application/octet-stream".to_owned()
    };
    let name = part.attachment_name().unwrap_or_default();
    let name = name.replace(char::is_control, " ");
    let name = match name.trim() {
        "" if kind == "message/rfc822" => format!("message-{}.eml", at + 1),
        "" => format!("attachment-{}", at + 1),
        name => name.to_owned(),
    };
    // A mail within a mail may not be encoded (RFC 2046 §5.2.1), but a file of it may.
    let kind = match kind.as_str() {
        "message/rfc822" => "application/octet-stream".to_owned(),
        _ => kind,
    };
    let file = MimePart::new(kind, part.contents().to_vec()).attachment(name);
    match part.content_id() {
        Some(id) if id.chars().all(|c| c.is_ascii_graphic()) => file.cid(id.to_owned()),
        _ => file,
    }
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;")
}
