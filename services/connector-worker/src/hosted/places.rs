//! Where a hosted server keeps its files.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The private folders of one lane of a connector's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folders {
    /// Kept, and shared by all lanes: package caches.
    pub(super) home: PathBuf,
    pub(super) tmp: PathBuf,
    /// Where it is started, unless its connector names another folder.
    pub(super) work: PathBuf,
}

impl Folders {
    /// Those of a lane, `folder` being the connector's. Lanes beyond the first work apart, since
    /// two processes of one server may not expect each other.
    pub(super) fn of(folder: &Path, lane: u32) -> Self {
        let own = match lane {
            0 => folder.to_owned(),
            lane => folder.join("lanes").join(lane.to_string()),
        };
        Self {
            home: folder.join("home"),
            tmp: own.join("tmp"),
            work: own.join("work"),
        }
    }

    /// Makes them, for nobody but us to enter.
    pub(super) fn make(&self) -> io::Result<()> {
        for path in [&self.home, &self.tmp, &self.work] {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_share_their_home_and_work_apart() {
        let (first, other) = (
            Folders::of(Path::new("/c"), 0),
            Folders::of(Path::new("/c"), 3),
        );

        assert_eq!(first.home, other.home);
        assert_eq!((first.tmp, first.work), ("/c/tmp".into(), "/c/work".into()));
        assert_eq!(
            (other.tmp, other.work),
            ("/c/lanes/3/tmp".into(), "/c/lanes/3/work".into())
        );
    }
}
