//! Removing what a deleted connector's server has left on disk.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is not removed by then stays, and is logged.
const WITHIN: Duration = Duration::from_secs(30);
/// Folders of one folder that are remembered at a time.
const AT_ONCE: usize = 1_024;

/// Removes a connector's folder with all that is in it, and the tenant's around it when that is
/// empty then. Follows no symbolic link. For when no process uses it any more.
pub(super) async fn remove(folder: PathBuf) {
    let until = Instant::now() + WITHIN;
    let removed = tokio::task::spawn_blocking(move || remove_now(&folder, until)).await;
    let removed = removed.unwrap_or_else(|error| Err(io::Error::other(error)));
    if let Err(error) = removed {
        tracing::warn!("the private folders of a deleted hosted server stay: {error}");
    }
}

fn remove_now(folder: &Path, until: Instant) -> io::Result<()> {
    let Some(tenant) = folder.parent() else {
        return Ok(());
    };
    for step in [tenant, folder] {
        match fs::symlink_metadata(step) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    remove_tree(folder, until)?;
    match fs::remove_dir(tenant) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Without recursion, and with one folder open at a time: a tenant's server made the tree, and may
/// have made it deep.
fn remove_tree(top: &Path, until: Instant) -> io::Result<()> {
    let mut left = vec![top.to_owned()];
    while let Some(folder) = left.last() {
        // Package caches are read-only at times, and that would protect them from us too.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let mut inner = Vec::new();
        for entry in fs::read_dir(folder)? {
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let entry = entry?;
            // The type of the entry itself: a link to a folder is none.
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
            } else if inner.len() < AT_ONCE {
                inner.push(entry.path());
            }
        }
        if inner.is_empty() {
            fs::remove_dir(folder)?;
            left.pop();
        } else {
            left.append(&mut inner);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn a_tree_goes_with_its_tenants_empty_folder_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (outside, tenant) = (root.path().join("outside"), root.path().join("tenant"));
        let (one, other) = (tenant.join("one"), tenant.join("other"));
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        let locked = one.join("home/cache");
        fs::create_dir_all(&locked).unwrap();
        fs::create_dir_all(&other).unwrap();
        fs::write(locked.join("module"), "").unwrap();
        symlink(&outside, one.join("home/link")).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();

        remove(one.clone()).await;
        assert!(!one.exists() && other.exists());
        remove(other).await;

        assert!(!tenant.exists());
        assert!(outside.join("kept").exists());
    }

    #[tokio::test]
    async fn a_link_in_place_of_a_folder_and_a_folder_that_never_was_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let (outside, tenant) = (root.path().join("outside"), root.path().join("tenant"));
        fs::create_dir_all(outside.join("one")).unwrap();
        symlink(&outside, &tenant).unwrap();

        remove(tenant.join("one")).await;
        remove(root.path().join("nobody/one")).await;

        assert!(outside.join("one").exists());
    }

    #[test]
    fn what_takes_too_long_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tenant/one");
        fs::create_dir_all(folder.join("home")).unwrap();

        let ended = remove_now(&folder, Instant::now()).unwrap_err();

        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert!(folder.exists());
    }
}
