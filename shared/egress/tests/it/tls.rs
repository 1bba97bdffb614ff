//! Secure connections, to servers that are to be trusted and to others.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use egress::{EgressConfig, EgressError};
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::server::{client, get, get_error, spawn};

/// Answers with the version of HTTP that it was spoken to; offers `protocols`. Returns its
/// certificate as PEM.
async fn secure_server(name: &str, protocols: &[&[u8]]) -> (SocketAddr, String) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certified.cert.der().clone()],
            PrivateKeyDer::Pkcs8(key),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            spawn(async move {
                // A client that does not trust the certificate ends it here.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let answer = service_fn(|request: Request<Incoming>| async move {
                    let version = format!("{:?} {}", request.version(), request.uri().path());
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(
                        version,
                    ))))
                });
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (address, certified.cert.pem())
}

fn trusting(ca_file: Option<&Path>) -> EgressConfig {
    EgressConfig {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ca_file: ca_file.map(Path::to_owned),
        ..EgressConfig::default()
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_the_operator_names_it_and_http_2_is_spoken() {
    for (protocols, expected) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], Version::HTTP_2),
        (&[b"http/1.1".as_slice()][..], Version::HTTP_11),
        (&[][..], Version::HTTP_11),
    ] {
        let (address, certificate) = secure_server("127.0.0.1", protocols).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, certificate).unwrap();
        let client = client(trusting(Some(&path)));

        let answer = get(&client, &format!("https://{address}/path"))
            .await
            .unwrap();

        assert_eq!(
            answer.collect(100).await.unwrap(),
            format!("{expected:?} /path")
        );
    }
}

#[tokio::test]
async fn a_server_without_a_trusted_certificate_gets_no_request() {
    let (address, _) = secure_server("127.0.0.1", &[]).await;
    let (other, certificate) = secure_server("other.example", &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, certificate).unwrap();

    let unknown = get_error(&client(trusting(None)), &format!("https://{address}/")).await;
    let misnamed = get_error(&client(trusting(Some(&path))), &format!("https://{other}/")).await;

    for error in [unknown, misnamed] {
        assert!(matches!(error, EgressError::Tls { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("no secure connection to 127.0.0.1: "),
            "{error}"
        );
        assert!(!error.may_have_arrived());
    }
}

#[tokio::test]
async fn a_file_without_a_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pem");
    std::fs::write(&path, "nothing").unwrap();

    let error = egress::Client::new(&trusting(Some(&path)))
        .unwrap_err()
        .to_string();

    assert!(error.starts_with("egress.ca_file ") && error.ends_with(": holds no certificate"));
}
