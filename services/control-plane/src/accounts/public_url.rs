//! Where browsers reach this installation.

use std::net::IpAddr;

use anyhow::ensure;
use url::{Host, Url};

/// Path of the one redirect URI, the same for all tenants and providers.
pub(crate) const CALLBACK_PATH: &str = "/api/v1/oauth/callback";
/// Path of the document about us for servers that fetch such documents.
pub(crate) const DOCUMENT_PATH: &str = "/oauth/client.json";

/// An address whose host and port lead to this control-plane.
#[derive(Clone, Debug)]
pub(crate) struct PublicUrl(Url);

impl PublicUrl {
    /// # Errors
    /// One sentence that says what it must be: providers send codes there, and cookies that nobody
    /// else may read go there.
    pub(crate) fn new(url: &Url) -> anyhow::Result<Self> {
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        ensure!(
            bare && url.username().is_empty() && url.password().is_none(),
            "public_url must be scheme, host and port only, e.g. https://tools.example.com"
        );
        let local = url.scheme() == "http" && is_loopback(url);
        ensure!(
            local || (url.scheme() == "https" && url.host().is_some()),
            "public_url must begin with https://, but on this machine itself"
        );
        Ok(Self(url.clone()))
    }

    /// What is registered at each provider.
    pub(crate) fn redirect_uri(&self) -> Url {
        self.at(CALLBACK_PATH)
    }

    /// Where the document about us is; also our name at servers that fetch it.
    pub(crate) fn client_document(&self) -> Url {
        self.at(DOCUMENT_PATH)
    }

    pub(crate) fn home(&self) -> Url {
        self.0.clone()
    }

    /// The page that a link leads to.
    pub(crate) fn connect_page(&self, nonce: &str) -> Url {
        self.at(&format!("/connect/{nonce}"))
    }

    /// Whether browsers keep what they send there to themselves.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_https_or_this_machine_and_nothing_but_an_origin() {
        let read = |text: &str| PublicUrl::new(&text.parse().unwrap());
        for good in [
            "https://tools.example.com",
            "https://tools.example.com:8443/",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "http://localhost:8000",
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "http://tools.example.com",
            "http://localhost.example.com",
            "https://tools.example.com/turnbuckle",
            "https://user@tools.example.com",
            "https://tools.example.com/?a=b",
            "file:///",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let url = read("https://tools.example.com").unwrap();
        assert_eq!(
            url.redirect_uri().as_str(),
            "https://tools.example.com/api/v1/oauth/callback"
        );
    }
}
