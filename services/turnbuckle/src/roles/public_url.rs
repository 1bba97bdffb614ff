//! Where browsers reach a role that people sign in at.

use std::net::SocketAddr;

use url::Url;

/// What is not said: an address on this machine is good enough for browsers on it. What is said is
/// served, without being named among the hosts once more.
pub(super) fn settle_public_url(
    config: &mut control_plane::Config,
    hosts: &mut Vec<String>,
    listens: SocketAddr,
) {
    if config.public_url.is_none() && listens.ip().is_loopback() {
        config.public_url = Url::parse(&format!("http://{listens}")).ok();
    }
    let host = config.public_url.as_ref().and_then(Url::host_str);
    hosts.extend(host.map(|host| host.trim_matches(['[', ']']).to_owned()));
}
