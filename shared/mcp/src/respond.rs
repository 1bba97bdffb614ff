//! Writing JSON-RPC messages around raw parts.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;

/// `{"jsonrpc":"2.0","id":…,"result":…}`; both parts are raw JSON.
pub fn result_response(id: &str, result: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(32 + id.len() + result.len());
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(id.as_bytes());
    out.put_slice(b",\"result\":");
    out.put_slice(result);
    out.put_u8(b'}');
    out.freeze()
}

/// A JSON-RPC error answer; `id` is raw JSON, `null` when the request's could not be read, and
/// `data` is raw JSON.
pub fn error_response(id: &str, code: i64, message: &str, data: Option<&[u8]>) -> Bytes {
    let message = serde_json::to_string(message).expect("a string is JSON");
    let mut out = BytesMut::with_capacity(80 + id.len() + message.len());
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(id.as_bytes());
    out.put_slice(b",\"error\":{\"code\":");
    out.put_slice(code.to_string().as_bytes());
    out.put_slice(b",\"message\":");
    out.put_slice(message.as_bytes());
    if let Some(data) = data {
        out.put_slice(b",\"data\":");
        out.put_slice(data);
    }
    out.put_slice(b"}}");
    out.freeze()
}

/// A JSON-RPC error answer; both parts are raw JSON, `error` an object.
pub fn raw_error_response(id: &str, error: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(32 + id.len() + error.len());
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(id.as_bytes());
    out.put_slice(b",\"error\":");
    out.put_slice(error);
    out.put_u8(b'}');
    out.freeze()
}

/// A notification; `params` is a raw JSON object.
pub fn notification(method: &str, params: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(48 + method.len() + params.len());
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"method\":\"");
    out.put_slice(method.as_bytes());
    out.put_slice(b"\",\"params\":");
    out.put_slice(params);
    out.put_u8(b'}');
    out.freeze()
}

/// A request with a number of ours as its id; `params` is a raw JSON object.
pub fn request(id: u64, method: &str, params: &RawValue) -> Bytes {
    let params = params.get().as_bytes();
    let mut out = BytesMut::with_capacity(64 + method.len() + params.len());
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.put_slice(id.to_string().as_bytes());
    out.put_slice(b",\"method\":\"");
    out.put_slice(method.as_bytes());
    out.put_slice(b"\",\"params\":");
    out.put_slice(params);
    out.put_u8(b'}');
    out.freeze()
}
