//! Answers that break HTTP, or have no end.

use std::sync::Arc;
use std::time::Duration;

use catalog::Catalog;
use fabric::{Effect, FailureKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{End, TOKEN, call_with, engine, engine_with, lease_of, limits};

const MIB: usize = 1024 * 1024;

/// One call to a server that answers every request with these bytes, the last of them so many times.
/// Tells also how many bytes it got rid of.
async fn called(
    tool: &str,
    arguments: Value,
    head: &str,
    (piece, times): (&[u8], usize),
) -> (End, usize) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut written = 0;
    let serve = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            if stream.write_all(head.as_bytes()).await.is_err() {
                continue;
            }
            for _ in 0..times {
                match stream.write_all(piece).await {
                    Ok(()) => written += piece.len(),
                    Err(_) => break,
                }
            }
        }
    };
    let (engine, lease) = (engine(), lease_of("github", &url, Some(TOKEN)));
    let call = call_with(&engine, &lease, tool, &arguments);
    let end = tokio::select! {
        end = tokio::time::timeout(Duration::from_secs(15), call) => end.unwrap(),
        () = serve => unreachable!("it serves for as long as it is asked"),
    };
    (end, written)
}

async fn read_request(stream: &mut TcpStream) {
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return,
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
}

async fn listed(head: &str, body: (&[u8], usize)) -> (End, usize) {
    let arguments = json!({ "owner": "o", "repo": "r" });
    called("github_list_issues", arguments, head, body).await
}

async fn made(head: &str, body: (&[u8], usize)) -> End {
    let arguments = json!({ "owner": "o", "repo": "r", "title": "t" });
    called("github_create_issue", arguments, head, body).await.0
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_no_answer_and_says_what_may_have_happened() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let message = "127.0.0.1 closed the connection before its answer was complete.";

    let read = listed(head, (b"[]", 1)).await.0.failed();
    assert_eq!(
        (read.kind, read.effect, read.message.as_str()),
        (FailureKind::Died, Effect::None, message)
    );
    let written = made(head, (b"[]", 1)).await.failed();
    assert_eq!(
        (written.kind, written.effect, written.message.as_str()),
        (FailureKind::Died, Effect::Possible, message)
    );
}

#[tokio::test]
async fn a_body_longer_than_announced_is_taken_at_its_word() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";

    let (end, _) = listed(head, (b"[][1, 2, 3]", 1)).await;

    assert_eq!(end.structured(), json!({ "items": [] }));
}

#[tokio::test]
async fn what_is_no_http_is_told_as_such() {
    for head in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n",
    ] {
        let failure = listed(head, (b"[]", 1)).await.0.failed();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (
                FailureKind::Garbage,
                "127.0.0.1 answered something that is not HTTP."
            ),
            "{head:?}"
        );
    }
}

#[tokio::test]
async fn a_hundred_mebibytes_are_neither_read_to_their_end_nor_begun_when_announced() {
    let too_large =
        "GitHub's answer is too large, more than 10485760 bytes: ask for fewer items in a page.";
    let piece = vec![b' '; MIB];

    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 100 * MIB);
    let (end, written) = listed(&announced, (&piece, 100)).await;
    let failure = end.failed();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::TooLarge, too_large)
    );
    // What is under way in the buffers of the two sockets does not count.
    assert!(written < 20 * MIB, "{written}");

    let mut chunk = format!("{MIB:x}\r\n").into_bytes();
    chunk.extend_from_slice(&piece);
    chunk.extend_from_slice(b"\r\n");
    let unannounced = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let (end, written) = listed(unannounced, (&chunk, 100)).await;
    assert_eq!(end.failed().message, too_large);
    assert!((10 * MIB..40 * MIB).contains(&written), "{written}");
}

#[tokio::test]
async fn an_error_without_an_end_is_told_after_its_beginning() {
    let piece = vec![b'x'; MIB];
    let mut chunk = format!("{MIB:x}\r\n").into_bytes();
    chunk.extend_from_slice(&piece);
    chunk.extend_from_slice(b"\r\n");
    let head = "HTTP/1.1 422 Unprocessable Entity\r\ntransfer-encoding: chunked\r\n\r\n";

    let (end, written) = listed(head, (&chunk, 100)).await;

    let text = end.refused();
    assert!(
        text.contains("422 Unprocessable Entity") && text.len() < 4_096,
        "{text}"
    );
    assert!(written < 20 * MIB, "{written}");
}

/// A tool that sends one request for each of its elements.
const EACH: &str = r#"
format = 1
connector = "each"
display_name = "Each"
category = "test"
summary = "One request for each."
base_url = "https://api.example.com"
body = "json"
[auth]
methods = [{ kind = "token", apply = { in = "header", name = "Authorization", format = "Bearer {token}" } }]
[rate_limit]
statuses = [429]
retry_after = "seconds"
[errors]
style = "http_status"
[[tools]]
name = "each_tell"
title = "Tell"
description = "Tells each of several people the same, and returns what became of it."
effect = "write"
idempotent = false
request = "POST /tell"
args = [{ name = "who", in = "query", type = "array", items = { type = "string" }, transform = "fan_out", required = true, description = "Whom." }]
"#;

#[tokio::test]
async fn a_call_that_fails_after_it_has_done_something_does_not_say_that_nothing_happened() {
    let catalog = Arc::new(Catalog::load([("each.toml", EACH)]).unwrap());
    let engine = engine_with(catalog, limits());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lease = lease_of("each", &url, Some("key"));
    // The provider is gone after the first request.
    let serve_one = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        read_request(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
    };

    let arguments = json!({ "who": ["ada", "ben"] });
    let call = call_with(&engine, &lease, "each_tell", &arguments);
    let (end, ()) = tokio::join!(call, serve_one);

    // Who reads "no effect" tells Ada again.
    let failure = end.failed();
    assert_eq!(
        (failure.kind, failure.effect),
        (FailureKind::Unreachable, Effect::Possible)
    );
}
