//! The last configuration that was good, on the node's own disk, so that it can start and serve
//! while no control-plane answers.
//!
//! Each file is sealed with a key that lies beside it and that only the node's user may read: what
//! is copied off without the key tells nothing.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use crypto::DerivedKey;
use prost::Message;
use proto::fabric::v1 as wire;

const PLATFORM: &str = "platform";
const WORKERS: &str = "workers";

/// A folder of sealed files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LastGood {
    folder: PathBuf,
    key: Arc<DerivedKey>,
}

impl LastGood {
    /// Makes the folder and its key where they are missing.
    ///
    /// # Errors
    /// They cannot be made or read.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let tenants = folder.join("tenants");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&tenants)
            .with_context(|| format!("make the folder {}", tenants.display()))?;
        let path = folder.join("node.key");
        let key = read_or_make_key(&path).with_context(|| format!("key {}", path.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            key: Arc::new(key),
        })
    }

    /// Keeps a tenant's configuration. Blocks.
    pub(super) fn keep_tenant(
        &self,
        slug: &str,
        config: &wire::TenantConfig,
    ) -> std::io::Result<()> {
        self.write(&self.tenant_path(slug), slug, &config.encode_to_vec())
    }

    /// A tenant is no more. Blocks.
    pub(super) fn forget_tenant(&self, slug: &str) -> std::io::Result<()> {
        match std::fs::remove_file(self.tenant_path(slug)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// A tenant's last configuration; what cannot be read is as if it were not there. Blocks.
    pub(super) fn tenant(&self, slug: &str) -> Option<wire::TenantConfig> {
        self.read(&self.tenant_path(slug), slug)
    }

    pub(super) fn keep_platform(
        &self,
        platform: &wire::GetPlatformResponse,
    ) -> std::io::Result<()> {
        self.write(
            &self.folder.join(PLATFORM),
            PLATFORM,
            &platform.encode_to_vec(),
        )
    }

    pub(super) fn platform(&self) -> Option<wire::GetPlatformResponse> {
        self.read(&self.folder.join(PLATFORM), PLATFORM)
    }

    /// Keeps where the workers are. Blocks.
    pub(super) fn keep_workers(&self, workers: &wire::Workers) -> std::io::Result<()> {
        let path = self.folder.join(WORKERS);
        self.write(&path, WORKERS, &workers.encode_to_vec())
    }

    pub(super) fn workers(&self) -> Option<wire::Workers> {
        self.read(&self.folder.join(WORKERS), WORKERS)
    }

    fn tenant_path(&self, slug: &str) -> PathBuf {
        self.folder.join("tenants").join(slug)
    }

    fn read<M: Message + Default>(&self, path: &Path, name: &str) -> Option<M> {
        let sealed = match std::fs::read(path) {
            Ok(sealed) => sealed,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!("cannot read {}: {error}", path.display());
                }
                return None;
            }
        };
        let opened = self.key.open(&sealed, name.as_bytes()).ok();
        let read = opened.and_then(|plain| M::decode(plain.as_slice()).ok());
        if read.is_none() {
            tracing::warn!(
                "{} is not what was kept there: it is left alone",
                path.display()
            );
        }
        read
    }

    /// Puts the file in place whole, or not at all.
    fn write(&self, path: &Path, name: &str, plain: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&self.key.seal(plain, name.as_bytes()))?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn read_or_make_key(path: &Path) -> anyhow::Result<DerivedKey> {
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            let key = DerivedKey::generate();
            file.write_all(key.as_bytes())?;
            file.sync_all()?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let bytes = std::fs::read(path)?;
            let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| {
                anyhow::anyhow!("does not have 32 bytes: remove it and what lies beside it")
            })?;
            Ok(DerivedKey::from_bytes(bytes))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(revision: i64) -> wire::TenantConfig {
        wire::TenantConfig {
            revision,
            ..wire::TenantConfig::default()
        }
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_for_its_own_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let kept = LastGood::open(folder.path()).unwrap();
        kept.keep_tenant("acme", &config(1)).unwrap();
        kept.keep_tenant("acme", &config(2)).unwrap();

        let again = LastGood::open(folder.path()).unwrap();
        assert_eq!(again.tenant("acme"), Some(config(2)));
        assert_eq!(again.tenant("rival"), None);

        std::fs::copy(again.tenant_path("acme"), again.tenant_path("rival")).unwrap();
        assert_eq!(again.tenant("rival"), None, "sealed for another place");
        again.forget_tenant("acme").unwrap();
        again.forget_tenant("acme").unwrap();
        assert_eq!(again.tenant("acme"), None);
    }

    #[test]
    fn a_file_tells_nothing_and_a_broken_one_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let kept = LastGood::open(folder.path()).unwrap();
        let mut told = config(1);
        told.tenant = Some(wire::Tenant {
            name: "a name to look for".to_owned(),
            ..wire::Tenant::default()
        });
        kept.keep_tenant("acme", &told).unwrap();

        let path = kept.tenant_path("acme");
        let bytes = std::fs::read(&path).unwrap();
        let name = b"a name to look for".as_slice();
        assert!(!bytes.windows(name.len()).any(|part| part == name));

        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(kept.tenant("acme"), None);
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("node.key"), b"short").unwrap();

        let error = LastGood::open(folder.path()).unwrap_err();

        assert!(format!("{error:#}").contains("32 bytes"), "{error:#}");
    }
}
