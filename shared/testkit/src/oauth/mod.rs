//! A fake OAuth provider on loopback, as strict as the real ones: exact redirect addresses, client
//! authentication in the one configured way, codes that are good once and bound to client,
//! address and PKCE, refresh tokens whose reuse revokes the family, ends by a clock that a test
//! moves. It counts what it sees, and lies, stalls and breaks off on demand.
//!
//! Everything secret that it gives begins with `secret-`, so that a test can look for leaks.

mod answers;
mod assertion;
mod authorize;
mod book;
mod fault;
mod key;
mod ledger;
mod metadata;
mod profile;
mod programs;
mod serve;
mod token;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

pub use book::Counts;
pub use fault::Fault;
pub use key::TestKey;
pub use profile::{
    Auth, Body, Consent, Discovery, Needed, Pkce, Profile, Registered, Reuse, Revocation, Rotation,
    Shape, Sign,
};
pub use programs::Programs;
use serve::Server;
pub use wire::Seen;

/// A running provider. Ends when it is dropped.
#[derive(Debug)]
pub struct OAuthProvider {
    server: Arc<Server>,
    port: u16,
    task: JoinHandle<()>,
}

impl OAuthProvider {
    pub async fn start(profile: Profile) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let server = Arc::new(Server::new(profile, format!("http://127.0.0.1:{port}")));
        let serving = server.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "the test kit has no runtime::Tasks"
        )]
        let task = tokio::spawn(wire::serve(listener, serving));
        Self { server, port, task }
    }

    /// `http://127.0.0.1:…`, without a path.
    pub fn url(&self) -> Url {
        let url = format!("http://127.0.0.1:{}", self.port);
        url.parse().expect("it is an address")
    }

    /// An address of this provider.
    pub fn at(&self, path: &str) -> Url {
        self.url().join(path).expect("it is a path")
    }

    /// What a person does who opens `authorize` in a browser and decides: where the browser goes
    /// next.
    ///
    /// # Errors
    /// The page that the person sees instead.
    pub async fn decide(&self, authorize: &Url, consent: &Consent) -> Result<Url, String> {
        self.server.decide(authorize, consent).await
    }

    /// Answers GET and POST of `path` with this document from now on, whoever asks.
    pub fn serve(&self, path: &str, document: &serde_json::Value) {
        self.server.serve(path, document);
    }

    /// Moves the provider's clock.
    pub fn advance(&self, by: Duration) {
        self.server.book().advance(by);
    }

    /// Follows another profile from now on; grants stay.
    pub fn change(&self, change: impl FnOnce(&mut Profile)) {
        self.server.change(change);
    }

    /// The next request of the token endpoint meets this; further ones queue up.
    pub fn fail_next(&self, fault: Fault) {
        self.server.faults().push(fault);
    }

    /// Each request of the token endpoint meets this, until it is `None` again.
    pub fn fail_always(&self, fault: Option<Fault>) {
        self.server.faults().always(fault);
    }

    /// Answers what [`Fault::Hold`] holds back.
    pub fn let_go(&self) {
        self.server.faults().let_go();
    }

    /// From now on calls of the protected resource wait, with whatever token; or go on.
    pub fn hold_calls(&self, hold: bool) {
        self.server.hold_calls(hold);
    }

    /// How many wait.
    pub fn held_calls(&self) -> usize {
        self.server.held_calls()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.server.book().counts()
    }

    /// Requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }

    /// Requests of one path so far.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        let all = self.seen().into_iter();
        all.filter(|seen| seen.path == path).collect()
    }

    /// What no client should have done, in words.
    pub fn violations(&self) -> Vec<String> {
        self.server.book().violations()
    }

    /// Ends all grants, as a person does at the provider.
    pub fn revoke_everything(&self) {
        self.server.book().revoke_everything();
    }

    /// Ends all access tokens before their time; refresh tokens stay good.
    pub fn expire_access(&self) {
        self.server.book().expire_access();
    }

    /// Whether a token is good for the protected resource now.
    pub fn is_good(&self, access_token: &str) -> bool {
        self.server.book().is_good(access_token)
    }

    /// Pretends that nothing listens here: ends each connection at once, until it is undone.
    pub fn away(&self, away: bool) {
        self.server.set_away(away);
    }
}

impl Drop for OAuthProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
