//! Certificates: whose a role is, and what both ends of a connection are made of.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::verifier::OfRole;
use super::{Peer, Role};

/// What precedes role and name in the URI of a certificate.
pub(super) const URI: &str = "turnbuckle://role/";
/// HTTP/2 and nothing else.
const ALPN: &[u8] = b"h2";

/// Both ends, made of one set of files.
pub(super) struct Certificates {
    pub(super) server: Arc<ServerConfig>,
    clients: [Arc<ClientConfig>; 3],
}

impl Certificates {
    /// For a process of the role `own`. Paths are for messages.
    pub(super) fn new(
        own: Role,
        (ca, ca_pem): (&Path, &[u8]),
        (cert, cert_pem): (&Path, &[u8]),
        (key, key_pem): (&Path, &[u8]),
    ) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(ca, ca_pem)? {
            roots
                .add(authority)
                .with_context(|| format!("use the certificate in {}", ca.display()))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(cert, cert_pem)?;
        let own_name = own.as_str();
        let peer = peer_of(&chain).with_context(|| {
            format!(
                "the certificate in {} names no role: it needs the URI {URI}{own_name}/<name>",
                cert.display()
            )
        })?;
        ensure!(
            peer.role == own,
            "the certificate in {} is of the role {}, and this is a {own_name}",
            cert.display(),
            peer.role.as_str()
        );
        let key_der = PrivateKeyDer::from_pem_slice(key_pem)
            .with_context(|| format!("read a private key from {}", key.display()))?;

        let provider = provider();
        let fits = || format!("use {} with {}", key.display(), cert.display());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .with_context(|| format!("use the certificates in {}", ca.display()))?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key_der.clone_key())
            .with_context(fits)?;
        server.alpn_protocols = vec![ALPN.to_vec()];

        let client = |role| {
            let verifier = OfRole::new(role, roots.clone(), provider.clone());
            let mut client = ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .context("choose TLS versions")?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_client_auth_cert(chain.clone(), key_der.clone_key())
                .with_context(fits)?;
            client.alpn_protocols = vec![ALPN.to_vec()];
            // What was believed once is looked at again: certificates are taken back by change.
            client.resumption = rustls::client::Resumption::disabled();
            anyhow::Ok(Arc::new(client))
        };
        Ok(Self {
            server: Arc::new(server),
            clients: [
                client(Role::ControlPlane)?,
                client(Role::Gateway)?,
                client(Role::Worker)?,
            ],
        })
    }

    /// What a peer of `role` is connected to with.
    pub(super) fn client(&self, role: Role) -> Arc<ClientConfig> {
        let [control_plane, gateway, worker] = &self.clients;
        match role {
            Role::ControlPlane => control_plane.clone(),
            Role::Gateway => gateway.clone(),
            Role::Worker => worker.clone(),
        }
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(super) fn certificates(
    path: &Path,
    pem: &[u8],
) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.with_context(|| format!("read certificates from {}", path.display()))?;
    ensure!(!all.is_empty(), "{} holds no certificate", path.display());
    Ok(all)
}

/// Whose certificate it is that a chain begins with; whether it is to be believed is another
/// question.
pub(super) fn peer_of(chain: &[CertificateDer<'_>]) -> Option<Peer> {
    let certificate = webpki::EndEntityCert::try_from(chain.first()?).ok()?;
    let mut uris = certificate.valid_uri_names();
    let (role, name) = uris.find_map(|uri| uri.strip_prefix(URI)?.split_once('/'))?;
    Some(Peer {
        role: Role::named(role)?,
        name: name.into(),
    })
}
