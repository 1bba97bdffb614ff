//! Which platform is meant, and the key to it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::args::{GlobalArgs, McpAddress, parse_http_url};
use super::failure::Failure;

const DEFAULT_URL: &str = "http://127.0.0.1:8000";
/// What `up` writes into its data folder when it is ready, and `./run cluster` into its own.
const RUNNING_FILE: &str = "turnbuckle.json";
/// What the first start writes into the data folder.
const KEY_FILE: &str = "admin.key";

/// A platform, and what opens it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: Url,
    /// `Bearer …`, marked as sensitive.
    pub(super) authorization: HeaderValue,
    /// What gives another address.
    pub(super) flag: &'static str,
}

#[derive(Deserialize)]
struct Running {
    url: String,
    /// Where MCP is served, if that is elsewhere.
    mcp_url: Option<String>,
}

/// The platform of the data folder.
struct Local {
    url: Url,
    mcp_url: Url,
}

/// The address and key of the arguments or the environment, and else of the data folder.
pub(super) fn find(global: &GlobalArgs) -> Result<Target, Failure> {
    let url = match &global.url {
        Some(url) => url.clone(),
        None => local(data_dir(global))?.url,
    };
    with_key(global, url, "--url")
}

/// The same, of where MCP is served.
pub(super) fn find_mcp(global: &GlobalArgs, address: &McpAddress) -> Result<Target, Failure> {
    with_key(global, find_mcp_url(global, address)?, "--mcp-url or --url")
}

/// The address alone. Who says only where the platform is means that it serves MCP there too.
pub(super) fn find_mcp_url(global: &GlobalArgs, address: &McpAddress) -> Result<Url, Failure> {
    match address.mcp_url.as_ref().or(global.url.as_ref()) {
        Some(url) => Ok(url.clone()),
        None => Ok(local(data_dir(global))?.mcp_url),
    }
}

fn with_key(global: &GlobalArgs, url: Url, flag: &'static str) -> Result<Target, Failure> {
    let key = match &global.api_key {
        Some(key) => key.clone(),
        None => local_key(data_dir(global), &url)?,
    };
    let mut authorization =
        HeaderValue::from_str(&format!("Bearer {}", key.expose_secret().trim())).map_err(|_| {
            Failure::Usage("the API key holds characters that no key holds".to_owned())
        })?;
    authorization.set_sensitive(true);
    Ok(Target {
        url,
        authorization,
        flag,
    })
}

/// Where the platform of the data folder runs, or would by default.
fn local(data_dir: &Path) -> Result<Local, Failure> {
    let path = data_dir.join(RUNNING_FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        // Not there, or not ours to read: the platform may still run where it does by default.
        Err(_) => {
            let url: Url = DEFAULT_URL.parse().expect("the default is a URL");
            return Ok(Local {
                mcp_url: url.clone(),
                url,
            });
        }
    };
    let broken = || Failure::Usage(format!("{} is damaged: give --url", path.display()));
    let running: Running = serde_json::from_slice(&text).map_err(|_| broken())?;
    let read = |text: &str| parse_http_url(text).map_err(|_| broken());
    let mcp_url = running.mcp_url.as_ref().unwrap_or(&running.url);
    Ok(Local {
        mcp_url: read(mcp_url)?,
        url: read(&running.url)?,
    })
}

fn data_dir(global: &GlobalArgs) -> &Path {
    global.data_dir.as_deref().unwrap_or(Path::new("./data"))
}

/// Whether both are the same port of the same host, by whatever name of this machine.
fn is_same_place(one: &Url, other: &Url) -> bool {
    let port = Url::port_or_known_default;
    one.origin() == other.origin()
        || (is_loopback(one) && is_loopback(other) && port(one) == port(other))
}

/// The key of the platform that was started on this machine. It opens everything, so it is sent
/// to that platform only, and not to whatever else listens on this machine.
fn local_key(data_dir: &Path, url: &Url) -> Result<SecretString, Failure> {
    let path = data_dir.join(KEY_FILE);
    let own = local(data_dir)?;
    if !is_same_place(url, &own.url) && !is_same_place(url, &own.mcp_url) {
        let why = "no API key for this address, which is not that of the data folder's platform";
        return Err(Failure::Usage(format!("{why}: set TURNBUCKLE_API_KEY")));
    }
    let wish = "set TURNBUCKLE_API_KEY, or --data-dir to the server's data folder";
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(SecretString::from(text.trim())),
        Ok(_) => Err(Failure::Usage(format!(
            "{} is empty: {wish}",
            path.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Failure::Usage(format!("no API key: {wish}")))
        }
        Err(error) => Err(Failure::Usage(format!(
            "cannot read {} ({error}): {wish}",
            path.display()
        ))),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}
