//! A connector as an engine runs it: paths and templates are parsed, names are indices, and only
//! what an engine really runs can be expressed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::{ToolDefinition, UpstreamInfo};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::closed::{
    ArgType, AuthKind, AuthPlace, Compare, ConditionalRequests, Effect, ErrorStyle, Hook,
    ListPlace, NextUrl, Redirect, ResetUnit, RetryAfter, TokenKind, ToolToken, Truncate, Unlisted,
};
use crate::manifest::OAuth2;
use crate::offer::{Prompt, Resource};
use crate::output::Output;
use crate::path::{ResultPath, WirePath};
use crate::template::{Constant, Template};

/// The revision of MCP in whose words native connectors answer.
const REVISION: &str = "2026-07-28";

/// A provider and the tools that its API offers.
#[derive(Clone, Debug)]
pub struct Connector {
    /// `github`: the connector's `type`, and what each tool's name begins with.
    pub name: String,
    pub display_name: String,
    pub category: String,
    /// One sentence on what the connector is for.
    pub summary: String,
    /// Without a slash at the end.
    pub base_url: String,
    /// What `{…}` in it stand for; such a URL is of no use until a connection says what they are.
    pub base_url_variables: BTreeMap<String, String>,
    /// Templates of other base URLs by what they are for, e.g. a self-hosted server.
    pub base_url_alternatives: BTreeMap<String, String>,
    /// Sent with each request unless the tool says otherwise.
    pub headers: BTreeMap<String, String>,
    pub auth: Auth,
    pub rate_limit: RateLimit,
    pub errors: Errors,
    /// What is left out of results.
    pub output: Output,
    /// What an administrator should know of the provider.
    pub notes: Vec<String>,
    /// In the manifest's order.
    pub tools: Vec<Tool>,
    pub(crate) by_name: HashMap<String, usize>,
    pub resources: Vec<Resource>,
    pub prompts: Vec<Prompt>,
}

impl Connector {
    /// What a connection's own base URL looks like, where the connector's serves none because it
    /// has variables.
    pub fn own_base_url(&self) -> Option<&str> {
        let example = self.base_url_alternatives.values().next();
        let example = example.unwrap_or(&self.base_url);
        (!self.base_url_variables.is_empty()).then_some(example)
    }

    /// What the connector declares besides tools; nothing of one that has no more.
    pub fn server_info(&self) -> Option<UpstreamInfo> {
        let mut declared = Map::new();
        let names = [
            (true, "tools"),
            (!self.resources.is_empty(), "resources"),
            (!self.prompts.is_empty(), "prompts"),
            (true, "completions"),
        ];
        for (_, name) in names.into_iter().filter(|(has, _)| *has) {
            declared.insert(name.to_owned(), Value::Object(Map::new()));
        }
        if self.resources.is_empty() && self.prompts.is_empty() {
            return None;
        }
        let capabilities = RawValue::from_string(Value::Object(declared).to_string()).ok()?;
        Some(UpstreamInfo {
            version: REVISION.to_owned(),
            capabilities,
            instructions: None,
            tool_list: None,
        })
    }

    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).map(|at| &self.tools[*at])
    }
}

/// How one signs in.
#[derive(Clone, Debug)]
pub struct Auth {
    /// In order of preference.
    pub methods: Vec<AuthMethod>,
    pub oauth2: Option<OAuth2>,
    pub refusals: Refusals,
    pub notes: Vec<String>,
}

/// How the provider says that it is the credential that it refuses, where the status does not.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    /// Words in the body of an error: the token is not taken.
    pub token: Vec<String>,
    /// The same: the token is good, but its grant is too small.
    pub scope: Vec<String>,
    /// Where the body says which scopes are missing.
    pub needed: Option<ResultPath>,
    /// The header field that names the scopes of which one would have been enough.
    pub accepted_scopes_header: Option<String>,
}

/// One way to sign in, and where its credential goes.
#[derive(Clone, Debug)]
pub struct AuthMethod {
    pub kind: AuthKind,
    pub label: Option<String>,
    pub place: AuthPlace,
    /// The header field, or the member of the body.
    pub name: String,
    pub format: Vec<CredentialPart>,
    pub token_kind: Option<TokenKind>,
    /// What its tokens begin with, by which a pasted one is known.
    pub begins: Vec<String>,
    /// What the user name and the password of `basic` are.
    pub username: Option<String>,
    pub password: Option<String>,
    /// The base URL that goes with this method instead of the connector's.
    pub base_url: Option<String>,
    /// The method is for requests whose path begins so.
    pub path_prefix: Option<String>,
    /// What a program asks for whose tokens have one fixed scope.
    pub scope: Option<String>,
    /// Where a program gets its tokens, if that is not `OAuth2::token_url`.
    pub token_url: Option<String>,
    /// Those of `OAuth2::url_variables` that a program must be told.
    pub needs: Vec<String>,
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPart {
    Text(String),
    Token,
    /// Base64 of `username:password`; the stored token is that pair.
    Pair,
}

/// How the provider limits callers, and how it says so.
#[derive(Clone, Debug)]
pub struct RateLimit {
    pub statuses: Vec<u16>,
    pub retry_after: RetryAfter,
    pub remaining_header: Option<String>,
    pub reset_header: Option<(String, ResetUnit)>,
    /// Further header fields by what they tell: `limit`, `bucket` …
    pub other_headers: BTreeMap<&'static str, String>,
    /// Where a body says how many seconds to wait.
    pub body_retry_after: Option<ResultPath>,
    /// Where a body says why, and the reasons that mean "later": without one of them an answer
    /// with a status of the list is no limit.
    pub reasons: Option<(ResultPath, Vec<String>)>,
    /// Placeholders of paths: what each of their values names has a quota of its own.
    pub bucket_path_params: Vec<String>,
    /// One write at a time with each credential.
    pub serial_writes: bool,
    /// Placeholders of paths: one call at a time for what their values name together.
    pub serial_path_params: Vec<String>,
    /// Requests with one credential that the provider takes at once; none where it does not say.
    pub requests_at_once: Option<u32>,
    pub conditional_requests: Option<ConditionalRequests>,
    pub note: Option<String>,
}

/// How the provider says that a call failed, and where the reason stands.
#[derive(Clone, Debug)]
pub struct Errors {
    pub style: ErrorStyle,
    pub ok: Option<ResultPath>,
    pub code: Option<ResultPath>,
    pub status: Option<ResultPath>,
    pub message: Option<ResultPath>,
    /// Member name to show, and where it stands.
    pub details: Vec<(String, ResultPath)>,
    pub note: Option<String>,
}

/// One operation for a model to call.
#[derive(Clone, Debug)]
pub struct Tool {
    pub name: String,
    pub title: String,
    pub description: String,
    pub effect: Effect,
    /// Repeating it adds nothing, so it may be retried.
    pub idempotent: bool,
    pub deprecated: bool,
    /// Whether the provider's machine-readable description has it; else `docs` names the page.
    pub verified: bool,
    pub operation: Option<String>,
    pub docs: Option<String>,
    pub scopes: Scopes,
    pub token: Option<ToolToken>,
    pub args: Vec<Arg>,
    /// Groups of which at least one argument must be given.
    pub require_one_of: Vec<Vec<usize>>,
    pub call: Call,
    pub pages: Option<Pages>,
    pub response: Response,
    pub hook: Option<Hook>,
    pub hook_params: Map<String, Value>,
    /// Further calls that the hook makes.
    pub steps: Vec<Step>,
    /// `query.name` of constants that the provider's description lacks.
    pub unlisted_const: Vec<String>,
    /// JSON Schema 2020-12 of the arguments.
    pub input_schema: Value,
    /// The MCP tool annotations.
    pub annotations: Value,
    pub(crate) definition: ToolDefinition,
}

impl Tool {
    /// What `tools/list` shows.
    pub fn definition(&self) -> ToolDefinition {
        self.definition.clone()
    }
}

/// What a token must be allowed to do.
#[derive(Clone, Debug, Default)]
pub struct Scopes {
    /// The least set to ask for.
    pub all: Vec<String>,
    /// Any one of these is enough.
    pub any: Vec<String>,
    /// Application permissions.
    pub app: Vec<String>,
    /// Scopes of a bot token.
    pub bot: Vec<String>,
    /// Permissions of the bot in the server it is in.
    pub bot_permissions: Vec<String>,
    pub note: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Arg {
    pub name: String,
    pub aliases: Vec<String>,
    pub description: String,
    pub kind: ArgType,
    /// Of an array's elements.
    pub item_kind: Option<ArgType>,
    pub required: bool,
    /// Sent when the caller gives nothing.
    pub default: Option<Value>,
    /// A string is split at commas.
    pub accepts_csv: bool,
    /// Argument value (as text) to the provider's value.
    pub value_map: BTreeMap<String, Value>,
    pub target: Target,
    pub change: Option<Change>,
    /// One request becomes several, whose results are joined.
    pub spread: Option<Spread>,
    /// Sent only then.
    pub when: Option<When>,
    pub unlisted: Option<Unlisted>,
}

/// Where an argument goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The placeholder of that name.
    Path(String),
    Query(String),
    Header(String),
    Body(Landing),
    Variable(Landing),
    /// Only into templates and conditions.
    Template,
    /// Only to the hook.
    Hook,
    /// The part of a multipart body that is no JSON.
    Media,
    /// Accepted for callers of old, never sent.
    Ignored,
    /// Not sent: the last day of an argument that spreads by days.
    LastDay,
    /// Not sent: which slice of the joined result is shown, counted from 1.
    Slice,
    /// Not sent: items of one slice.
    SliceSize,
    /// Not sent: which page, counted from 1, of a list that can only be walked.
    WalkedPage,
    /// Not sent: the members to show (`fields`).
    Fields,
    /// Not sent: whether all is shown that the provider says (`full`).
    Full,
    /// Not sent: items whose value there does not compare are left out of the result.
    ItemFilter(ResultPath, Compare),
}

/// Where a value lands in a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Landing {
    pub path: WirePath,
    /// The value is an object whose members join the one that stands there.
    pub merge: bool,
    /// A second place for the same value.
    pub also: Option<WirePath>,
}

/// What is done to a value before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    RawSlashes,
    OdataQuote,
    /// A text in double quotes; those in it and backslashes are escaped. One that the caller has
    /// quoted stays.
    DoubleQuote,
    PercentEncode,
    ZoomUuid,
    BracedUuid,
    Base64Encode,
    /// Only for a whole raw body: it holds the bytes that the text stands for.
    Base64Decode,
    /// Atlassian Document Format.
    MarkdownToAdf,
    /// Confluence's storage format.
    MarkdownToStorage,
    JoinCsv,
    ToArray,
    NamesToObjects,
    /// The word `none` becomes null, which empties what the provider has.
    NoneToNull,
    UuidObjects,
    DateToRfc3339,
    DateToEpochMs,
}

/// How one argument makes several requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// One for each day (UTC) from the value to that of the argument with [`Target::LastDay`], or
    /// for that day alone.
    Days,
    /// One for each element.
    Each,
}

/// A condition on which arguments the caller gave; all parts must hold. Arguments are indices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    pub given: Vec<usize>,
    pub given_any: Vec<usize>,
    pub absent: Vec<usize>,
    /// With defaults counted in.
    pub equals: Vec<(usize, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// How a tool becomes a request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Instead of the connector's; not replaced by the connection's own base URL.
    pub base_url: Option<String>,
    pub request: Request,
    /// The first whose condition holds replaces `request`.
    pub variants: Vec<(When, Request)>,
    /// Of the part of a multipart body that is no JSON.
    pub media_type: Option<String>,
    pub const_query: Vec<(String, Constant)>,
    pub const_header: Vec<(String, Template)>,
    pub const_body: Vec<(WirePath, Constant)>,
    /// Added, and stronger than the constants above, when the condition holds.
    pub const_when: Vec<ConstWhen>,
    /// The document; variables come from arguments.
    pub graphql: Option<String>,
}

#[derive(Clone, Debug)]
pub struct ConstWhen {
    pub when: When,
    pub query: Vec<(String, Constant)>,
    pub header: Vec<(String, Template)>,
    pub body: Vec<(WirePath, Constant)>,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: Vec<PathPart>,
    /// As the manifest (and the provider's description) writes it.
    pub path_text: String,
    pub encoding: Encoding,
    /// Instead of the encoding's own media type; a raw body has no other.
    pub content_type: Option<String>,
    pub operation: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPart {
    Text(String),
    /// The value of an argument.
    Arg(usize),
    /// A constant of the manifest; what arguments insert is encoded, the rest stands.
    Template(Template),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Json,
    /// Nested values are JSON texts.
    Form,
    /// The value that lands on the whole body, as it is.
    Raw,
    /// The JSON of the body, then the media argument (RFC 2387).
    MultipartRelated,
}

/// A further call of a hook.
#[derive(Clone, Debug)]
pub struct Step {
    pub method: Method,
    pub path_text: String,
    pub operation: Option<String>,
}

/// How a list is paged.
#[derive(Clone, Debug)]
pub struct Pages {
    pub profile: Arc<Pagination>,
    /// The list in the answer.
    pub items: ResultPath,
    /// Follow pages until so many items are there; none: one page a call.
    pub follow: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Pagination {
    pub kind: PageKind,
    pub size_param: Option<String>,
    pub max_size: Option<u32>,
    pub note: Option<String>,
}

#[derive(Clone, Debug)]
pub enum PageKind {
    /// RFC 8288 `Link: <…>; rel="next"`.
    LinkHeader {
        page_param: Option<String>,
        next_page_header: Option<String>,
        total_header: Option<String>,
    },
    NextUrl {
        next: ResultPath,
        url: NextUrl,
        page_param: Option<String>,
        cursor_param: Option<String>,
    },
    Cursor {
        param: PageParam,
        next: ResultPath,
        more: Option<ResultPath>,
        last: Option<ResultPath>,
    },
    Keyset {
        param: PageParam,
        key: ResultPath,
        more: Option<ResultPath>,
    },
    PageNumber {
        param: PageParam,
        first: i64,
        more: Option<ResultPath>,
        pages: Option<ResultPath>,
        total: Option<ResultPath>,
    },
    Offset {
        param: PageParam,
        total: Option<ResultPath>,
        last: Option<ResultPath>,
    },
    /// GraphQL connections: `pageInfo` beside the items.
    Relay { first: String, after: String },
}

/// The parameter that chooses a page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageParam {
    pub place: ListPlace,
    pub name: String,
}

/// What becomes of an answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub kind: Answer,
    /// The useful part.
    pub items: Option<ResultPath>,
    /// Fields that hold Base64 and are shown as text where they are text.
    pub base64_fields: Vec<(ResultPath, Base64Alphabet)>,
    /// Names of members that are never shown, at any depth.
    pub redact_fields: Vec<String>,
    /// Only items whose value there ends so.
    pub filter: Option<(ResultPath, Vec<String>)>,
    /// What a 202 means.
    pub later: Option<Later>,
    pub redirect: Option<Redirect>,
    /// Nothing of it is left out.
    pub whole: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Json,
    /// Cut at the engine's bound; without an end to keep a longer text is an error.
    Text {
        truncate: Option<Truncate>,
    },
    /// A file.
    Bytes,
    /// A file, or JSON where the answer says so.
    BytesOrJson,
    /// These header fields are the result.
    Headers(Vec<String>),
    /// JSON with links to files that hold the items, one JSON value a line.
    ReportLinks(ResultPath),
    Empty,
}

/// How the end of a call that was only accepted is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// Not at all: the provider goes on by itself.
    Unknown,
    /// By asking at the answer's `Location`.
    Location {
        /// The address is none of the API's and gets no credential.
        signed: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64Alphabet {
    Standard,
    Url,
}
