//! What an MCP server and its authorization server say about themselves, and how clients become
//! known there.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::profile::{Auth, Discovery, Profile, Registered};
use super::serve::Server;
use super::wire::{Reply, Seen};

/// Where the challenge says that the resource's metadata is.
const NAMED_BY_CHALLENGE: &str = "/about-the-resource";

impl Server {
    /// The true identifier of the protected resource.
    pub(super) fn resource(&self, profile: &Profile) -> String {
        let path = profile.discovery.as_ref().map_or("", |d| &d.resource_path);
        format!("{}{path}", self.base)
    }

    /// The true issuer.
    pub(super) fn issuer(&self, profile: &Profile) -> String {
        let path = profile.discovery.as_ref().map_or("", |d| &d.issuer_path);
        format!("{}{path}", self.base)
    }

    /// A document about this server, where one is asked for.
    pub(super) fn document(&self, profile: &Profile, seen: &Seen) -> Option<Reply> {
        let discovery = profile.discovery.as_ref()?;
        let well_known = "/.well-known/oauth-protected-resource";
        let path = seen.path.as_str();
        let issuer = discovery.issuer_path.as_str();
        let is_resource = (discovery.in_challenge && path == NAMED_BY_CHALLENGE)
            || (discovery.at_path && path == format!("{well_known}{}", discovery.resource_path))
            || (discovery.at_root && path == well_known);
        let is_server = (discovery.oauth_metadata
            && path == format!("/.well-known/oauth-authorization-server{issuer}"))
            || (discovery.openid_metadata
                && path == format!("{issuer}/.well-known/openid-configuration"));
        if is_resource {
            return Some(Reply::json(200, &self.about_resource(profile, discovery)));
        }
        if is_server {
            return Some(Reply::json(200, &self.about_server(profile, discovery)));
        }
        path.starts_with("/.well-known/")
            .then(|| Reply::json(404, &json!({ "error": "not_found" })))
    }

    fn about_resource(&self, profile: &Profile, discovery: &Discovery) -> Value {
        let mut servers = discovery.servers_before.clone();
        servers.push(self.issuer(profile));
        let truth = self.resource(profile);
        let mut about = json!({
            "resource": discovery.resource.clone().unwrap_or(truth),
            "authorization_servers": servers,
            "bearer_methods_supported": ["header"],
        });
        if let Some(scopes) = &discovery.scopes_supported {
            about["scopes_supported"] = json!(scopes);
        }
        about
    }

    fn about_server(&self, profile: &Profile, discovery: &Discovery) -> Value {
        let at = |path: &str| format!("{}{path}", self.base);
        let truth = self.issuer(profile);
        let mut about = json!({
            "issuer": discovery.issuer.clone().unwrap_or(truth),
            "authorization_endpoint": at(&profile.authorize_path),
            "token_endpoint": at(&profile.token_path),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": discovery.auth_methods,
        });
        if let Some(revocation) = &profile.revocation {
            about["revocation_endpoint"] = json!(at(&revocation.path));
        }
        if discovery.s256 {
            about["code_challenge_methods_supported"] = json!(["S256"]);
        }
        if discovery.registers {
            about["registration_endpoint"] = json!(at("/register"));
        }
        if discovery.fetches_clients {
            about["client_id_metadata_document_supported"] = json!(true);
        }
        if discovery.says_iss {
            about["authorization_response_iss_parameter_supported"] = json!(true);
        }
        if let Some(scopes) = &discovery.scopes_supported {
            about["scopes_supported"] = json!(scopes);
        }
        about
    }

    /// The challenge for a caller without a good token; for one whose token is good, with what it
    /// lacks.
    pub(super) fn challenge(&self, discovery: &Discovery, lacking: Option<&[String]>) -> Reply {
        let mut challenge = "Bearer".to_owned();
        let mut add = |name: &str, value: &str| {
            let comma = if challenge == "Bearer" { "" } else { "," };
            challenge.push_str(&format!("{comma} {name}=\"{value}\""));
        };
        if let Some(lacking) = lacking {
            add("error", "insufficient_scope");
            add("scope", &lacking.join(" "));
        } else if let Some(scope) = &discovery.challenge_scope {
            add("scope", scope);
        }
        if discovery.in_challenge {
            add(
                "resource_metadata",
                &format!("{}{NAMED_BY_CHALLENGE}", self.base),
            );
        }
        let status = if lacking.is_some() { 403 } else { 401 };
        Reply::json(status, &json!({ "error": "not with this token" }))
            .with("www-authenticate", challenge)
    }

    /// RFC 7591.
    pub(super) fn register(&self, profile: &Profile, seen: &Seen) -> Reply {
        let about: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        let refuse = |why: &str| {
            let body = json!({ "error": "invalid_client_metadata", "error_description": why });
            Reply::json(400, &body)
        };
        if about["application_type"] != "web" {
            self.violate("a client registered without application_type web");
        }
        let Some(redirect_uris) = texts(&about["redirect_uris"]) else {
            return refuse("redirect_uris");
        };
        let method = about["token_endpoint_auth_method"].as_str();
        let Some(auth) = auth_named(method.unwrap_or("client_secret_basic")) else {
            return refuse("token_endpoint_auth_method");
        };
        let mut ledger = self.book().open();
        ledger.counts.registrations += 1;
        let id = format!("client-{}", ledger.counts.registrations);
        let secret = (auth != Auth::None).then(|| ledger.word("cs"));
        let mut body = about.clone();
        if profile.discovery.as_ref().is_some_and(|d| d.unregisters) {
            let token = ledger.word("rat");
            body["registration_client_uri"] = json!(format!("{}/register/{id}", self.base));
            body["registration_access_token"] = json!(token);
            ledger.registered.insert(token, id.clone());
        }
        drop(ledger);
        body["client_id"] = json!(id);
        if let Some(secret) = &secret {
            body["client_secret"] = json!(secret);
            body["client_secret_expires_at"] = json!(0);
        }
        self.change(|profile| {
            profile.clients.push(Registered {
                id,
                secret,
                auth,
                redirect_uris,
            });
        });
        Reply::json(201, &body)
    }

    /// RFC 7592, of which there is only the end.
    pub(super) fn unregister(&self, seen: &Seen) -> Reply {
        let id = seen.path.trim_start_matches("/register/");
        let token = seen.header("authorization").strip_prefix("Bearer ");
        let mut ledger = self.book().open();
        let known = token.filter(|token| ledger.registered.get(*token).is_some_and(|of| of == id));
        let Some(token) = known else {
            return Reply::json(401, &json!({ "error": "invalid_token" }));
        };
        if seen.method != "DELETE" {
            return Reply::json(405, &json!({ "error": "unsupported" }));
        }
        ledger.unregister(token);
        drop(ledger);
        self.change(|profile| profile.clients.retain(|client| client.id != id));
        Reply::new(204, "application/json", "")
    }

    /// Makes a client known whose id is the address of a document about it.
    pub(super) async fn learn(&self, profile: &Profile, id: &str) -> Option<Registered> {
        profile.discovery.as_ref().filter(|d| d.fetches_clients)?;
        let url: Url = id.parse().ok()?;
        let about = fetch(&url).await?;
        self.book().open().counts.client_documents += 1;
        if about["client_id"] != id {
            self.violate("a client's document does not name its own address");
            return None;
        }
        let method = about["token_endpoint_auth_method"].as_str();
        let client = Registered {
            id: id.to_owned(),
            secret: None,
            auth: auth_named(method?).filter(|auth| *auth == Auth::None)?,
            redirect_uris: texts(&about["redirect_uris"])?,
        };
        self.change(|profile| profile.clients.push(client.clone()));
        Some(client)
    }
}

fn auth_named(word: &str) -> Option<Auth> {
    match word {
        "client_secret_basic" => Some(Auth::Basic),
        "client_secret_post" => Some(Auth::Post),
        "none" => Some(Auth::None),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let each = value.as_array()?.iter();
    each.map(|text| text.as_str().map(str::to_owned)).collect()
}

/// A JSON document by plain HTTP from loopback.
async fn fetch(url: &Url) -> Option<Value> {
    let address = url.socket_addrs(|| None).ok()?.into_iter().next()?;
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {}:{}\r\naccept: application/json\r\nconnection: close\r\n\r\n",
        url.path(),
        url.host_str()?,
        url.port()?,
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then_some(())?;
    let (from, to) = (body.find('{')?, body.rfind('}')?);
    serde_json::from_str(&body[from..=to]).ok()
}
