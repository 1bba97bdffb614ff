//! The single looks, each with a sentence on how to mend what it finds.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bus::NatsConfig;
use cache::RedisConfig;
use crypto::RootKey;
use fabric::Role;
use fabric_grpc::Channel;
use fabric_grpc::trust::Trust;
use time::Duration;

use super::{Finding, Level, TrustOf, clock};
use crate::roles::node::read_secret;

/// From here on clocks differ too much: certificates and tokens seem over, or not yet good.
const SKEW_MAX: Duration = Duration::seconds(30);
const SKEW_WARNED: Duration = Duration::seconds(2);
/// A certificate that ends within this time is named.
const ENDING: Duration = Duration::days(14);

/// What was found so far.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) found: Vec<Finding>,
}

impl Checks {
    fn add(&mut self, level: Level, what: &'static str, says: impl Into<String>) {
        let says = says.into();
        self.found.push(Finding { level, what, says });
    }

    pub(super) fn configuration<T>(&mut self, loaded: anyhow::Result<T>) -> Option<T> {
        match loaded {
            Ok(config) => {
                self.add(Level::Ok, "configuration", "can be read");
                Some(config)
            }
            Err(error) => {
                self.add(Level::Fail, "configuration", format!("{error:#}"));
                None
            }
        }
    }

    pub(super) fn trust(
        &mut self,
        (config, role, name): TrustOf<'_>,
        listen: Option<SocketAddr>,
    ) -> Option<Trust> {
        const WHAT: &str = "trust";
        let clock = clock();
        let loaded = Trust::load(config, role, &name, clock.clone()).and_then(|trust| {
            listen.map_or(Ok(()), |listen| trust.check(listen))?;
            Ok(trust)
        });
        let trust = match loaded {
            Ok(trust) => trust,
            Err(error) => {
                self.add(Level::Fail, WHAT, format!("{error:#}"));
                return None;
            }
        };
        let now = clock.now();
        let soon = config.check_dates(role, now + ENDING);
        match (config.check_dates(role, now), soon, &config.cert) {
            (Err(error), ..) => {
                let mend = "put a new certificate there, and look at this machine's clock";
                self.add(Level::Fail, WHAT, format!("{error:#}: {mend}"));
            }
            (Ok(()), Err(_), _) => {
                let says = "the certificate ends within 14 days: put a new one there, no restart \
                            is needed";
                self.add(Level::Warn, WHAT, says);
            }
            (.., Some(_)) => self.add(Level::Ok, WHAT, "the certificate is good, and of the role"),
            (.., None) if config.token_secret.is_some() => {
                self.add(Level::Ok, WHAT, "tokens, for the processes of one host");
            }
            _ => {
                let says = "everybody on this host is believed: set trust.ca, trust.cert and \
                            trust.key, or trust.token_secret";
                self.add(Level::Warn, WHAT, says);
            }
        }
        Some(trust)
    }

    /// One that is taken may be by the role itself, which runs.
    pub(super) fn port(&mut self, name: &'static str, address: SocketAddr) {
        match TcpListener::bind(address) {
            Ok(_) => self.add(Level::Ok, name, format!("{address} is free")),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                let says = format!(
                    "{address} is in use: by this role, if it runs; else choose \
                                    another port"
                );
                self.add(Level::Warn, name, says);
            }
            Err(error) => {
                let says = format!(
                    "cannot listen on {address} ({error}): choose an address of \
                                    this machine, and a port above 1023"
                );
                self.add(Level::Fail, name, says);
            }
        }
    }

    /// A file with a secret, which may be missing.
    pub(super) fn private_file(&mut self, what: &'static str, path: &Path) {
        let shown = path.display();
        match fs::metadata(path) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                let says = format!("others may open {shown}: run `chmod 600 {shown}`");
                self.add(Level::Warn, what, says);
            }
            Ok(_) => self.add(Level::Ok, what, format!("{shown} is its owner's alone")),
            Err(_) => self.add(Level::Ok, what, format!("{shown} is not there")),
        }
    }

    /// A folder that the role keeps something in; it makes what is missing.
    pub(super) fn folder(&mut self, path: &Path) {
        const WHAT: &str = "state_dir";
        let shown = path.display();
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                self.add(
                    Level::Fail,
                    WHAT,
                    format!("{shown} is no folder: name another"),
                );
            }
            Ok(found) if found.permissions().mode() & 0o022 != 0 => {
                let says = format!("others may write to {shown}: run `chmod 700 {shown}`");
                self.add(Level::Warn, WHAT, says);
            }
            Ok(found) if found.permissions().readonly() => {
                let says = format!("{shown} cannot be written to: run `chmod 700 {shown}`");
                self.add(Level::Fail, WHAT, says);
            }
            Ok(_) => self.add(Level::Ok, WHAT, format!("{shown} is there")),
            Err(_) => self.add(Level::Ok, WHAT, format!("{shown} is made at the start")),
        }
    }

    pub(super) fn root_key(&mut self, path: &Path) -> Option<RootKey> {
        match RootKey::read(path) {
            Ok(root) => {
                self.add(Level::Ok, "root key", format!("{} is one", path.display()));
                Some(root)
            }
            Err(error) => {
                self.add(Level::Fail, "root key", error.to_string());
                None
            }
        }
    }

    pub(super) async fn database(&mut self, url_file: &Path, root: &RootKey) {
        const WHAT: &str = "database";
        self.private_file("database_url_file", url_file);
        let url = match read_secret(url_file) {
            Ok(url) => url,
            Err(error) => return self.add(Level::Fail, WHAT, format!("{error:#}")),
        };
        let found = match storage::examine(&url, root).await {
            Ok(found) => found,
            Err(error) => return self.add(Level::Fail, WHAT, error.to_string()),
        };
        if found.is_supported {
            self.add(
                Level::Ok,
                WHAT,
                format!("Postgres {} answers", found.version),
            );
        } else {
            let says = format!("Postgres {} is too old: use 15 or later", found.version);
            self.add(Level::Fail, WHAT, says);
        }
        match (found.is_ours, found.missing) {
            (false, _) => self.add(Level::Ok, "schema", "it is empty: the first start fills it"),
            (true, 0) => self.add(
                Level::Ok,
                "schema",
                "is this version's, and of this root key",
            ),
            (true, count) => {
                let says = format!("{count} migrations are missing: the next start applies them");
                self.add(Level::Warn, "schema", says);
            }
        }
        if found.is_read_only {
            let says = "nothing can be written: name the primary in the database's URL";
            self.add(Level::Fail, WHAT, says);
        }
        if found.is_unbound {
            let says = "the role is a superuser or bypasses row-level security: give Turnbuckle a \
                        plain role that owns its database";
            self.add(Level::Warn, "database role", says);
        } else {
            self.add(
                Level::Ok,
                "database role",
                "row-level security holds for it",
            );
        }
        if found.is_encrypted {
            self.add(Level::Ok, "database TLS", "the connection is encrypted");
        } else {
            let says = "the connection is not encrypted: unless it stays on this host, add \
                        `sslmode=verify-full` to the database's URL";
            self.add(Level::Warn, "database TLS", says);
        }
        let skew = (clock().now() - found.now).abs();
        let says = format!(
            "differs from the database's by {:.1} s",
            skew.as_seconds_f64()
        );
        let (level, mend) = match skew {
            skew if skew > SKEW_MAX => (Level::Fail, ": set it by NTP"),
            skew if skew > SKEW_WARNED => (Level::Warn, ": set it by NTP"),
            _ => (Level::Ok, ""),
        };
        self.add(level, "clock", format!("{says}{mend}"));
    }

    pub(super) async fn nats(&mut self, config: Option<&NatsConfig>) {
        const WHAT: &str = "NATS";
        let Some(config) = config else {
            let says = "is not set: with several control-planes, changes made at one are found \
                        up to 250 ms later by others; set nats.servers";
            return self.add(Level::Warn, WHAT, says);
        };
        match config.examine().await {
            Ok(version) => self.add(Level::Ok, WHAT, format!("{version} answers")),
            Err(error) => {
                let mend = "check nats.servers, nats.credentials and nats.tls";
                self.add(Level::Fail, WHAT, format!("{error}: {mend}"));
            }
        }
    }

    pub(super) async fn redis(&mut self, config: Option<&RedisConfig>) {
        const WHAT: &str = "Redis";
        let Some(config) = config else {
            let says = "is not set: sessions are this gateway's alone, and a restart ends them; \
                        set redis.nodes";
            return self.add(Level::Warn, WHAT, says);
        };
        let servers = match config.examine().await {
            Ok(servers) => servers,
            Err(error) => {
                let mend = "check redis.nodes (or redis.nodes_file) and its password";
                return self.add(Level::Fail, WHAT, format!("{error}: {mend}"));
            }
        };
        if servers.iter().all(|server| server.role != "master") {
            let says = "no server named there takes changes: name the primary in redis.nodes, or \
                        look why none is";
            self.add(Level::Fail, WHAT, says);
        }
        if config.nodes_file.is_none() && config.has_password() {
            let says = "a password stands in redis.nodes: move the addresses to a file, and name \
                        it in redis.nodes_file";
            self.add(Level::Warn, WHAT, says);
        }
        for server in servers {
            let major = server
                .version
                .split('.')
                .next()
                .and_then(|n| n.parse().ok());
            let version = &server.version;
            if major.unwrap_or(0) < 7_u32 {
                let says = format!("version {version:?} is too old: use 7 or later");
                self.add(Level::Fail, WHAT, says);
            } else {
                self.add(
                    Level::Ok,
                    WHAT,
                    format!("{version} answers, as {}", server.role),
                );
            }
            if server.eviction == "noeviction" {
                self.add(Level::Ok, "Redis memory", "nothing is evicted");
            } else {
                let says = format!(
                    "maxmemory-policy is {:?}, so sessions vanish when memory is short: set \
                     `maxmemory-policy noeviction`",
                    server.eviction
                );
                self.add(Level::Warn, "Redis memory", says);
            }
        }
    }

    pub(super) async fn control_planes(&mut self, addresses: &[String], trust: Option<Trust>) {
        const WHAT: &str = "control-plane";
        if addresses.is_empty() {
            let says = "none is named: set control_planes to host:port of their fabric_listen";
            return self.add(Level::Fail, WHAT, says);
        }
        // Without trust there is nothing to show them.
        let Some(trust) = trust else { return };
        let mut away = Vec::new();
        for address in addresses {
            let reached = match Channel::new(address, Role::ControlPlane, &trust) {
                Ok(channel) => fabric_grpc::config::reach(channel).await,
                Err(error) => Err(format!("{error:#}")),
            };
            match reached {
                Ok(()) => self.add(
                    Level::Ok,
                    WHAT,
                    format!("{address} answers and believes us"),
                ),
                Err(error) => away.push(format!("{address}: {error}")),
            }
        }
        // One is enough to work.
        let level = match away.len() == addresses.len() {
            true => Level::Fail,
            false => Level::Warn,
        };
        for why in away {
            let mend = "is it running, is that its fabric_listen, and of the same authority?";
            self.add(level, WHAT, format!("{why}: {mend}"));
        }
    }
}
