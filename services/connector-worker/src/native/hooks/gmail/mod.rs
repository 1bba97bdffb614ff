//! Gmail: mails are written and read as people know them, not as MIME.

mod address;
mod compose;
mod forward;
mod read;

pub(super) use forward::forward;
pub(super) use read::{decode, hydrate};

use serde_json::Value;

use super::desk::pick;
use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use address::{Mailbox, listed, plain};
use compose::Letter;

/// What of a mail its answer is made of.
const ANSWERED: [&str; 8] = [
    "Subject",
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Message-ID",
    "References",
    "Delivered-To",
];

/// A new mail, or one that the caller has written whole.
pub(super) async fn write(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    if call.arg(arguments, "raw").is_some() {
        return call.sent(arguments).await;
    }
    let subject = call.text(arguments, "subject").unwrap_or_default();
    let subject = address::line(subject)
        .map_err(|rule| call.refuse(&format!("argument \"subject\" {rule}")))?;
    let mut letter = Letter {
        from: compose::person(call, arguments, "from_alias")?,
        to: compose::people(call, arguments, "to")?,
        cc: compose::people(call, arguments, "cc")?,
        bcc: compose::people(call, arguments, "bcc")?,
        reply_to: compose::person(call, arguments, "reply_to")?,
        subject: subject.to_owned(),
        attachments: compose::attachments(call, arguments)?,
        ..Letter::default()
    };
    compose::set_body(call, arguments, &mut letter);
    send(call, arguments, letter).await
}

/// An answer in the thread of another mail.
pub(super) async fn reply(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    if call.arg(arguments, "raw").is_some() {
        return call.sent(arguments).await;
    }
    let attachments = compose::attachments(call, arguments)?;
    let id = call.text(arguments, "message_id").unwrap_or_default();
    let mut look = call.step(0, arguments, &[("id", id)])?;
    look.set_query("format", "metadata");
    for name in ANSWERED {
        look.query
            .push(("metadataHeaders".to_owned(), name.to_owned()));
    }
    let (_, original) = call.ask(&look).await?;

    let field = |name: &str| read::header(&original, name).unwrap_or_default();
    let answered = ids(&field("Message-ID")).pop();
    let mut references = ids(&field("References"));
    references.extend(answered.clone());
    let (to, cc) = recipients(&original, call.flag(arguments, "reply_all"));
    if to.is_empty() {
        return Err(call.cannot("The message has no sender whom an answer could go to."));
    }
    let mut letter = Letter {
        to,
        cc,
        subject: titled("Re", &plain(&field("Subject"))),
        attachments,
        in_reply_to: answered,
        references,
        ..Letter::default()
    };
    compose::set_body(call, arguments, &mut letter);
    let mut arguments = arguments.clone();
    if call.arg(&arguments, "thread_id").is_none()
        && let Some(thread) = original.get("threadId")
    {
        arguments = call.set(&arguments, "thread_id", thread.clone());
    }
    send(call, &arguments, letter).await
}

async fn send(call: &Call<'_>, arguments: &Arguments, letter: Letter) -> Result<Made, Stop> {
    let now = call.engine.clock.now().unix_timestamp();
    let raw = letter.raw(now).map_err(|why| call.refuse(&why))?;
    let mut made = call.sent(&call.set(arguments, "raw", raw)).await?;
    // Gmail may give the mail back that it was just given.
    if let Some(raw) = made.structured.get_mut("message") {
        *raw = pick(raw, &["id", "threadId", "labelIds"]);
    }
    Ok(made)
}

/// To whom an answer goes, and who gets a copy. The mailbox's own addresses are left out, as far
/// as the message tells them.
fn recipients(original: &Value, all: bool) -> (Vec<Mailbox>, Vec<Mailbox>) {
    let people = |name: &str| listed(&read::header(original, name).unwrap_or_default());
    let (from, to) = (people("From"), people("To"));
    let labels = original["labelIds"].as_array();
    let is_own = labels.is_some_and(|labels| labels.iter().any(|label| label == "SENT"));
    let mut own: Vec<String> = people("Delivered-To")
        .into_iter()
        .map(|one| one.email)
        .collect();
    if is_own {
        own.extend(from.iter().map(|one| one.email.clone()));
    }
    let mut seen: Vec<String> = Vec::new();
    let mut fresh = |list: Vec<Mailbox>| -> Vec<Mailbox> {
        let mut kept = Vec::new();
        for one in list {
            let is_known = own.iter().chain(&seen).any(|known| one.is(known));
            if !is_known {
                seen.push(one.email.clone());
                kept.push(one);
            }
        }
        kept
    };
    let reply_to = people("Reply-To");
    let sender = match (is_own, reply_to.is_empty()) {
        // One's own mail is followed up to those whom it went to.
        (true, _) => to.clone(),
        (false, true) => from.clone(),
        (false, false) => reply_to,
    };
    let mut to_now = fresh(sender);
    if to_now.is_empty() {
        // A mail to oneself.
        to_now = from;
    }
    if !all {
        return (to_now, Vec::new());
    }
    to_now.extend(fresh(to));
    (to_now, fresh(people("Cc")))
}

/// `Re: Lunch`, once.
fn titled(mark: &str, subject: &str) -> String {
    let head = subject.get(..mark.len() + 1).unwrap_or_default();
    if head.eq_ignore_ascii_case(&format!("{mark}:")) {
        subject.to_owned()
    } else {
        format!("{mark}: {subject}")
    }
}

/// The message ids of a header field, without their brackets.
fn ids(field: &str) -> Vec<String> {
    let found = field.split('<').skip(1);
    let found = found.filter_map(|part| part.split_once('>').map(|(id, _)| id.trim()));
    let plain = |id: &&str| !id.is_empty() && id.chars().all(|c| c.is_ascii_graphic());
    found.filter(plain).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(labels: &[&str], fields: &[(&str, &str)]) -> Value {
        let headers: Vec<Value> = fields
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        json!({ "labelIds": labels, "payload": { "headers": headers } })
    }

    fn emails((to, cc): (Vec<Mailbox>, Vec<Mailbox>)) -> (Vec<String>, Vec<String>) {
        let emails = |list: Vec<Mailbox>| list.into_iter().map(|one| one.email).collect();
        (emails(to), emails(cc))
    }

    #[test]
    fn an_answer_to_all_goes_to_everybody_once_and_not_to_oneself() {
        let mail = message(
            &["INBOX"],
            &[
                ("From", "Ann <ann@x.example>"),
                ("To", "Me <ME@x.example>, bob@x.example, ann@x.example"),
                ("Cc", "cy@x.example, Bob <BOB@x.example>"),
                ("Delivered-To", "me@x.example"),
            ],
        );

        let (to, cc) = emails(recipients(&mail, true));
        assert_eq!(to, ["ann@x.example", "bob@x.example"]);
        assert_eq!(cc, ["cy@x.example"]);
        assert_eq!(emails(recipients(&mail, false)).0, ["ann@x.example"]);
    }

    #[test]
    fn an_answer_follows_reply_to_and_ones_own_mail_goes_on_to_its_readers() {
        let list = message(
            &[],
            &[("From", "a@x.example"), ("Reply-To", "list@x.example")],
        );
        let own = message(
            &["SENT"],
            &[("From", "me@x.example"), ("To", "bob@x.example")],
        );

        assert_eq!(emails(recipients(&list, false)).0, ["list@x.example"]);
        assert_eq!(emails(recipients(&own, false)).0, ["bob@x.example"]);
    }

    #[test]
    fn a_subject_is_marked_once_and_ids_are_taken_out_of_their_brackets() {
        assert_eq!(titled("Re", "Lunch"), "Re: Lunch");
        assert_eq!(titled("Re", "RE: Lunch"), "RE: Lunch");
        assert_eq!(titled("Fwd", "é"), "Fwd: é");
        assert_eq!(ids("<a@x> junk <b@x>\r\n <c d>"), ["a@x", "b@x"]);
    }
}
