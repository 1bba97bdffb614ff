//! Clients, servers and suites of others, all of which run on Node.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Where the SDK clients and `server-everything` are installed.
pub(crate) fn clients_folder() -> PathBuf {
    installed("clients")
}

/// Where what drives a browser is installed.
pub(crate) fn browser_folder() -> PathBuf {
    installed("browser")
}

/// Where the conformance suite and its fixture are installed.
pub(crate) fn conformance_folder() -> PathBuf {
    installed("conformance")
}

fn installed(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    assert!(
        folder.join("node_modules").is_dir(),
        "node packages are missing: run ./test, or `npm ci` in tests/{name}"
    );
    folder
}

/// A script below `tests/`, as an absolute path for a hosted command.
pub(crate) fn node_script(folder: &str, script: &str) -> String {
    let path = installed(folder).join(script);
    assert!(path.is_file(), "{} is missing", path.display());
    path.to_str().unwrap().to_owned()
}

/// A server on Node that prints its URL when it listens. Dies with the test.
pub(crate) struct NodeServer {
    _child: Child,
    pub(crate) url: String,
}

impl NodeServer {
    pub(crate) async fn start(folder: &str, script: &str, args: &[&str]) -> Self {
        let mut child = Command::new("node")
            .arg(node_script(folder, script))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next_line().await.unwrap().expect("it prints its URL");
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self { _child: child, url }
    }

    /// `server-everything` over Streamable HTTP.
    pub(crate) async fn everything() -> Self {
        Self::start("clients", "everything-http.mjs", &[]).await
    }

    /// A server of the modern era.
    pub(crate) async fn modern() -> Self {
        Self::start("clients", "modern-server.mjs", &[]).await
    }
}
