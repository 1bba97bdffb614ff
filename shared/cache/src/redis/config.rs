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
    /// answers is enough.
    pub nodes: Vec<RedisUrl>,
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
    #[error("redis.nodes is empty: set it to the address of a server, or those of a cluster")]
    NoNodes,
    #[error("redis.nodes holds what is no address: write redis://, rediss:// or redis+unix://")]
    Url,
    #[error("redis.nodes of a cluster must be servers on the network, all with TLS or all without")]
    Mixed,
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
    pub(super) certificates: Option<TlsCertificates>,
}

impl RedisConfig {
    /// # Errors
    /// One sentence that names the setting and what it must be.
    pub fn validate(&self) -> Result<(), RedisConfigError> {
        if self.nodes.is_empty() {
            return Err(RedisConfigError::NoNodes);
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
        let nodes = self.read_nodes()?;
        let over_tls = |info: &ConnectionInfo| match info.addr() {
            ConnectionAddr::Tcp(..) => Some(false),
            ConnectionAddr::TcpTls { .. } => Some(true),
            _ => None,
        };
        let first = over_tls(&nodes[0]);
        if nodes.len() > 1 && (first.is_none() || nodes.iter().any(|node| over_tls(node) != first))
        {
            return Err(RedisConfigError::Mixed);
        }
        Ok(())
    }

    fn read_nodes(&self) -> Result<Vec<ConnectionInfo>, RedisConfigError> {
        self.nodes.iter().map(RedisUrl::read).collect()
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
            nodes: self.read_nodes()?,
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
    fn an_address_is_shown_without_its_password() {
        let url = RedisUrl::new("rediss://user:pa55word@redis.example:6380/2");

        let debug = format!("{url:?}");
        let shown = serde_json::to_string(&url).unwrap();

        assert!(!debug.contains("pa55word"));
        assert_eq!(shown, "\"redis.example:6380\"");
    }
}
