//! Where the client goes, and where it does not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use egress::{Client, EgressConfig, EgressError, Resolve};
use futures_util::future::BoxFuture;

use crate::server::{Server, client, get, get_error, open_client};

/// Answers each question with the next of its answers, and counts the questions.
struct Answers(Vec<Vec<SocketAddr>>, AtomicUsize);

impl Resolve for Answers {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let asked = self.1.fetch_add(1, Ordering::Relaxed);
        let answer = self
            .0
            .get(asked)
            .or(self.0.last())
            .cloned()
            .unwrap_or_default();
        Box::pin(std::future::ready(Ok(answer)))
    }
}

fn resolving(config: &EgressConfig, answers: Vec<Vec<SocketAddr>>) -> (Client, Arc<Answers>) {
    let resolver = Arc::new(Answers(answers, AtomicUsize::new(0)));
    (
        Client::with_resolver(config, resolver.clone()).unwrap(),
        resolver,
    )
}

#[tokio::test]
async fn no_spelling_of_a_private_address_is_called() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = client(EgressConfig::default());
    let port = server.address.port();

    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "169.254.169.254",
        "localhost",
    ] {
        let error = get_error(&client, &format!("http://{host}:{port}/")).await;
        assert!(
            matches!(error, EgressError::Refused { .. }),
            "{host}: {error}"
        );
        assert!(!error.may_have_arrived());
    }
    assert_eq!(server.connections(), 0);
    assert_eq!(
        get_error(&client, &server.url()).await.to_string(),
        "127.0.0.1 is not a public address; an operator can permit it with the setting egress.allow"
    );
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused_and_its_public_ones_are_not() {
    let server = Server::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let private = SocketAddr::from(([10, 0, 0, 1], 80));
    let (closed, _) = resolving(
        &EgressConfig::default(),
        vec![vec![private, server.address]],
    );
    let config = EgressConfig {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressConfig::default()
    };
    let (open, _) = resolving(&config, vec![vec![private, server.address]]);

    let error = get_error(&closed, "http://internal.example/").await;
    let answer = get(&open, "http://internal.example/").await.unwrap();

    assert!(matches!(error, EgressError::Refused { host } if host == "internal.example"));
    assert_eq!(answer.status(), 204);
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_a_connection_so_that_it_cannot_be_rebound() {
    let server = Server::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let config = EgressConfig {
        allow: vec!["127.0.0.1/32".parse().unwrap()],
        ..EgressConfig::default()
    };
    let rebound = SocketAddr::from(([127, 0, 0, 2], server.address.port()));
    let (client, resolver) = resolving(&config, vec![vec![server.address], vec![rebound]]);

    let answer = get(&client, "http://rebind.example/").await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), resolver.1.load(Ordering::Relaxed)),
        (204, 1)
    );

    // The next connection asks again, and is judged again.
    let error = get_error(&client, "http://rebind.example/").await;
    assert!(matches!(error, EgressError::Refused { .. }), "{error}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let target = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let location = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        target.url()
    );
    let server = Server::saying(location).await;

    let answer = get(&open_client(), &server.url()).await.unwrap();

    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], target.url());
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn urls_that_are_none_of_ours_are_refused_before_anything_happens() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = open_client();
    let with_user = format!("http://user:secret@{}/", server.address);

    for url in [with_user.as_str(), "ftp://example.com/", "/path/only"] {
        let error = get_error(&client, url).await;
        assert!(matches!(error, EgressError::Url(_)), "{url}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told_from_one_that_was_reached() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);

    let error = get_error(&open_client(), &format!("http://127.0.0.1:{port}/")).await;

    assert_eq!(
        error.to_string(),
        "127.0.0.1 cannot be reached: connection refused"
    );
    assert!(!error.may_have_arrived());
}
