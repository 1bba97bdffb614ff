//! The same server over standard input and output, with the tools of `/tools/3`.

use std::io::{BufRead, Write};

use serde_json::value::RawValue;

use super::Message;
use super::answers::{INITIALIZED, echo, many};

/// Answers until its input ends.
///
/// # Errors
/// Nobody reads its output.
pub(super) fn serve() -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Ok(message) = serde_json::from_str::<Message<'_>>(&line) else {
            continue;
        };
        let Some(id) = message.id.map(RawValue::get) else {
            continue;
        };
        let params = message.params.unwrap_or_default();
        let end = match message.method {
            "initialize" => format!(r#""result":{INITIALIZED}"#),
            "tools/list" => format!(r#""result":{}"#, many(3)),
            "tools/call" => {
                let arguments = params.arguments.map_or("{}", RawValue::get);
                format!(r#""result":{}"#, echo(arguments))
            }
            "ping" => r#""result":{}"#.to_owned(),
            _ => r#""error":{"code":-32601,"message":"no such method"}"#.to_owned(),
        };
        writeln!(out, r#"{{"jsonrpc":"2.0","id":{id},{end}}}"#)?;
    }
    Ok(())
}
