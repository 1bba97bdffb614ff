//! Certificates for trying things out.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

use super::Role;
use super::certificates::URI;

/// How long they are good for.
const LIFETIME: Duration = Duration::days(365);

/// Makes an authority and a certificate for each role and name in `dir`, which is made if it is
/// not there: `ca.pem`, `ca-key.pem`, `<role>-<name>.pem` and `<role>-<name>-key.pem`, for the
/// owner's eyes only. Returns the files.
///
/// # Errors
/// A file is there already, or cannot be written.
pub fn certs_dev(
    dir: &Path,
    names: &[(Role, &str)],
    now: OffsetDateTime,
) -> anyhow::Result<Vec<PathBuf>> {
    let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    for (_, name) in names {
        anyhow::ensure!(
            !name.is_empty() && name.chars().all(simple),
            "the name {name:?} must have letters, digits, `-`, `.` and `_` only"
        );
    }
    std::fs::create_dir_all(dir).with_context(|| format!("make the folder {}", dir.display()))?;
    let mut files = Vec::new();
    let mut keep = |name: &str, text: &str| {
        let path = dir.join(name);
        write_new(&path, text)?;
        files.push(path);
        anyhow::Ok(())
    };

    let mut params = params("Turnbuckle development authority", now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().context("make a key")?;
    let authority = CertifiedIssuer::self_signed(params, key).context("sign the authority")?;
    keep("ca.pem", &authority.pem())?;
    keep("ca-key.pem", &authority.key().serialize_pem())?;

    for (role, name) in names {
        let role = role.as_str();
        let (cert, key) = issue(&authority, role, name, now)?;
        keep(&format!("{role}-{name}.pem"), &cert)?;
        keep(&format!("{role}-{name}-key.pem"), &key)?;
    }
    Ok(files)
}

fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    role: &str,
    name: &str,
    now: OffsetDateTime,
) -> anyhow::Result<(String, String)> {
    let mut params = params(&format!("Turnbuckle {role} {name}"), now)?;
    let uri = format!("{URI}{role}/{name}");
    let uri = uri.as_str().try_into();
    params.subject_alt_names = vec![
        SanType::URI(uri.with_context(|| format!("use {name:?} in a certificate"))?),
        SanType::DnsName("localhost".try_into().context("name the host")?),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().context("make a key")?;
    let certificate = params.signed_by(&key, authority);
    let certificate = certificate.with_context(|| format!("sign the certificate of {name}"))?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn params(name: &str, now: OffsetDateTime) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).context("begin a certificate")?;
    params.distinguished_name.push(DnType::CommonName, name);
    // Clocks may be apart a little.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + LIFETIME;
    Ok(params)
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let writing = || format!("write {}", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).with_context(writing)?;
    file.write_all(text.as_bytes()).with_context(writing)
}
