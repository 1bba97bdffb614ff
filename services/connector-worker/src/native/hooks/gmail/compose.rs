//! Building a mail (RFC 5322, MIME) for Gmail to send.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::mime::MimePart;
use serde_json::{Value, json};

use super::address::{Mailbox, line};
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::written;

/// Bytes of a mail that Gmail takes without a separate upload.
pub(super) const MAIL_MAX_BYTES: usize = 5 * 1024 * 1024;
/// Message ids that `References` names; RFC 5322 §3.6.4 lets the middle of a long list be left out.
const REFERENCES_MAX: usize = 50;

/// A mail in the making.
#[derive(Default)]
pub(super) struct Letter {
    pub(super) from: Option<Mailbox>,
    pub(super) to: Vec<Mailbox>,
    pub(super) cc: Vec<Mailbox>,
    pub(super) bcc: Vec<Mailbox>,
    pub(super) reply_to: Option<Mailbox>,
    pub(super) subject: String,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) attachments: Vec<MimePart<'static>>,
    /// Message id of the mail that this answers, without its angle brackets.
    pub(super) in_reply_to: Option<String>,
    pub(super) references: Vec<String>,
}

impl Letter {
    /// The bytes of the mail in base64url, as Gmail wants them. `now` is its date.
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub(super) fn raw(mut self, now: i64) -> Result<Value, String> {
        let mut mail = MessageBuilder::new().date(now).subject(self.subject);
        let people = |people: Vec<Mailbox>| {
            Address::new_list(people.into_iter().map(Address::from).collect())
        };
        if let Some(from) = self.from {
            mail = mail.from(Address::from(from));
        }
        for (field, list) in [("To", self.to), ("Cc", self.cc), ("Bcc", self.bcc)] {
            if !list.is_empty() {
                mail = mail.header(field, people(list));
            }
        }
        if let Some(reply_to) = self.reply_to {
            mail = mail.reply_to(Address::from(reply_to));
        }
        if let Some(id) = self.in_reply_to {
            let extra = self.references.len().saturating_sub(REFERENCES_MAX);
            self.references.drain(..extra);
            mail = mail.in_reply_to(id).references(self.references);
        }
        if let Some(text) = self.text {
            mail = mail.text_body(text);
        }
        if let Some(html) = self.html {
            mail = mail.html_body(html);
        }
        if !self.attachments.is_empty() {
            mail.attachments = Some(self.attachments);
        }
        let bytes = mail.write_to_vec();
        let bytes = bytes.map_err(|_| "the mail cannot be written".to_owned())?;
        if bytes.len() > MAIL_MAX_BYTES {
            return Err(format!(
                "the mail has {} bytes, and Gmail takes {MAIL_MAX_BYTES} at most this way: send a link to the files instead",
                bytes.len()
            ));
        }
        Ok(json!(URL_SAFE_NO_PAD.encode(bytes)))
    }
}

/// The text of a mail, as `body` and `html` say.
pub(super) fn set_body(call: &Call<'_>, arguments: &Arguments, letter: &mut Letter) {
    let body = call.text(arguments, "body").unwrap_or_default().to_owned();
    if call.flag(arguments, "html") {
        letter.text = Some(mail_parser::decoders::html::html_to_text(&body));
        letter.html = Some(body);
    } else {
        letter.text = Some(body);
    }
}

/// The people of an argument that lists them.
pub(super) fn people(
    call: &Call<'_>,
    arguments: &Arguments,
    name: &str,
) -> Result<Vec<Mailbox>, Stop> {
    let given = call.list(arguments, name).iter();
    let given = given.map(|one| Mailbox::given(one.as_str().unwrap_or_default()));
    given
        .collect::<Result<_, _>>()
        .map_err(|rule| call.refuse(&format!("argument {name:?} {rule}")))
}

/// The one person of an argument.
pub(super) fn person(
    call: &Call<'_>,
    arguments: &Arguments,
    name: &str,
) -> Result<Option<Mailbox>, Stop> {
    let given = call.text(arguments, name).map(Mailbox::given).transpose();
    given.map_err(|rule| call.refuse(&format!("argument {name:?} {rule}")))
}

/// The files of the argument `attachments`.
pub(super) fn attachments(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Vec<MimePart<'static>>, Stop> {
    let files = call.list(arguments, "attachments").iter().enumerate();
    files
        .map(|(at, file)| {
            attachment(file)
                .map_err(|rule| call.refuse(&format!("argument \"attachments[{at}]\" {rule}")))
        })
        .collect()
}

fn attachment(file: &Value) -> Result<MimePart<'static>, String> {
    let member = |name: &str| file.get(name).and_then(Value::as_str);
    let name = member("filename").filter(|name| !name.trim().is_empty());
    let name = line(name.ok_or("needs a filename")?)?;
    let kind = member("mime_type").unwrap_or("application/octet-stream");
    let content = member("content").ok_or("needs content, in Base64")?;
    let content = written::unpack(content).ok_or("needs its content in Base64")?;
    if !is_media_type(kind) {
        return Err(format!("has {kind:?} as mime_type, which is none"));
    }
    Ok(MimePart::new(kind.to_owned(), content.to_vec()).attachment(name.to_owned()))
}

/// `type/subtype` of RFC 2045 tokens, without parameters.
pub(super) fn is_media_type(text: &str) -> bool {
    let token = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
        !text.is_empty() && text.chars().all(plain)
    };
    let parts = text.split_once('/');
    parts.is_some_and(|(kind, sub)| token(kind) && token(sub))
}
