//! Whether a certificate is good at a time.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fabric::Role;
use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use time::OffsetDateTime;

use super::TrustConfig;
use super::certificates::{certificates, provider};
use super::verifier::OfRole;

impl TrustConfig {
    /// Whether the certificate of this process is one that others believe at `at`; nothing to say
    /// where there is none.
    ///
    /// # Errors
    /// One sentence: it is over, not yet good, or of another authority.
    pub fn check_dates(&self, role: Role, at: OffsetDateTime) -> anyhow::Result<()> {
        let (Some(ca), Some(cert)) = (&self.ca, &self.cert) else {
            return Ok(());
        };
        let read = |path: &Path| {
            let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
            certificates(path, &text)
        };
        let mut roots = RootCertStore::empty();
        for authority in read(ca)? {
            roots.add(authority).context("use the authority")?;
        }
        let chain = read(cert)?;
        let (own, between) = chain.split_first().context("there is no certificate")?;
        let since = u64::try_from(at.unix_timestamp()).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(since));
        let verifier = OfRole::new(role, Arc::new(roots), provider());
        let nobody = ServerName::try_from("turnbuckle").context("name a server")?;
        verifier
            .verify_server_cert(own, between, &nobody, &[], at)
            .with_context(|| cert.display().to_string())?;
        Ok(())
    }
}
