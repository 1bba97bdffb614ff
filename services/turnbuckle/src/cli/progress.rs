//! A line on the terminal while something takes long.

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use super::output::{plain, shortened};
use super::terminal::Terminal;

const EVERY: Duration = Duration::from_millis(120);
const FRAMES: [char; 4] = ['|', '/', '-', '\\'];
/// Characters of the line: it must not wrap, or it could not be wiped.
const WIDTH: usize = 76;
const WIPE: &str = "\r\x1b[2K";

/// What is being waited for, as it is known now.
pub(super) struct Progress(Mutex<String>);

impl Progress {
    pub(super) fn new(doing: impl Into<String>) -> Self {
        Self(Mutex::new(doing.into()))
    }

    pub(super) fn now(&self, doing: impl Into<String>) {
        *self.0.lock().expect("no panic while held") = doing.into();
    }

    fn line(&self) -> String {
        let doing = self.0.lock().expect("no panic while held");
        shortened(&plain(&doing).replace('\n', " "), WIDTH)
    }

    /// Shows this until `work` is done, if a person watches.
    pub(super) async fn during<F: Future>(&self, terminal: &mut Terminal, work: F) -> F::Output {
        if !terminal.watched {
            return work.await;
        }
        let mut work = pin!(work);
        for frame in FRAMES.into_iter().cycle() {
            // A terminal that cannot be written to shows nothing.
            let _ = write!(terminal.err, "{WIPE}{frame} {}", self.line());
            let _ = terminal.err.flush();
            if let Ok(done) = tokio::time::timeout(EVERY, &mut work).await {
                let _ = write!(terminal.err, "{WIPE}");
                return done;
            }
        }
        work.await
    }
}
