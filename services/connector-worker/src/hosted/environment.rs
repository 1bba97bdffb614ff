//! What a hosted server finds in its environment: the little of ours that it needs to run at all,
//! its private folders, and what its tenant set. Nothing else of the platform's.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::places::Folders;

/// What is passed on from the worker when it is set: where programs are, how text and times are
/// written, whom to trust in TLS, and how to reach package registries. `*` stands for any rest.
const INHERITED: &[&str] = &[
    "PATH",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "PIP_INDEX_URL",
    "PIP_CERT",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
];

/// Never passed, whatever the operator lists: our own settings, keys among them.
const OURS: &str = "TURNBUCKLE_";
/// Set for every hosted server to a value of its own, and inherited by all it starts.
pub(super) const MARK: &str = "TURNBUCKLE_HOSTED_SERVER";

/// The part of an environment that any hosted server may see.
#[derive(Clone, Debug)]
pub(super) struct Inherited(BTreeMap<OsString, OsString>);

impl Inherited {
    /// Picks from `environment`. Values of the built-in list that hold a user name or password in
    /// an URL stay behind (the operator's proxy account is no tenant's business); what the
    /// operator lists in `also` is passed as it is.
    pub(super) fn pick(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        also: &[String],
    ) -> Self {
        let picked = environment.into_iter().filter(|(name, value)| {
            let Some(name) = name.to_str() else {
                return false;
            };
            !name.starts_with(OURS)
                && (also.iter().any(|pattern| fits(name, pattern))
                    || (INHERITED.iter().any(|pattern| fits(name, pattern))
                        && !holds_account(value)))
        });
        Self(picked.collect())
    }

    /// The whole environment of one server, later ones winning: inherited, private, the tenant's.
    ///
    /// # Errors
    /// The name of a variable of `own` that no environment can hold.
    pub(super) fn complete(
        &self,
        folders: &Folders,
        mark: &str,
        own: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<OsString, OsString>, String> {
        let impossible = |(name, value): &(&String, &String)| {
            name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
        };
        if let Some((name, _)) = own.iter().find(impossible) {
            return Err(name.replace('\0', "\u{fffd}"));
        }
        let mut whole = self.0.clone();
        whole.insert("HOME".into(), folders.home.clone().into());
        whole.insert("TMPDIR".into(), folders.tmp.clone().into());
        whole.extend(own.iter().map(|(name, value)| (name.into(), value.into())));
        whole.insert(MARK.into(), mark.into());
        Ok(whole)
    }
}

/// Whether `pattern` is the name, or its beginning and a `*`.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// Whether the value is an URL with user information.
fn holds_account(value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    let authority = value.split_once("://").map_or(&*value, |(_, rest)| rest);
    authority
        .split('/')
        .next()
        .is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(variables: &[(&str, &str)], also: &[&str]) -> Vec<String> {
        let environment = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let also: Vec<String> = also.iter().map(|name| (*name).to_owned()).collect();
        let Inherited(picked) = Inherited::pick(environment, &also);
        picked
            .into_keys()
            .map(|name| name.into_string().unwrap())
            .collect()
    }

    #[test]
    fn only_listed_variables_pass_and_ours_never() {
        let ours = [
            ("PATH", "/bin"),
            ("LC_ALL", "C.UTF-8"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("HOME", "/root"),
            ("TURNBUCKLE_API_KEY", "tb_pa_x"),
            ("COMPANY_MIRROR", "m"),
        ];

        assert_eq!(pick(&ours, &[]), ["LC_ALL", "PATH"]);
        assert_eq!(pick(&ours, &["COMPANY_*", "*"]).len(), 5);
        assert!(!pick(&ours, &["TURNBUCKLE_*"]).contains(&"TURNBUCKLE_API_KEY".to_owned()));
    }

    #[test]
    fn an_account_in_a_proxy_address_stays_behind_unless_the_operator_lists_it() {
        let with = [
            ("HTTPS_PROXY", "http://user:pass@proxy:3128/"),
            ("https_proxy", "u:p@proxy"),
        ];
        let without = [
            ("HTTPS_PROXY", "http://proxy:3128/@x"),
            ("NO_PROXY", "localhost,::1"),
        ];

        assert_eq!(pick(&with, &[]), Vec::<String>::new());
        assert_eq!(pick(&with, &["HTTPS_PROXY"]), ["HTTPS_PROXY"]);
        assert_eq!(pick(&without, &[]).len(), 2);
    }

    #[test]
    fn the_tenants_variables_win_over_inherited_ones_but_not_over_the_mark() {
        let inherited = Inherited::pick([("PATH".into(), "/bin".into())], &[]);
        let own = |name: &str| BTreeMap::from([(name.to_owned(), "own".to_owned())]);
        let folders = Folders::of(std::path::Path::new("/f"), 0);

        let path = inherited.complete(&folders, "m", &own("PATH")).unwrap();
        assert_eq!(path[OsStr::new("PATH")], "own");
        assert_eq!(path[OsStr::new("HOME")], "/f/home");
        assert_eq!(
            inherited.complete(&folders, "m", &own(MARK)).unwrap()[OsStr::new(MARK)],
            "m"
        );
        assert_eq!(
            inherited.complete(&folders, "m", &own("A=B")),
            Err("A=B".to_owned())
        );
        assert_eq!(
            inherited.complete(&folders, "m", &own("")),
            Err(String::new())
        );
    }
}
