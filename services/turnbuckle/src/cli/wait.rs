//! Whether a change is in force everywhere, as the server said it.

use std::sync::{Arc, Mutex};

use http::HeaderMap;

use super::{Cli, Failure};

/// What answers to changes said: the nodes that do not enforce one in time. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Enforcement(Arc<Mutex<Option<String>>>);

impl Enforcement {
    /// Takes note of an answer.
    pub(super) fn note(&self, headers: &HeaderMap) {
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if said("turnbuckle-enforced") == Some("false") {
            let mut nodes = said("turnbuckle-behind").unwrap_or_default().to_owned();
            if let Some(silent) = said("turnbuckle-silent") {
                nodes = format!("{nodes}; not heard of for a while: {silent}");
            }
            *self.0.lock().expect("no panic while held") = Some(nodes);
        }
    }

    fn take(&self) -> Option<String> {
        self.0.lock().expect("no panic while held").take()
    }
}

impl Cli<'_> {
    /// Says at the end of a command when what it changed is not in force everywhere. That is a
    /// failure for who asked to wait for it.
    pub(super) fn report_enforcement(&mut self) -> Result<(), Failure> {
        let Some(nodes) = self.enforcement.take() else {
            return Ok(());
        };
        let nodes = match nodes.as_str() {
            "" => String::new(),
            nodes => format!(" ({nodes})"),
        };
        let sentence = format!(
            "the change is made, but not every gateway enforces it yet{nodes}: `turnbuckle nodes` \
             shows how far each is"
        );
        match self.global.wait {
            Some(_) => Err(Failure::failed("not-enforced", sentence)),
            None => self.terminal.remark(&sentence),
        }
    }
}
