//! The closed lists of the format. Adding a word to one is a change of the format;
//! `docs/connectors/manifest-format.md` says what each word means.

use domain::AccountMethod;
use serde::Deserialize;

macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
        pub enum $name {
            $(#[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word that a manifest uses.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

closed!(
    /// How a connector's request bodies are written unless a tool says otherwise.
    ConnectorEncoding { Json = "json", Form = "form", }
);
closed!(
    /// How one tool's request body is written.
    ToolEncoding {
        Json = "json", Form = "form", Raw = "raw", MultipartRelated = "multipart_related",
    }
);
closed!(
    /// What a tool does to the provider's data.
    Effect { Read = "read", Write = "write", Destructive = "destructive", }
);
closed!(
    /// The kinds of sign-in.
    AuthKind {
        OAuth2Code = "oauth2_code",
        OAuth2ClientCredentials = "oauth2_client_credentials",
        OAuth2JwtBearer = "oauth2_jwt_bearer",
        OAuth2AccountCredentials = "oauth2_account_credentials",
        AppInstallation = "app_installation",
        Token = "token",
        Basic = "basic",
        BodyKey = "body_key",
    }
);
impl AuthKind {
    /// The kind that made an account; none for a credential that was pasted, which says itself
    /// what it is.
    pub const fn of_account(method: AccountMethod) -> Option<Self> {
        match method {
            AccountMethod::OAuth => Some(Self::OAuth2Code),
            AccountMethod::Token => None,
            AccountMethod::ClientCredentials => Some(Self::OAuth2ClientCredentials),
            AccountMethod::JwtBearer => Some(Self::OAuth2JwtBearer),
            AccountMethod::AccountCredentials => Some(Self::OAuth2AccountCredentials),
            AccountMethod::AppInstallation => Some(Self::AppInstallation),
        }
    }

    /// Whether a program signs in by itself, with what an administrator was given.
    pub const fn is_programs_own(self) -> bool {
        matches!(
            self,
            Self::OAuth2ClientCredentials
                | Self::OAuth2JwtBearer
                | Self::OAuth2AccountCredentials
                | Self::AppInstallation
        )
    }
}

closed!(
    /// Where a credential goes.
    AuthPlace { Header = "header", Body = "body", }
);
/// Whose token a sign-in method yields.
pub use domain::TokenKind;

closed!(
    /// Whose token a tool needs; `none` sends no credential.
    ToolToken { Bot = "bot", User = "user", None = "none", }
);
closed!(
    /// How an OAuth client proves itself.
    ClientAuth {
        SecretBasic = "client_secret_basic",
        SecretPost = "client_secret_post",
        PrivateKeyJwt = "private_key_jwt",
    }
);
closed!(
    /// How a token request is written.
    TokenRequest { Form = "form", Json = "json", }
);
closed!(
    /// Whether the provider does PKCE; `public_only` is for clients without a secret alone.
    Pkce {
        S256 = "S256",
        PublicOnly = "public_only",
        Unsupported = "unsupported",
        Undocumented = "undocumented",
    }
);
closed!(
    /// How a revocation is sent.
    RevokeMethod { Post = "POST", Delete = "DELETE", }
);
closed!(
    /// What a revocation is signed with: as token requests are, with id and secret in the header,
    /// with the token itself, or not at all.
    RevokeSign { Client = "client", Basic = "basic", Bearer = "bearer", None = "none", }
);
closed!(
    /// Which tokens a revocation takes.
    RevokeTokens { All = "all", Access = "access", }
);
closed!(
    /// What becomes of a refresh token when it is used.
    Rotation { None = "none", Static = "static", Rotating = "rotating", Optional = "optional", }
);
closed!(
    /// How `Retry-After` is written; `seconds` may have a fraction, and an HTTP date is always
    /// understood.
    RetryAfter { Seconds = "seconds", SecondsOrIso8601 = "seconds_or_iso8601", None = "none", }
);
closed!(
    /// What the reset header counts in.
    ResetUnit {
        EpochSeconds = "epoch_seconds",
        EpochMilliseconds = "epoch_milliseconds",
        DeltaSeconds = "delta_seconds",
        Iso8601 = "iso8601",
        DurationText = "duration_text",
    }
);
closed!(
    /// Whether a conditional request is free of the rate limit.
    ConditionalRequests { EtagFree = "etag_free", }
);
closed!(
    /// Where a page parameter goes.
    ListPlace { Query = "query", Body = "body", }
);
closed!(
    /// How the next page's address is written in a body.
    NextUrl { Absolute = "absolute", Relative = "relative", }
);
closed!(
    /// How the provider says that a call failed.
    ErrorStyle {
        HttpStatus = "http_status",
        Http200OkFalse = "http_200_ok_false",
        GraphQlErrors = "graphql_errors",
    }
);
closed!(
    /// Where an argument goes.
    Place {
        Path = "path",
        Query = "query",
        Header = "header",
        Body = "body",
        Variable = "variable",
        Media = "media",
        Template = "template",
        Engine = "engine",
        Code = "code",
    }
);
closed!(
    /// An argument's JSON type.
    ArgType {
        String = "string",
        Integer = "integer",
        Number = "number",
        Boolean = "boolean",
        Array = "array",
        Object = "object",
    }
);
closed!(
    /// What is done to an argument's value on its way to the provider.
    Transform {
        RawSlashes = "raw_slashes",
        OdataQuote = "odata_quote",
        DoubleQuote = "double_quote",
        PercentEncode = "percent_encode",
        ZoomUuid = "zoom_uuid",
        BracedUuid = "braced_uuid",
        Base64Encode = "base64_encode",
        Base64Decode = "base64_decode",
        JoinCsv = "join_csv",
        ToArray = "to_array",
        NamesToObjects = "names_to_objects",
        NoneToNull = "none_to_null",
        UuidObjects = "uuid_objects",
        Merge = "merge",
        DateToRfc3339 = "date_to_rfc3339",
        DateToEpochMs = "date_to_epoch_ms",
        MarkdownToAdf = "markdown_to_adf",
        MarkdownToStorage = "markdown_to_storage",
        BitbucketDescription = "bitbucket_description",
        IterateDays = "iterate_days",
        RangeEnd = "range_end",
        FanOut = "fan_out",
        ClientFilter = "client_filter",
        ClientPage = "client_page",
        EmulatePage = "emulate_page",
        Ignored = "ignored",
    }
);
closed!(
    /// How `client_filter` compares an item's value with the argument.
    Compare { Eq = "eq", Gte = "gte", Lte = "lte", In = "in", }
);
closed!(
    /// Why the provider's description lacks an argument that is sent all the same.
    Unlisted {
        Documented = "documented",
        Global = "global",
        FreeForm = "free_form",
        Sdk = "sdk",
        Optional = "optional",
    }
);
closed!(
    /// What a successful answer is.
    ResponseKind {
        Json = "json",
        Text = "text",
        Bytes = "bytes",
        BytesOrJson = "bytes_or_json",
        Headers = "headers",
        ReportLinks = "report_links",
        Empty = "empty",
    }
);
closed!(
    /// Which end of a text that is too long is kept.
    Truncate { Head = "head", Tail = "tail", }
);
closed!(
    /// What happens to the credential when an answer redirects. It never goes to another origin;
    /// `drop_auth` says that other hosts are expected.
    Redirect { DropAuth = "drop_auth", KeepAuthSameHost = "keep_auth_same_host", }
);
closed!(
    /// How a file behind a report link is written.
    LinkFormat { Ndjson = "ndjson", }
);
closed!(
    /// How the end of a call that was only accepted is learnt.
    Poll { None = "none", Location = "location", LocationNoAuth = "location_no_auth", }
);
closed!(
    /// The code hooks, for what data cannot say.
    Hook {
        BlankOoxml = "blank_ooxml",
        BlockTypeKey = "block_type_key",
        BlocksToText = "blocks_to_text",
        BuildPptx = "build_pptx",
        CalendarRsvp = "calendar_rsvp",
        ChatMembers = "chat_members",
        CodingMetrics = "coding_metrics",
        CopilotReportSummary = "copilot_report_summary",
        CreateThenInsert = "create_then_insert",
        CursorUserEmail = "cursor_user_email",
        DecodeMime = "decode_mime",
        DocsToText = "docs_to_text",
        FieldMask = "field_mask",
        GithubRepoStats = "github_repo_stats",
        GithubUserStats = "github_user_stats",
        HydrateMessages = "hydrate_messages",
        InactiveSeats = "inactive_seats",
        MarkdownToBlocks = "markdown_to_blocks",
        MultiStepUpload = "multi_step_upload",
        NotionParentAndBlocks = "notion_parent_and_blocks",
        PptxListSlides = "pptx_list_slides",
        PptxToText = "pptx_to_text",
        ResolveDataSource = "resolve_data_source",
        Rfc2822 = "rfc2822",
        Rfc2822Forward = "rfc2822_forward",
        Rfc2822Reply = "rfc2822_reply",
        SkipDeleteWhenEmpty = "skip_delete_when_empty",
        SlidesSpeakerNotes = "slides_speaker_notes",
        SlidesToText = "slides_to_text",
        WindsurfDerived = "windsurf_derived",
        WindsurfQueryRequests = "windsurf_query_requests",
    }
);

/// What the result of a tool with a hook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookAnswer {
    /// The provider's answer, as data make it.
    Provider,
    /// JSON of its own, with nothing behind it that could be shown besides.
    Figures,
    /// JSON of its own that shows a part of what the provider said.
    Digest,
    /// Mostly text.
    Text,
}

impl Hook {
    /// What its result is.
    pub const fn answer(self) -> HookAnswer {
        match self {
            Self::BlocksToText | Self::DocsToText | Self::PptxToText | Self::SlidesToText => {
                HookAnswer::Text
            }
            Self::CodingMetrics
            | Self::CopilotReportSummary
            | Self::PptxListSlides
            | Self::SlidesSpeakerNotes
            | Self::WindsurfDerived => HookAnswer::Figures,
            Self::DecodeMime
            | Self::GithubRepoStats
            | Self::GithubUserStats
            | Self::HydrateMessages
            | Self::InactiveSeats
            | Self::MarkdownToBlocks => HookAnswer::Digest,
            _ => HookAnswer::Provider,
        }
    }

    /// How many further calls a tool with this hook must name at least.
    pub const fn steps(self) -> usize {
        match self {
            Self::BlocksToText | Self::NotionParentAndBlocks => 2,
            Self::CalendarRsvp
            | Self::CreateThenInsert
            | Self::HydrateMessages
            | Self::MultiStepUpload
            | Self::ResolveDataSource
            | Self::Rfc2822Forward
            | Self::Rfc2822Reply
            | Self::SkipDeleteWhenEmpty => 1,
            _ => 0,
        }
    }
}

closed!(
    /// What may be done to an argument inside a template.
    Filter { DriveQuote = "drive_quote", OdataQuote = "odata_quote", }
);
