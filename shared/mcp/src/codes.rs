//! JSON-RPC error codes and which era may see them.

/// No JSON at all.
pub const PARSE_ERROR: i64 = -32700;
/// JSON, but no request.
pub const INVALID_REQUEST: i64 = -32600;
pub const METHOD_NOT_FOUND: i64 = -32601;
pub const INVALID_PARAMS: i64 = -32602;
pub const INTERNAL_ERROR: i64 = -32603;

/// Modern: a header is missing, or says something else than the body.
pub const HEADER_MISMATCH: i64 = -32020;
/// Modern: the request needs a client capability that it did not declare.
pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
/// Modern: no such protocol version here; data lists those there are.
pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;

/// Legacy only: there is no such resource.
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// Legacy 2025-11-25 only: the caller must open an URL first.
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
