//! The rest of a response whose head says `Transfer-Encoding: chunked` (RFC 9112 §7.1), without
//! buffers that outlive a chunk.

use std::io::{self, Write};

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::impatient::Impatient;

/// Room for a chunk's length in hexadecimal, and two ends of line.
const FRAMING: usize = 20;

/// Writes `body` to its end and closes the stream; stops when the peer has closed its side.
pub(crate) async fn write(mut stream: Impatient<TcpStream>, mut body: Body) -> io::Result<()> {
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = gone(stream.get_ref()) => return Ok(()),
        };
        let Some(frame) = frame else {
            stream.write_all(b"0\r\n\r\n").await?;
            return stream.shutdown().await;
        };
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else {
            continue;
        };
        // An empty chunk would be the end.
        if data.is_empty() {
            continue;
        }
        let mut chunk = Vec::with_capacity(data.len() + FRAMING);
        write!(chunk, "{:x}\r\n", data.len())?;
        chunk.extend_from_slice(&data);
        chunk.extend_from_slice(b"\r\n");
        drop(data);
        stream.write_all(&chunk).await?;
    }
}

/// Resolves when the peer has closed. What it sends instead is left unread.
async fn gone(stream: &TcpStream) {
    if let Ok(1..) = stream.peek(&mut [0]).await {
        std::future::pending::<()>().await;
    }
}
