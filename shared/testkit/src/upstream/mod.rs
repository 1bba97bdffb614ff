//! A fake MCP server over Streamable HTTP, of either era, on loopback. It checks what it is sent
//! by rules of its own (it uses none of the platform's protocol code), writes down every request,
//! and misbehaves on demand.

mod record;
mod rules;
mod script;
mod serve;
mod sse;
mod tools;

use std::sync::Arc;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use record::Received;
use record::Record;
pub use script::{Era, Script};
use serve::State;
pub use sse::{Posted, SseServer};

/// A running fake server. Ends when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    state: Arc<State>,
    port: u16,
    server: JoinHandle<()>,
}

impl Upstream {
    /// A server of 2025-11-25 with sessions.
    pub async fn legacy() -> Self {
        Self::start(Script::legacy()).await
    }

    /// A server of 2026-07-28 and nothing else.
    pub async fn modern() -> Self {
        Self::start(Script::modern()).await
    }

    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State::new(script));
        let router = serve::router(state.clone());
        let counting = state.clone();
        let counted = listener.tap_io(move |_| counting.count_connection());
        #[expect(
            clippy::disallowed_methods,
            reason = "the test kit has no runtime::Tasks"
        )]
        let server = tokio::spawn(async move {
            axum::serve(counted, router)
                .await
                .expect("serving does not fail");
        });
        Self {
            state,
            port,
            server,
        }
    }

    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// An address of this server that redirects to `location` with status 308.
    pub fn redirect_to(&self, location: &str) -> String {
        format!("http://127.0.0.1:{}/redirect?{location}", self.port)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.state.connections()
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Everything received so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.record().all()
    }

    /// The JSON-RPC methods (or HTTP methods of requests without a body) received so far.
    pub fn methods(&self) -> Vec<String> {
        self.received()
            .into_iter()
            .map(|received| received.method)
            .collect()
    }

    /// The first request of a kind, waiting until there is one.
    ///
    /// # Panics
    /// None came within 10 s.
    pub async fn wait_for(&self, method: &str) -> Received {
        self.record()
            .wait_for(|received| received.method == method, method)
            .await
    }

    /// Waits until a caller has closed the connection of a call that was still running.
    ///
    /// # Panics
    /// None did within 10 s.
    pub async fn wait_for_abandoned_call(&self) {
        self.record()
            .wait_for(|received| received.method == record::ABANDONED, "an end")
            .await;
    }

    /// Forgets all sessions, as a restart would.
    pub fn forget_sessions(&self) {
        self.state.forget_sessions();
    }

    /// Follows another script from now on; sessions stay.
    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        self.state.change(change);
    }

    /// Lets the calls of the tool `hold` end, those that wait and those that come.
    pub fn let_go(&self) {
        self.state.let_go();
    }

    /// Accepts no further connection; those there are go on.
    pub fn stop(&self) {
        self.server.abort();
    }

    fn record(&self) -> &Record {
        self.state.record()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}
