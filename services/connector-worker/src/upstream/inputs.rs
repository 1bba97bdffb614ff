//! What a server may ask of a client in mid-call: three kinds of requests, each only if the client
//! declared it.

use std::borrow::Cow;

use bytes::Bytes;
use mcp::{ClientCapabilities, codes};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::related::without_task;

/// A request of a server, read as far as needed.
#[derive(Clone, Debug)]
pub(super) struct Input<'a> {
    pub(super) method: Cow<'a, str>,
    pub(super) params: Option<&'a RawValue>,
}

/// A request that is not to be passed on, as the JSON-RPC error for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undeclared {
    pub(super) code: i64,
    pub(super) message: &'static str,
}

/// There is no such method here.
pub(super) const NO_METHOD: Undeclared = Undeclared {
    code: codes::METHOD_NOT_FOUND,
    message: "Method not found: this client declared no such capability",
};

/// The call that was to be asked has ended, or nobody waits for it any more.
pub(super) const OVER: Undeclared = Undeclared {
    code: codes::INTERNAL_ERROR,
    message: "Internal error: the call is over",
};

impl Undeclared {
    /// The response with the server's own id, raw.
    pub(super) fn response(&self, id: &str) -> Bytes {
        mcp::error_response(id, self.code, self.message, None)
    }
}

impl<'a> Input<'a> {
    /// The request without its envelope, params as they came but for the name of their task.
    pub(super) fn to_json(&self) -> Bytes {
        let method = serde_json::to_string(&self.method).expect("a string is JSON");
        let params = self.params.map_or("{}", RawValue::get);
        let params = without_task(Bytes::copy_from_slice(params.as_bytes()));
        let params = String::from_utf8_lossy(&params);
        Bytes::from(format!(r#"{{"method":{method},"params":{params}}}"#))
    }

    /// Reads `{"method":…,"params":…}`.
    pub(super) fn parse(raw: &'a RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            method: Cow<'a, str>,
            #[serde(borrow, default)]
            params: Option<&'a RawValue>,
        }
        let wire: Wire<'a> = serde_json::from_str(raw.get()).ok()?;
        Some(Self {
            method: wire.method,
            params: wire.params,
        })
    }
}

/// What a server is told that asks a client who declared nothing.
pub(super) fn undeclared(input: &Input<'_>) -> Undeclared {
    let refused = kind_of(input, &ClientCapabilities::default());
    refused.err().unwrap_or(NO_METHOD)
}

/// Whether a client with `capabilities` may be asked this.
///
/// # Errors
/// It may not: what the server is to be told instead.
pub(super) fn kind_of(
    input: &Input<'_>,
    capabilities: &ClientCapabilities,
) -> Result<(), Undeclared> {
    const NO_MODE: Undeclared = Undeclared {
        code: codes::INVALID_PARAMS,
        message: "Invalid params: this client declared no such elicitation mode",
    };
    match &*input.method {
        "roots/list" if capabilities.roots => Ok(()),
        "sampling/createMessage" if capabilities.sampling => Ok(()),
        // A client without elicitation has declared none of its modes.
        "elicitation/create" => {
            let can = match is_url(input.params) {
                true => capabilities.elicitation_url,
                false => capabilities.elicitation_form,
            };
            can.then_some(()).ok_or(NO_MODE)
        }
        _ => Err(NO_METHOD),
    }
}

/// Whether params of `elicitation/create` want an URL to be opened; forms need name no mode.
pub(super) fn is_url(params: Option<&RawValue>) -> bool {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, default)]
        mode: Option<Cow<'a, str>>,
    }
    params
        .and_then(|params| serde_json::from_str::<Head<'_>>(params.get()).ok())
        .is_some_and(|head| head.mode.as_deref() == Some("url"))
}
