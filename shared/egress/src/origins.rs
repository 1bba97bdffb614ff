//! Providers that are answered elsewhere: behind an operator's own gateway.

use std::collections::BTreeMap;

use url::Url;

/// Where requests to the origins of manifests go instead. Whatever else depends on the address
/// (who gets the credential, which links are followed) goes by the provider's own.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<(url::Origin, Url)>);

impl Origins {
    /// `by_origin`: an origin such as `https://www.googleapis.com`, and the base URL that stands
    /// for it; the path of a request follows that of the base.
    ///
    /// # Errors
    /// One sentence that names the entry and its rule.
    pub fn new(by_origin: &BTreeMap<String, Url>) -> Result<Self, String> {
        let mut all = Vec::new();
        for (text, base) in by_origin {
            let url = Url::parse(text).map_err(|_| format!("{text:?} is no origin"))?;
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            if !bare || !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
                return Err(format!("{text:?} is no origin: scheme, host and port only"));
            }
            if !matches!(base.scheme(), "http" | "https") || base.query().is_some() {
                return Err(format!("{text:?} leads to what is no base URL"));
            }
            all.push((url.origin(), base.clone()));
        }
        Ok(Self(all))
    }

    /// Where the request for `at` is sent.
    pub fn reroute(&self, at: &Url) -> Url {
        let origin = at.origin();
        let known = self.0.iter().find(|(known, _)| *known == origin);
        let Some((_, base)) = known else {
            return at.clone();
        };
        let mut to = base.clone();
        to.set_path(&format!(
            "{}{}",
            base.path().trim_end_matches('/'),
            at.path()
        ));
        to.set_query(at.query());
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_goes_elsewhere_with_path_and_query_as_they_are() {
        let origins = |from: &str, to: &str| {
            Origins::new(&BTreeMap::from([(from.to_owned(), to.parse().unwrap())]))
        };
        let known = origins(
            "https://api.example.com",
            "http://proxy.internal:8080/example/",
        )
        .unwrap();
        let goes = |at: &str| known.reroute(&at.parse().unwrap()).to_string();

        assert_eq!(
            goes("https://api.example.com/v1/a%2Fb?q=%20x"),
            "http://proxy.internal:8080/example/v1/a%2Fb?q=%20x"
        );
        for other in [
            "http://api.example.com/v1",
            "https://api.example.com:8443/v1",
        ] {
            assert_eq!(goes(other), other);
        }
        assert!(origins("https://api.example.com/v1", "https://x.example").is_err());
        assert!(origins("api.example.com", "https://x.example").is_err());
        assert!(origins("https://api.example.com", "ftp://x.example").is_err());
    }
}
