//! The files that trust is made of.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::certificates::Certificates;
use super::tokens::Secrets;
use super::{Role, TrustConfig};

/// Bytes of one file.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Tells one set of contents from another.
pub(super) type Digest = [u8; 32];

/// The contents, in the order of the settings.
struct Contents([Option<(PathBuf, Zeroizing<Vec<u8>>)>; 4]);

impl Contents {
    fn read(config: &TrustConfig) -> anyhow::Result<Self> {
        let [mut ca, mut cert, mut key, mut secret] = [None, None, None, None];
        for (path, contents) in [
            (&config.ca, &mut ca),
            (&config.cert, &mut cert),
            (&config.key, &mut key),
            (&config.token_secret, &mut secret),
        ] {
            if let Some(path) = path {
                *contents = Some((path.clone(), read_file(path)?));
            }
        }
        Ok(Self([ca, cert, key, secret]))
    }

    fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for contents in &self.0 {
            let bytes = contents.as_ref().map_or(&[][..], |(_, bytes)| bytes);
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        }
        hash.finalize().into()
    }
}

fn read_file(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let reading = || format!("read {}", path.display());
    let length = std::fs::metadata(path).with_context(reading)?.len();
    anyhow::ensure!(
        length <= FILE_MAX_BYTES,
        "{} is larger than {FILE_MAX_BYTES} bytes",
        path.display()
    );
    Ok(Zeroizing::new(std::fs::read(path).with_context(reading)?))
}

pub(super) fn digest(config: &TrustConfig) -> anyhow::Result<Digest> {
    Ok(Contents::read(config)?.digest())
}

/// All that the files say, with their digest.
pub(super) fn read(
    config: &TrustConfig,
    role: Role,
) -> anyhow::Result<(Digest, Option<Certificates>, Option<Secrets>)> {
    let contents = Contents::read(config)?;
    let digest = contents.digest();
    let [ca, cert, key, secret] = &contents.0;
    let certificates = match (ca, cert, key) {
        (Some(ca), Some(cert), Some(key)) => {
            let [ca, cert, key] = [ca, cert, key].map(|(path, bytes)| (&**path, &bytes[..]));
            Some(Certificates::new(role, ca, cert, key)?)
        }
        _ => None,
    };
    let secrets = secret.as_ref().map(|(path, bytes)| {
        Secrets::parse(bytes).with_context(|| format!("use the secrets in {}", path.display()))
    });
    Ok((digest, certificates, secrets.transpose()?))
}
