//! Configuration: typed, strict, and layered: defaults < file < environment < flags.

use std::collections::BTreeSet;
use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What every environment variable of ours begins with; `__` separates sections
/// (`TURNBUCKLE_LOG__FORMAT`).
pub const ENV_PREFIX: &str = "TURNBUCKLE_";

/// Reads a configuration.
///
/// `flags` holds what the command line says, as a serialisable struct whose absent fields are
/// skipped. `elsewhere` names variables with our prefix that the command line reads itself and
/// that are therefore no unknown keys (lower case, without the prefix).
///
/// # Errors
/// One sentence that names the key, and where it came from.
pub fn load<C, F>(file: Option<&Path>, flags: F, elsewhere: &[&str]) -> anyhow::Result<C>
where
    C: DeserializeOwned + Serialize + Default,
    F: Serialize,
{
    let mut figment = Figment::from(Serialized::defaults(C::default()));
    if let Some(path) = file {
        anyhow::ensure!(
            path.is_file(),
            "configuration file {} does not exist",
            path.display()
        );
        figment = figment.merge(Toml::file_exact(path));
    }
    let skipped: BTreeSet<String> = elsewhere.iter().map(|name| (*name).to_owned()).collect();
    let environment = Env::prefixed(ENV_PREFIX)
        .filter(move |key| !skipped.contains(&key.as_str().to_ascii_lowercase()))
        .split("__");
    let figment = figment
        .merge(environment)
        .merge(Serialized::defaults(flags));
    figment.extract().map_err(|error| {
        let reasons: Vec<String> = error.into_iter().map(|e| e.to_string()).collect();
        anyhow::anyhow!("configuration: {}", reasons.join("; "))
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        listen: String,
        depth: u32,
    }

    #[derive(Serialize)]
    struct Flags {
        #[serde(skip_serializing_if = "Option::is_none")]
        depth: Option<u32>,
    }

    #[test]
    fn flags_beat_the_file_and_an_unknown_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");

        std::fs::write(&path, "listen = 'a'\ndepth = 1\n").unwrap();
        let read: Config = load(Some(&path), Flags { depth: Some(2) }, &[]).unwrap();
        assert_eq!(
            read,
            Config {
                listen: "a".to_owned(),
                depth: 2
            }
        );

        std::fs::write(&path, "lisen = 'a'\n").unwrap();
        let error = load::<Config, _>(Some(&path), Flags { depth: None }, &[]).unwrap_err();
        assert!(error.to_string().contains("lisen"), "{error}");
    }
}
