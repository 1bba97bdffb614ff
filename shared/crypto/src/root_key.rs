//! The root key and the file that holds it.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{DerivedKey, random};

/// What the line with the key begins with; the number is that of the format.
const PREFIX: &str = "turnbuckle-root-key-1:";
const PREAMBLE: &str = "\
# The root key of a Turnbuckle installation. Whoever has it and the database can read every
# stored credential; without it they are lost. Keep it secret and keep a copy.
";
/// No key file of ours is larger.
const MAX_BYTES: u64 = 4096;

/// 32 random bytes from which every other key of an installation comes.
pub struct RootKey(Zeroizing<[u8; 32]>);

/// The key file cannot be used. Each message says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    #[error(
        "root key file {} does not exist: put the key of this installation there", .0.display()
    )]
    Missing(PathBuf),
    #[error("root key file {} exists already and is never overwritten", .0.display())]
    Exists(PathBuf),
    #[error(
        "root key file {path} can be used by others than its owner (mode {mode:03o}): \
         run `chmod 600 {path}`", path = .path.display()
    )]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error(
        "{} is not a root key file: it must hold one line `{PREFIX}` followed by 43 characters; \
         restore it from a copy", .0.display()
    )]
    Malformed(PathBuf),
    #[error("cannot {action} root key file {}: {source}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl RootKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(random::bytes())
    }

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => RootKeyError::Missing(path.to_owned()),
            _ => RootKeyError::Io {
                action: "read",
                path: path.to_owned(),
                source,
            },
        };
        let malformed = || RootKeyError::Malformed(path.to_owned());

        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(malformed());
        }
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(RootKeyError::OpenToOthers {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(1024));
        file.take(MAX_BYTES)
            .read_to_end(&mut text)
            .map_err(failed)?;
        Self::from_text(&text).ok_or_else(malformed)
    }

    /// Makes a new key and its file, readable by the owner alone. The file appears complete or
    /// not at all, and an existing one is never touched.
    pub fn create(path: &Path) -> Result<Self, RootKeyError> {
        let key = Self::generate();
        let unfinished = sibling(path);
        let outcome = key.write_new(path, &unfinished);
        let _ = std::fs::remove_file(&unfinished);
        outcome.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RootKeyError::Exists(path.to_owned()),
            _ => RootKeyError::Io {
                action: "create",
                path: path.to_owned(),
                source,
            },
        })?;
        Ok(key)
    }

    /// A key for one purpose.
    pub fn derive(&self, label: &str) -> DerivedKey {
        DerivedKey::expand(&self.0, label)
    }

    /// A public name for this key, 32 hexadecimal digits: tells whether two are the same, and
    /// nothing else.
    pub fn id(&self) -> String {
        let derived = self.derive("root-key-id");
        let (half, _) = derived.as_bytes().split_at(16);
        let half = <[u8; 16]>::try_from(half).expect("16 bytes were split off");
        Uuid::from_bytes(half).simple().to_string()
    }

    fn from_text(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let encoded = lines.next()?.trim_end().strip_prefix(PREFIX)?;
        if lines.next().is_some() {
            return None;
        }
        let mut key = Zeroizing::new([0; 32]);
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, key.as_mut()).ok()?;
        (length == key.len()).then_some(Self(key))
    }

    fn write_new(&self, path: &Path, unfinished: &Path) -> io::Result<()> {
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_ref()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(unfinished)?;
        // The umask may have taken bits away, which is fine; it cannot have added any.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(PREAMBLE.as_bytes())?;
        file.write_all(PREFIX.as_bytes())?;
        file.write_all(encoded.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // Unlike a rename, a link fails when the name is taken.
        std::fs::hard_link(unfinished, path)?;
        let folder = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// A name beside `path` that nobody else uses.
fn sibling(path: &Path) -> PathBuf {
    let random = u64::from_be_bytes(*random::bytes());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{random:016x}.new"));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_file_is_for_the_owner_alone_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");

        let made = RootKey::create(&path).unwrap();

        let read = RootKey::read(&path).unwrap();
        assert_eq!((made.id(), &*made.0), (read.id(), &*read.0));
        assert_ne!(made.id(), RootKey::generate().id());
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(&folder).unwrap().count(),
            1,
            "nothing else is left behind"
        );
        assert_eq!(format!("{read:?}"), "RootKey(..)");
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        std::fs::write(&path, "precious").unwrap();

        let refused = RootKey::create(&path).unwrap_err();

        let expected = format!(
            "root key file {} exists already and is never overwritten",
            path.display()
        );
        assert_eq!(refused.to_string(), expected);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_can_use_is_refused_with_how_to_mend_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        RootKey::create(&path).unwrap();

        for open in [0o640, 0o604, 0o660, 0o644] {
            mode(&path, open);
            let refused = RootKey::read(&path).unwrap_err().to_string();
            let expected = format!(
                "root key file {path} can be used by others than its owner (mode {open:03o}): \
                 run `chmod 600 {path}`",
                path = path.display()
            );
            assert_eq!(refused, expected);
        }
        mode(&path, 0o400);
        assert!(RootKey::read(&path).is_ok());
    }

    #[test]
    fn a_missing_file_and_a_missing_folder_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/root.key");

        assert!(matches!(RootKey::read(&path), Err(RootKeyError::Missing(named)) if named == path));
        let refused = RootKey::create(&path).unwrap_err().to_string();
        let start = format!("cannot create root key file {}: ", path.display());
        assert!(refused.starts_with(&start), "{refused}");
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        RootKey::create(&path).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        let line = good.lines().last().unwrap();

        for bad in [
            String::new(),
            "# only a comment\n".to_owned(),
            line.replace("key-1", "key-2"),
            line[..line.len() - 1].to_owned(),
            format!("{line}A"),
            format!("{line}\n{line}\n"),
            line.replacen(':', ": ", 1),
            "\u{0}".repeat(5000),
        ] {
            std::fs::write(&path, &bad).unwrap();
            let refused = RootKey::read(&path);
            assert!(
                matches!(refused, Err(RootKeyError::Malformed(_))),
                "{bad:?}: {refused:?}"
            );
        }
        std::fs::write(&path, [0xff; 66]).unwrap();
        assert!(matches!(
            RootKey::read(&path),
            Err(RootKeyError::Malformed(_))
        ));
        assert!(matches!(
            RootKey::read(folder.path()),
            Err(RootKeyError::Malformed(_))
        ));

        // Comments, blank lines and another system's line ends are fine.
        std::fs::write(&path, format!("# mine\r\n\r\n{line}\r\n")).unwrap();
        assert!(RootKey::read(&path).is_ok());
    }
}
