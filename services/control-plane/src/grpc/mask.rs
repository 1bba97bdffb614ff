//! Field masks (AIP-134, AIP-161): which fields an update is about.

use prost_types::FieldMask;

use crate::error::Error;

/// The paths that an update names.
pub(super) struct Mask(Vec<String>);

impl Mask {
    /// `None` when the update names none, and so means what it has set.
    ///
    /// # Errors
    /// When a path is none that `known` says yes to.
    pub(super) fn read(
        mask: Option<FieldMask>,
        known: impl Fn(&str) -> bool,
    ) -> Result<Option<Self>, Error> {
        let Some(FieldMask { paths }) = mask.filter(|mask| !mask.paths.is_empty()) else {
            return Ok(None);
        };
        match paths.iter().all(|path| known(path)) {
            true => Ok(Some(Self(paths))),
            false => Err(Error::invalid(
                "update_mask",
                "may name only fields that can change",
            )),
        }
    }

    /// Whether it names `path`, or what that is in.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.iter().any(|named| {
            named == "*"
                || path
                    .strip_prefix(named.as_str())
                    .is_some_and(|r| r.is_empty() || r.starts_with('.'))
        })
    }

    /// The keys of a map that it names one by one, as in `secrets.env.NAME`; those that hold
    /// anything but letters, digits and `_` may stand in backquotes.
    pub(super) fn keys<'m>(&'m self, map: &'m str) -> impl Iterator<Item = &'m str> {
        self.0.iter().filter_map(move |named| key_of(map, named))
    }
}

/// The key that `path` names in `map`.
pub(super) fn key_of<'p>(map: &str, path: &'p str) -> Option<&'p str> {
    let key = path.strip_prefix(map)?.strip_prefix('.')?;
    let quoted = key
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'));
    Some(quoted.unwrap_or(key)).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> Option<FieldMask> {
        Some(FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        })
    }

    #[test]
    fn a_mask_means_what_it_names_and_all_within() {
        let read = Mask::read(mask(&["secrets", "native.base_url"]), |_| true)
            .unwrap()
            .unwrap();

        assert!(read.has("secrets") && read.has("secrets.token") && read.has("native.base_url"));
        assert!(!read.has("native") && !read.has("secrets_other") && !read.has("name"));
        assert!(Mask::read(mask(&[]), |_| false).unwrap().is_none());
        assert!(Mask::read(mask(&["uid"]), |path| path != "uid").is_err());
    }

    #[test]
    fn keys_of_maps_are_named_plainly_or_in_backquotes() {
        let paths = [
            "secrets.headers.`X-Api.Key`",
            "secrets.headers.Host",
            "secrets.headers",
        ];
        let read = Mask::read(mask(&paths), |_| true).unwrap().unwrap();

        assert_eq!(
            read.keys("secrets.headers").collect::<Vec<_>>(),
            ["X-Api.Key", "Host"]
        );
        assert_eq!(key_of("secrets.env", "secrets.env."), None);
    }
}
