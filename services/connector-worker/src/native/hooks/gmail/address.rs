//! Addresses of people, read strictly: what a caller gives can never become another header field.

use mail_builder::headers::address::Address;
use mail_parser::MessageParser;

/// One mailbox: `Anna <anna@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) name: Option<String>,
    pub(super) email: String,
}

impl Mailbox {
    /// Reads what a caller gave for one person.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub(super) fn given(text: &str) -> Result<Self, String> {
        line(text)?;
        let mut found = all(text);
        match (found.pop(), found.is_empty()) {
            (Some(mailbox), true) if is_address(&mailbox.email) => Ok(mailbox),
            _ => Err(format!(
                "must be an e-mail address, e.g. `Anna <anna@example.com>`, not {text:?}"
            )),
        }
    }

    pub(super) fn is(&self, email: &str) -> bool {
        self.email.eq_ignore_ascii_case(email)
    }
}

impl From<Mailbox> for Address<'static> {
    fn from(mailbox: Mailbox) -> Self {
        Address::new_address(mailbox.name, mailbox.email)
    }
}

/// The mailboxes of a header field as a provider gives it; what is no address is left out.
pub(super) fn listed(field: &str) -> Vec<Mailbox> {
    let mut found = all(field);
    found.retain(|mailbox| is_address(&mailbox.email));
    found
}

/// A text that stands in a header field: one line without control characters.
pub(super) fn line(text: &str) -> Result<&str, String> {
    if text.chars().any(char::is_control) {
        return Err("must not hold line breaks or other control characters".to_owned());
    }
    Ok(text)
}

/// A header field's text with its encoded words read.
pub(super) fn plain(field: &str) -> String {
    let message = format!("Subject: {}\r\n\r\n", one_line(field));
    let message = MessageParser::default().parse(&message);
    let subject = message.as_ref().and_then(|message| message.subject());
    one_line(subject.unwrap_or_default())
}

fn all(field: &str) -> Vec<Mailbox> {
    let message = format!("To: {}\r\n\r\n", one_line(field));
    let message = MessageParser::default().parse(&message);
    let to = message.as_ref().and_then(|message| message.to());
    let found = to.into_iter().flat_map(|to| to.iter()).map(|one| Mailbox {
        name: one.name().map(one_line).filter(|name| !name.is_empty()),
        email: one.address().map(one_line).unwrap_or_default(),
    });
    found.collect()
}

fn one_line(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    text.trim().to_owned()
}

fn is_address(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"<>()[],;:\\\"".contains(c);
    let parts = text.split_once('@');
    parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    }) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(name: Option<&str>, email: &str) -> Mailbox {
        Mailbox {
            name: name.map(str::to_owned),
            email: email.to_owned(),
        }
    }

    #[test]
    fn one_address_is_read_with_or_without_a_name() {
        let given = Mailbox::given;

        assert_eq!(given("a@b.example"), Ok(mailbox(None, "a@b.example")));
        assert_eq!(
            given("\"Doe, Anna\" <a@b.example>"),
            Ok(mailbox(Some("Doe, Anna"), "a@b.example"))
        );
        assert_eq!(
            given("Ünal <u@b.example>"),
            Ok(mailbox(Some("Ünal"), "u@b.example"))
        );
    }

    #[test]
    fn what_is_no_single_address_or_could_begin_another_field_is_refused() {
        for bad in [
            "",
            "anna",
            "a@b.example, c@d.example",
            "a@b.example\r\nBcc: x@y.example",
            "A\n <a@b.example>",
            "a@b@c.example",
            "<@b.example>",
            "a b@c.example",
        ] {
            assert!(Mailbox::given(bad).is_err(), "{bad:?}");
        }
        assert!(line("Hi\u{0}").is_err());
        assert!(line("Hi\r\nBcc: x").is_err());
    }

    #[test]
    fn the_lists_of_providers_are_read_with_what_they_hold() {
        assert_eq!(
            listed("=?utf-8?q?J=C3=B6rg?= <j@x.example>, undisclosed:;, \"B, C\" <b@x.example>")
                .iter()
                .map(|one| (one.name.as_deref(), one.email.as_str()))
                .collect::<Vec<_>>(),
            [(Some("Jörg"), "j@x.example"), (Some("B, C"), "b@x.example")]
        );
        assert_eq!(plain("=?utf-8?q?J=C3=B6rg?="), "Jörg");
    }
}
