use std::io::{Read, Result as IoResult, Write};

use mcp::parse;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::json::MAX_DEPTH;

const MAX_BYTES: usize = 512;
/// A control frame of a server at its longest.
const CLOSE_MAX_BYTES: usize = 2 + 125;

/// Frames of a client, read as the gateway has them read (its buffers, smaller limits): the same
/// messages however the network cuts them, none larger than allowed, and hardly more is written
/// back than came.
pub fn websocket(input: &[u8]) -> (Vec<&'static str>, &'static str) {
    let (messages, outcome) = read(input, input.len().max(1));
    for size in [1, 3, 64] {
        let again = read(input, size);
        assert_eq!(
            (&again.0, again.1),
            (&messages, outcome),
            "in chunks of {size}"
        );
    }
    let kinds = messages.iter().map(|message| match message {
        Message::Text(text) => match parse(text.as_bytes(), MAX_DEPTH) {
            Ok(_) => "message",
            Err(error) => error.message,
        },
        Message::Binary(_) => "binary",
        Message::Ping(_) => "ping",
        Message::Pong(_) => "pong",
        Message::Close(_) => "close",
        Message::Frame(_) => unreachable!("it is never read"),
    });
    (kinds.take(6).collect(), outcome)
}

fn read(input: &[u8], size: usize) -> (Vec<Message>, &'static str) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_BYTES))
        .max_frame_size(Some(MAX_BYTES));
    let stream = Cut {
        left: input,
        size,
        written: 0,
    };
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    let mut messages = Vec::new();
    let outcome = loop {
        match socket.read() {
            Ok(message) => {
                assert!(message.len() <= MAX_BYTES);
                messages.push(message);
            }
            Err(Error::ConnectionClosed) => break "closed",
            Err(Error::Protocol(_)) => break "against the rules",
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => break "too large",
            Err(Error::Utf8(_)) => break "no text",
            Err(Error::Io(_)) => break "cut off",
            Err(error) => panic!("unexpected: {error}"),
        }
    };
    // An answer to a ping is no longer than that; one close may say a reason.
    assert!(socket.get_ref().written <= input.len() + CLOSE_MAX_BYTES);
    (messages, outcome)
}

/// A network that brings so many bytes at once.
struct Cut<'a> {
    left: &'a [u8],
    size: usize,
    written: usize,
}

impl Read for Cut<'_> {
    fn read(&mut self, into: &mut [u8]) -> IoResult<usize> {
        let most = into.len().min(self.size);
        self.left.read(&mut into[..most])
    }
}

impl Write for Cut<'_> {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.written += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}
