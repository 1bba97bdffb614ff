//! Where Redis is, and how it is spoken to.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use redis::{ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where Redis is, and how it is spoken to. Durations are written as seconds, fractions allowed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// One address is a server of its own; several are nodes of one cluster, of which one that
    /// answers is enough, or with `replicated` a primary and its replicas.
    pub nodes: Vec<RedisUrl>,
    /// A file with an address on each line, in the place of `nodes`: so that passwords need not
    /// stand in the configuration. Empty lines and those that begin with `#` count for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes_file: Option<PathBuf>,
    /// The nodes are one primary and its replicas: whichever takes changes is used, and after a
    /// failover the one that was promoted.
    pub replicated: bool,
    /// What the names of all keys and channels begin with: two installations may share a server.
    pub prefix: String,
    /// How long any operation may take before it fails.
    #[serde(with = "runtime::seconds")]
    pub timeout: Duration,
    /// Operations under way at once; more wait, and fail when their time is over.
    pub in_flight: usize,
    /// PEM file of the authorities that may vouch for the servers; without it, the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our own certificate and its key, where the servers ask for one.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            nodes_file: None,
            replicated: false,
            prefix: "turnbuckle".to_owned(),
            timeout: Duration::from_millis(500),
            in_flight: 1_024,
            ca_file: None,
            cert_file: None,
            key_file: None,
        }
    }
}

/// An address: `redis://`, `rediss://` (TLS) or `redis+unix://`, with user and password where
/// they are needed. Never shown: it may hold a password.
#[derive(Clone)]
pub struct RedisUrl(SecretString);

impl RedisUrl {
    pub fn new(url: impl Into<String>) -> Self {
        Self(SecretString::from(url.into()))
    }

    fn read(&self) -> Result<ConnectionInfo, RedisConfigError> {
        // Its error could repeat what is written there.
        self.0
            .expose_secret()
            .into_connection_info()
            .map_err(|_| RedisConfigError::Url)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(address of Redis)")
    }
}

impl Serialize for RedisUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = match self.read() {
            Ok(info) => info.addr().to_string(),
            Err(_) => "(not an address)".to_owned(),
        };
        serializer.serialize_str(&shown)
    }
}

impl<'de> Deserialize<'de> for RedisUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Why Redis cannot be used as it is configured. Holds nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum RedisConfigError {
    #[error(
        "redis.nodes is empty: set it, or redis.nodes_file, to the address of a server, or those \
         of a cluster"
    )]
    NoNodes,
    #[error("redis.nodes and redis.nodes_file are both set: set one of them")]
    NodesTwice,
    #[error("redis.nodes holds what is no address: write redis://, rediss:// or redis+unix://")]
    Url,
    #[error("redis.nodes of a cluster must be servers on the network, all with TLS or all without")]
    Mixed,
    #[error("redis.replicated needs the addresses of the primary and of its replicas")]
    NoReplicas,
    #[error("redis.prefix must be 1 to 64 letters, digits, '-', '_', '.' or ':'")]
    Prefix,
    #[error("redis.{0} must be larger than 0")]
    Zero(&'static str),
    #[error("redis.cert_file and redis.key_file belong together: set both or none")]
    HalfCertificate,
    #[error("redis.{0} cannot be read: {1}")]
    File(&'static str, std::io::Error),
    #[error("redis: the certificates cannot be used: {0}")]
    Certificates(String),
}

/// What was checked, and what the files said.
pub(super) struct Checked {
    pub(super) nodes: Vec<ConnectionInfo>,
    pub(super) replicated: bool,
    pub(super) certificates: Option<TlsCertificates>,
}

impl RedisConfig {
    /// Checks all that needs no file.
    ///
    /// # Errors
    /// One sentence that names the setting and what it must be.
    pub fn validate(&self) -> Result<(), RedisConfigError> {
        match (self.nodes.is_empty(), &self.nodes_file) {
            (true, None) => return Err(RedisConfigError::NoNodes),
            (false, Some(_)) => return Err(RedisConfigError::NodesTwice),
            _ => {}
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.chars().all(allowed) {
            return Err(RedisConfigError::Prefix);
        }
        if self.timeout.is_zero() {
            return Err(RedisConfigError::Zero("timeout"));
        }
        if self.in_flight == 0 {
            return Err(RedisConfigError::Zero("in_flight"));
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Err(RedisConfigError::HalfCertificate);
        }
        match self.nodes.is_empty() {
            true => Ok(()),
            false => self.read_nodes(&self.nodes).map(drop),
        }
    }

    /// Whether a password stands in the configuration itself.
    pub fn has_password(&self) -> bool {
        let nodes = self.nodes.iter().filter_map(|url| url.read().ok());
        let mut passwords = nodes.map(|info| info.redis_settings().password().is_some());
        passwords.any(|there| there)
    }

    fn read_nodes(&self, urls: &[RedisUrl]) -> Result<Vec<ConnectionInfo>, RedisConfigError> {
        let nodes: Result<Vec<_>, _> = urls.iter().map(RedisUrl::read).collect();
        let nodes = nodes?;
        if self.replicated && nodes.len() < 2 {
            return Err(RedisConfigError::NoReplicas);
        }
        let over_tls = |info: &ConnectionInfo| match info.addr() {
            ConnectionAddr::Tcp(..) => Some(false),
            ConnectionAddr::TcpTls { .. } => Some(true),
            _ => None,
        };
        let first = nodes.first().and_then(over_tls);
        let is_cluster = nodes.len() > 1 && !self.replicated;
        if is_cluster && (first.is_none() || nodes.iter().any(|node| over_tls(node) != first)) {
            return Err(RedisConfigError::Mixed);
        }
        Ok(nodes)
    }

    /// The addresses, from wherever they are.
    fn addresses(&self) -> Result<Vec<ConnectionInfo>, RedisConfigError> {
        let Some(file) = &self.nodes_file else {
            return self.read_nodes(&self.nodes);
        };
        let failed = |error| RedisConfigError::File("nodes_file", error);
        let text = std::fs::read_to_string(file).map_err(failed)?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let urls: Vec<RedisUrl> = lines.map(RedisUrl::new).collect();
        match urls.is_empty() {
            true => Err(RedisConfigError::NoNodes),
            false => self.read_nodes(&urls),
        }
    }

    /// Checks everything and reads the files.
    pub(super) fn check(&self) -> Result<Checked, RedisConfigError> {
        self.validate()?;
        let read = |name, path: &Option<PathBuf>| {
            let Some(path) = path else { return Ok(None) };
            std::fs::read(path)
                .map(Some)
                .map_err(|error| RedisConfigError::File(name, error))
        };
        let root_cert = read("ca_file", &self.ca_file)?;
        let client_cert = read("cert_file", &self.cert_file)?;
        let client_key = read("key_file", &self.key_file)?;
        let client_tls = client_cert.zip(client_key);
        let client_tls = client_tls.map(|(client_cert, client_key)| ClientTlsConfig {
            client_cert,
            client_key,
        });
        let any = root_cert.is_some() || client_tls.is_some();
        let certificates = TlsCertificates {
            client_tls,
            root_cert,
        };
        Ok(Checked {
            nodes: self.addresses()?,
            replicated: self.replicated,
            certificates: any.then_some(certificates),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut RedisConfig)) -> String {
        let mut config = RedisConfig {
            nodes: vec![RedisUrl::new("redis://u:pa55word@127.0.0.1:6379")],
            ..RedisConfig::default()
        };
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn each_bad_setting_is_named_with_what_it_must_be() {
        let cases = [
            (
                refusal(|config| config.nodes.clear()),
                "redis.nodes is empty",
            ),
            (
                refusal(|config| config.nodes = vec![RedisUrl::new("http://pa55word@x")]),
                "redis.nodes holds what is no address",
            ),
            (
                refusal(|config| config.nodes.push(RedisUrl::new("rediss://127.0.0.1:1"))),
                "redis.nodes of a cluster must be",
            ),
            (
                refusal(|config| config.nodes.push(RedisUrl::new("redis+unix:///x"))),
                "redis.nodes of a cluster must be",
            ),
            (
                refusal(|config| config.nodes_file = Some("nodes".into())),
                "redis.nodes and redis.nodes_file are both set",
            ),
            (
                refusal(|config| config.replicated = true),
                "redis.replicated needs",
            ),
            (
                refusal(|config| config.prefix = "a{b}".to_owned()),
                "redis.prefix must be",
            ),
            (
                refusal(|config| config.timeout = Duration::ZERO),
                "redis.timeout must be",
            ),
            (
                refusal(|config| config.in_flight = 0),
                "redis.in_flight must be",
            ),
            (
                refusal(|config| config.cert_file = Some("cert.pem".into())),
                "redis.cert_file and redis.key_file belong together",
            ),
        ];
        for (said, expected) in cases {
            assert!(said.starts_with(expected), "{said}");
            assert!(!said.contains("pa55word"), "{said}");
        }
    }

    #[test]
    fn addresses_in_a_file_are_those_of_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes");
        let config = RedisConfig {
            nodes_file: Some(file.clone()),
            ..RedisConfig::default()
        };
        let said = |text: &str| {
            std::fs::write(&file, text).unwrap();
            config.check().map(|checked| checked.nodes.len())
        };

        let two = "# the pair\nredis://u:pa55word@127.0.0.1:1\n\n redis://127.0.0.1:2 \r\n";
        assert_eq!(said(two).unwrap(), 2);
        for (text, expected) in [
            ("\n# none\n", "redis.nodes is empty"),
            ("http://u:pa55word@x\n", "redis.nodes holds what is no"),
        ] {
            let error = said(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        let error = config.check().err().unwrap().to_string();
        assert!(
            error.starts_with("redis.nodes_file cannot be read"),
            "{error}"
        );
        let shown = serde_json::to_string(&config).unwrap();
        assert!(shown.contains("nodes_file") && !shown.contains("pa55word"));
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let url = RedisUrl::new("rediss://user:pa55word@redis.example:6380/2");

        let debug = format!("{url:?}");
        let shown = serde_json::to_string(&url).unwrap();

        assert!(!debug.contains("pa55word"));
        assert_eq!(shown, "\"redis.example:6380\"");
    }
}
