//! As much of Redis as must be asked.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Bytes that its data take, by its own account.
///
/// # Errors
/// It cannot be reached, or does not say.
pub(super) async fn used_memory((address, password): (&str, &str)) -> anyhow::Result<u64> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let commands = format!("AUTH {password}\r\nINFO memory\r\nQUIT\r\n");
        stream.write_all(commands.as_bytes()).await?;
        let mut told = String::new();
        stream.read_to_string(&mut told).await?;
        anyhow::Ok(told)
    };
    let told = timeout(Duration::from_secs(10), ask).await??;
    ensure!(told.starts_with("+OK"), "Redis does not know us");
    let used = told
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    Ok(used
        .context("Redis says nothing of its memory")?
        .trim()
        .parse()?)
}
