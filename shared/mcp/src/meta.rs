//! The parts of `_meta` that a gateway reads.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::object::members;

/// Members of `_meta` that the protocol defines (2026-07-28, "Request metadata").
pub mod keys {
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// To which `subscriptions/listen` a notification belongs.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    pub const PROGRESS_TOKEN: &str = "progressToken";

    /// What one party tells the others about a trace (W3C); anything may be in it.
    pub const BAGGAGE: &str = "baggage";

    /// What belongs to one hop and never travels on; baggage because a client's own systems may
    /// have put there what is not meant for an upstream of somebody else.
    pub const PER_HOP: [&str; 6] = [
        PROTOCOL_VERSION,
        CLIENT_INFO,
        CLIENT_CAPABILITIES,
        LOG_LEVEL,
        PROGRESS_TOKEN,
        BAGGAGE,
    ];
}

/// `_meta` of a request, as far as it is ours to read.
#[derive(Debug, Default, Deserialize)]
pub struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    pub protocol_version: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientInfo")]
    pub client_info: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub client_capabilities: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/logLevel")]
    pub log_level: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "progressToken")]
    pub progress_token: Option<&'a RawValue>,
}

impl<'a> Meta<'a> {
    /// Reads `_meta`; absent means empty.
    ///
    /// # Errors
    /// It is no object, or a member that the protocol defines has the wrong type.
    pub fn parse(raw: Option<&'a RawValue>) -> Result<Self, serde_json::Error> {
        match raw {
            Some(raw) if raw.get().starts_with('{') => {
                let meta: Self = serde_json::from_str(raw.get())?;
                let token = meta.progress_token.map(RawValue::get);
                if token.is_some_and(|t| {
                    !t.starts_with(['"', '-']) && !t.starts_with(|c: char| c.is_ascii_digit())
                }) {
                    return Err(serde::de::Error::custom(
                        "progressToken must be a string or a number",
                    ));
                }
                Ok(meta)
            }
            Some(_) => Err(serde::de::Error::custom("_meta must be an object")),
            None => Ok(Self::default()),
        }
    }

    /// The members of `_meta` that may travel to an upstream, as a JSON object; `None` when there
    /// are none. What belongs to this hop stays behind.
    pub fn travelling(raw: Option<&RawValue>) -> Option<String> {
        let all = members(raw?.get()).ok()?;
        let mut out = String::new();
        for (name, value) in all {
            if keys::PER_HOP.contains(&name.as_ref()) {
                continue;
            }
            out.push(if out.is_empty() { '{' } else { ',' });
            out.push_str(&serde_json::to_string(&name).expect("a string is JSON"));
            out.push(':');
            out.push_str(value.get());
        }
        if out.is_empty() {
            return None;
        }
        out.push('}');
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn only_what_is_not_of_this_hop_travels() {
        let meta = raw(
            r#"{"progressToken":1,"traceparent":"00-a","baggage":"a=b","io.modelcontextprotocol/clientInfo":{},"x.y/z":1.50}"#,
        );
        assert_eq!(
            Meta::travelling(Some(&meta)).as_deref(),
            Some(r#"{"traceparent":"00-a","x.y/z":1.50}"#)
        );
        assert_eq!(Meta::travelling(Some(&raw(r#"{"progressToken":1}"#))), None);
    }

    #[test]
    fn wrong_types_are_refused() {
        assert!(Meta::parse(Some(&raw("1"))).is_err());
        assert!(Meta::parse(Some(&raw(r#"{"progressToken":{}}"#))).is_err());
        assert!(
            Meta::parse(Some(&raw(
                r#"{"io.modelcontextprotocol/protocolVersion":3}"#
            )))
            .is_err()
        );
    }
}
