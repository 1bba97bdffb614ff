//! What kind of provider it is.

use std::time::Duration;

use super::programs::Programs;

/// How one provider behaves. Paths are those of the provider itself, so that a manifest's
/// addresses fit when only their origin is changed.
#[derive(Clone, Debug)]
pub struct Profile {
    pub shape: Shape,
    pub authorize_path: String,
    pub token_path: String,
    pub revocation: Option<Revocation>,
    /// Where the sites of an account are listed, and which: id, address, name.
    pub sites_path: Option<String>,
    pub sites: Vec<(String, String, String)>,
    pub clients: Vec<Registered>,
    /// How token requests must be written.
    pub body: Body,
    pub pkce: Pkce,
    pub rotation: Rotation,
    /// Whether a refresh ends the access token that there was.
    pub ends_old_access: bool,
    /// None: access tokens do not end.
    pub access_ttl: Option<Duration>,
    pub code_ttl: Duration,
    /// None: refresh tokens do not end by themselves.
    pub refresh_ttl: Option<Duration>,
    pub scope_separator: String,
    /// The parameters for bot and user, of a provider with two tokens.
    pub scope_params: Option<(String, String)>,
    /// Parameters without which the authorize page is an error.
    pub demanded: Vec<(String, String)>,
    /// Parameters, and a scope, without which there is no refresh token.
    pub offline: Vec<(String, String)>,
    pub offline_scope: Option<String>,
    /// The authorize page redirects at once, without asking anybody.
    pub consents_by_itself: Option<Consent>,
    /// What the protected resource answers; `{user}` in it is whose token it is.
    pub resource_body: String,
    /// For MCP servers: what it says about itself. None: there is no metadata.
    pub discovery: Option<Discovery>,
    pub programs: Programs,
}

/// The form of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As RFC 6749 has it.
    Standard,
    /// 200 with `ok`, two tokens.
    Slack,
    /// With names of the workspace, no end, no type that matters.
    Notion,
    /// As the standard, and sites.
    Atlassian,
    /// Errors with 200, and a form unless JSON is asked for.
    GitHub,
}

#[derive(Clone, Debug)]
pub struct Registered {
    pub id: String,
    pub secret: Option<String>,
    pub auth: Auth,
    /// Compared character by character.
    pub redirect_uris: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    Basic,
    Post,
    /// By one of [`Programs::keys`].
    PrivateKeyJwt,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Form,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    /// S256, from everybody.
    Required,
    /// Verified where a challenge was sent.
    Optional,
    /// A challenge is a mistake.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// There are no refresh tokens.
    None,
    /// One refresh token for good; answers to a refresh have none.
    Static,
    /// Each refresh gives a new one.
    Rotating(Reuse),
}

/// What a refresh token that was used already is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Nothing: the whole family is revoked.
    RevokesFamily,
    /// For so long after its first use the same new pair is given again; then as above.
    Window(Duration),
    /// It stays good until the new access token is used for the first time; then as above.
    UntilUsed,
}

#[derive(Clone, Debug)]
pub struct Revocation {
    /// `{client_id}` stands for the client.
    pub path: String,
    pub method: String,
    pub sign: Sign,
    pub body: Body,
    /// Empty: the token is the bearer.
    pub field: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Client,
    Basic,
    Bearer,
    None,
}

/// What a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub user: String,
    pub approve: bool,
    /// Grants only these of what is asked; none: all.
    pub scopes: Option<Vec<String>>,
}

impl Consent {
    pub fn approve(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            approve: true,
            scopes: None,
        }
    }

    pub fn deny(user: &str) -> Self {
        Self {
            approve: false,
            ..Self::approve(user)
        }
    }

    #[must_use]
    pub fn only(self, scopes: &[&str]) -> Self {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Self {
            scopes: Some(scopes),
            ..self
        }
    }
}

/// What an authorization server says about itself, and how far that is true.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The path of the protected MCP endpoint.
    pub resource_path: String,
    /// What the metadata of the resource says that the resource is; none: the truth.
    pub resource: Option<String>,
    /// Where that metadata is: at the address that the challenge names, the well-known path with
    /// the endpoint's path, or the root.
    pub in_challenge: bool,
    pub at_path: bool,
    pub at_root: bool,
    /// Further authorization servers that it names before this one.
    pub servers_before: Vec<String>,
    /// The issuer's path below this server, e.g. `/tenant`; may be empty.
    pub issuer_path: String,
    /// What the metadata says that the issuer is; none: the truth.
    pub issuer: Option<String>,
    /// Whether metadata is at the OAuth and at the OpenID Connect address.
    pub oauth_metadata: bool,
    pub openid_metadata: bool,
    pub s256: bool,
    pub scopes_supported: Option<Vec<String>>,
    /// What the challenge asks for.
    pub challenge_scope: Option<String>,
    pub registers: bool,
    /// Lets those who registered end that again (RFC 7592).
    pub unregisters: bool,
    /// Fetches documents that are clients' ids.
    pub fetches_clients: bool,
    /// Ways of client authentication at the token endpoint, by their words.
    pub auth_methods: Vec<String>,
    /// Says that each answer names the issuer.
    pub says_iss: bool,
    /// Really names it.
    pub sends_iss: bool,
    /// What it names then; none: the truth.
    pub iss: Option<String>,
    /// Scopes without which the resource answers 403 and a challenge.
    pub needed_scopes: Vec<String>,
    /// What calls of single tools need besides. Their challenge names no more than that.
    pub needed_of_tools: Vec<Needed>,
    /// The MCP server behind the resource, by plain HTTP on loopback: gets what comes with a good
    /// token.
    pub forwards_to: Option<String>,
}

/// What a tool of an MCP server needs.
#[derive(Clone, Debug)]
pub struct Needed {
    pub tool: String,
    pub scopes: Vec<String>,
    /// It is refused even to who has that.
    pub is_never_enough: bool,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            resource_path: "/mcp".to_owned(),
            resource: None,
            in_challenge: true,
            at_path: true,
            at_root: false,
            servers_before: Vec::new(),
            issuer_path: String::new(),
            issuer: None,
            oauth_metadata: true,
            openid_metadata: false,
            s256: true,
            scopes_supported: None,
            challenge_scope: None,
            registers: true,
            unregisters: true,
            fetches_clients: false,
            auth_methods: vec!["client_secret_basic".to_owned(), "none".to_owned()],
            says_iss: true,
            sends_iss: true,
            iss: None,
            needed_scopes: Vec::new(),
            needed_of_tools: Vec::new(),
            forwards_to: None,
        }
    }
}

impl Registered {
    /// A confidential client with one redirect address.
    pub fn new(id: &str, secret: &str, auth: Auth, redirect_uri: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: Some(secret.to_owned()),
            auth,
            redirect_uris: vec![redirect_uri.to_owned()],
        }
    }
}

impl Profile {
    /// RFC 6749 with rotating refresh tokens, PKCE, and an hour for access tokens.
    pub fn standard(client: Registered) -> Self {
        Self {
            shape: Shape::Standard,
            authorize_path: "/authorize".to_owned(),
            token_path: "/token".to_owned(),
            revocation: Some(Revocation {
                path: "/revoke".to_owned(),
                method: "POST".to_owned(),
                sign: Sign::Client,
                body: Body::Form,
                field: "token".to_owned(),
            }),
            sites_path: None,
            sites: Vec::new(),
            clients: vec![client],
            body: Body::Form,
            pkce: Pkce::Required,
            rotation: Rotation::Rotating(Reuse::RevokesFamily),
            ends_old_access: false,
            access_ttl: Some(Duration::from_secs(3600)),
            code_ttl: Duration::from_secs(60),
            refresh_ttl: None,
            scope_separator: " ".to_owned(),
            scope_params: None,
            demanded: Vec::new(),
            offline: Vec::new(),
            offline_scope: None,
            consents_by_itself: None,
            resource_body: r#"{"ok":true}"#.to_owned(),
            discovery: None,
            programs: Programs::default(),
        }
    }

    /// GitHub's addresses and manners; tokens of an OAuth app, which do not end.
    pub fn github(client: Registered) -> Self {
        Self {
            shape: Shape::GitHub,
            authorize_path: "/login/oauth/authorize".to_owned(),
            token_path: "/login/oauth/access_token".to_owned(),
            revocation: Some(Revocation {
                path: "/applications/{client_id}/token".to_owned(),
                method: "DELETE".to_owned(),
                sign: Sign::Basic,
                body: Body::Json,
                field: "access_token".to_owned(),
            }),
            pkce: Pkce::Optional,
            rotation: Rotation::None,
            access_ttl: None,
            ..Self::standard(client)
        }
    }

    /// GitLab's: rotating, and a refresh ends the old access token.
    pub fn gitlab(client: Registered) -> Self {
        Self {
            authorize_path: "/oauth/authorize".to_owned(),
            token_path: "/oauth/token".to_owned(),
            revocation: Some(Revocation {
                path: "/oauth/revoke".to_owned(),
                method: "POST".to_owned(),
                sign: Sign::Client,
                body: Body::Form,
                field: "token".to_owned(),
            }),
            ends_old_access: true,
            access_ttl: Some(Duration::from_secs(7200)),
            ..Self::standard(client)
        }
    }

    /// Slack's: a bot's token and a user's in one answer. With `rotation` other than `None` both
    /// have refresh tokens of their own.
    pub fn slack(client: Registered) -> Self {
        Self {
            shape: Shape::Slack,
            authorize_path: "/oauth/v2/authorize".to_owned(),
            token_path: "/api/oauth.v2.access".to_owned(),
            revocation: Some(Revocation {
                path: "/api/auth.revoke".to_owned(),
                method: "POST".to_owned(),
                sign: Sign::Bearer,
                body: Body::Form,
                field: String::new(),
            }),
            pkce: Pkce::Refused,
            rotation: Rotation::None,
            access_ttl: None,
            scope_separator: ",".to_owned(),
            scope_params: Some(("scope".to_owned(), "user_scope".to_owned())),
            ..Self::standard(client)
        }
    }

    /// Atlassian's: audience and consent demanded, JSON, rotating, sites.
    pub fn atlassian(client: Registered) -> Self {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        Self {
            shape: Shape::Atlassian,
            authorize_path: "/authorize".to_owned(),
            token_path: "/oauth/token".to_owned(),
            revocation: None,
            sites_path: Some("/oauth/token/accessible-resources".to_owned()),
            sites: vec![
                (
                    "cloud-1".to_owned(),
                    "https://one.atlassian.net".to_owned(),
                    "One".to_owned(),
                ),
                (
                    "cloud-2".to_owned(),
                    "https://two.atlassian.net".to_owned(),
                    "Two".to_owned(),
                ),
            ],
            body: Body::Json,
            pkce: Pkce::Refused,
            demanded: vec![
                pair("audience", "api.atlassian.com"),
                pair("prompt", "consent"),
            ],
            offline_scope: Some("offline_access".to_owned()),
            ..Self::standard(client)
        }
    }

    /// An MCP server with an authorization server that registers whoever comes.
    pub fn mcp() -> Self {
        let nobody = Registered {
            id: "nobody".to_owned(),
            secret: None,
            auth: Auth::None,
            redirect_uris: Vec::new(),
        };
        Self {
            clients: Vec::new(),
            discovery: Some(Discovery::default()),
            ..Self::standard(nobody)
        }
    }
}
