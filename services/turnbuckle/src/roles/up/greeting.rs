//! What a person reads when the platform has started, and what programs read instead.

use std::net::SocketAddr;

use serde_json::json;

use super::data::DataDir;
use crate::roles::files::ReadyFile;
use crate::roles::print;

/// Where everything is.
pub(super) struct Addresses {
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) grpc: SocketAddr,
}

impl Addresses {
    /// Tells programs: the command line through the data folder, whoever started us through
    /// `ready_file`.
    pub(super) fn announce(&self, data: &DataDir, files: &[ReadyFile]) -> anyhow::Result<()> {
        let document = json!({
            "pid": std::process::id(),
            "url": url(self.public),
            "admin_url": url(self.admin),
            "grpc_url": url(self.grpc),
            "data_dir": data.path(),
        });
        let text = format!("{document:#}\n");
        files.iter().try_for_each(|file| file.write(&text))
    }

    /// Tells the person.
    pub(super) fn greet(&self, data: &DataDir) -> anyhow::Result<()> {
        let (public, key) = (url(self.public), data.admin_key());
        let key_note = match key.exists() {
            true => "(the file holds it; `turnbuckle` commands find it)",
            false => "(missing! `turnbuckle up --new-admin-key` makes another)",
        };
        let (admin, grpc) = (url(self.admin), url(self.grpc));
        let data_dir = data.path().display();
        let key = key.display();
        let path = own_folder().map(|folder| format!("  export PATH=\"{folder}:$PATH\"\n"));
        let path = path.unwrap_or_default();
        print(&format!(
            r#"
Turnbuckle is running.

  Start page   {public}/
  REST         {public}/docs
  gRPC         {grpc}
  Health       {admin}/health/ready   Metrics {admin}/metrics
  Admin key    {key}   {key_note}

Connect something, in another terminal:

{path}  export TURNBUCKLE_DATA_DIR='{data_dir}'
  turnbuckle tenant create acme --name "Acme"
  turnbuckle connector add acme everything --command 'npx -y @modelcontextprotocol/server-everything'
  turnbuckle key create --tenant acme --scope tenant_user --name laptop
  turnbuckle mcp call acme everything_echo --args '{{"message":"hi"}}'

Paste into an MCP client, with the key just created:

  {{"mcpServers": {{"acme": {{"type": "http", "url": "{public}/api/v1/acme/mcp",
    "headers": {{"Authorization": "Bearer <key>"}}}}}}}}

"#
        ))
    }
}

/// Where this program lies, unless a shell finds it there already.
fn own_folder() -> Option<String> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = std::env::split_paths(&path).any(|entry| entry == folder);
    (!known).then(|| folder.display().to_string())
}

fn url(addr: SocketAddr) -> String {
    // Nobody can connect to "any address"; on this machine loopback is one of them.
    let host = match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => "[::1]".to_owned(),
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    format!("http://{host}:{}", addr.port())
}
