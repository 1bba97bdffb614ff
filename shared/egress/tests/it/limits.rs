//! How long the client waits, and how much it takes.

use std::time::Duration;

use bytes::Bytes;
use egress::{ClientError, Deadline, EgressConfig, EgressError};
use futures_util::StreamExt;
use http::Request;
use http_body_util::Full;
use tokio::io::AsyncWriteExt;

use crate::server::{Server, client, get, get_error, open_client};

const MIB: usize = 1024 * 1024;

fn loopback() -> EgressConfig {
    EgressConfig {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressConfig::default()
    }
}

#[tokio::test]
async fn a_server_that_never_begins_to_answer_costs_the_header_timeout_and_may_have_acted() {
    let server = Server::start(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let client = client(EgressConfig {
        header_timeout: Duration::from_millis(50),
        ..loopback()
    });

    let error = get_error(&client, &server.url()).await;

    assert!(
        matches!(error, EgressError::Timeout { sent: true, .. }),
        "{error}"
    );
    assert_eq!(error.to_string(), "127.0.0.1 did not answer in time");
}

#[tokio::test]
async fn a_deadline_that_passes_before_there_is_a_connection_says_that_nothing_was_sent() {
    let server = Server::saying("").await;
    // The handshake of TLS is never answered.
    let url = format!("https://{}/", server.address);
    for body in ["", "body"] {
        let request = Request::post(&url)
            .body(Full::new(Bytes::from(body)))
            .unwrap();

        let error = open_client()
            .send(request, Deadline::after(Duration::from_millis(100)))
            .await;

        assert!(
            matches!(error, Err(EgressError::Timeout { sent: false, .. })),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn the_deadline_holds_for_the_body_too() {
    let server = Server::start(|mut stream| async move {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let request = Request::get(server.url())
        .body(Full::new(Bytes::new()))
        .unwrap();

    let answer = open_client()
        .send(request, Deadline::after(Duration::from_millis(100)))
        .await
        .unwrap();
    let error = answer.collect(MIB).await.unwrap_err();

    assert!(
        matches!(error, EgressError::Timeout { sent: true, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_cut_whether_it_is_announced_or_not() {
    let body = vec![b'x'; 20 * MIB];
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    for header in [
        announced.as_str(),
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ] {
        let server = Server::saying([header.as_bytes(), &body].concat()).await;
        let client = open_client();

        let cut = get(&client, &server.url())
            .await
            .unwrap()
            .collect(10 * MIB)
            .await;
        let whole = get(&client, &server.url())
            .await
            .unwrap()
            .collect(20 * MIB)
            .await;

        assert!(matches!(cut, Err(EgressError::TooLarge { limit }) if limit == 10 * MIB));
        assert_eq!(whole.unwrap().len(), 20 * MIB);
    }
}

#[tokio::test]
async fn a_header_beyond_the_limit_is_refused() {
    let answer = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(MIB));
    let server = Server::saying(answer).await;

    let error = get_error(&open_client(), &server.url()).await;

    assert!(
        matches!(error, EgressError::TooLarge { limit: 65_536 }),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_no_http_is_named_so() {
    let half = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let nothing = Server::saying("").await;
    let garbage = Server::saying("220 smtp.example ESMTP\r\n").await;
    let client = open_client();

    let broken = get(&client, &half.url())
        .await
        .unwrap()
        .collect(MIB)
        .await
        .unwrap_err();
    assert!(matches!(broken, EgressError::Died { .. }), "{broken}");
    let empty = get_error(&client, &nothing.url()).await;
    assert!(matches!(empty, EgressError::Died { .. }), "{empty}");
    let wrong = get_error(&client, &garbage.url()).await;
    assert!(matches!(wrong, EgressError::Garbage { .. }), "{wrong}");
    for error in [broken, empty, wrong] {
        assert!(error.may_have_arrived());
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_costs_the_connect_timeout_and_gets_no_request() {
    let server = Server::saying("").await;
    let url = format!("https://{}/", server.address);
    // Its "header" never comes: the handshake of the client is none.
    let client = client(EgressConfig {
        connect_timeout: Duration::from_millis(200),
        ..loopback()
    });

    let error = get_error(&client, &url).await;

    assert!(
        matches!(
            error,
            EgressError::Timeout { sent: false, .. } | EgressError::Tls { .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn pieces_come_as_they_arrive_and_connections_are_used_again() {
    let server = Server::start(|mut stream| async move {
        let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        // Twice on one connection; the second request is not looked at.
        for _ in 0..2 {
            stream.write_all(answer).await.unwrap();
            let mut ignored = [0; 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut ignored).await;
        }
    })
    .await;
    let client = open_client();

    for _ in 0..2 {
        let stream = get(&client, &server.url()).await.unwrap().into_stream();
        let pieces: Vec<_> = stream.map(Result::unwrap).collect().await;
        assert_eq!(pieces.concat(), b"abc");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_certificate_file_that_cannot_be_used_is_named() {
    let config = EgressConfig {
        ca_file: Some("/nowhere/ca.pem".into()),
        ..loopback()
    };

    let error = egress::Client::new(&config).unwrap_err();

    assert!(matches!(&error, ClientError::CaFile { path, .. } if path == "/nowhere/ca.pem"));
    assert!(
        error
            .to_string()
            .starts_with("egress.ca_file /nowhere/ca.pem: ")
    );
}
