//! What is wanted of a modern server's `subscriptions/listen`, by how many, and how each stands.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use fabric::{Failure, FailureKind, Outcome, RpcError};
use mcp::codes;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::told::Accepted;
use crate::failure::unsent;

/// One thing to hear of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Want {
    /// Tools only: for ourselves.
    Tools,
    Lists,
    Resource(String),
    /// A task, by the server's own id.
    Task(String),
}

/// How a want stands.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// Not heard yet.
    Asked,
    Accepted,
    Refused(Outcome),
}

struct Wanted {
    by: usize,
    standing: Standing,
}

/// All wants.
pub(super) struct Wants {
    state: Mutex<State>,
    /// Told when what is wanted has changed.
    pub(super) changed: Notify,
    /// Counts when a standing has changed.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    all: HashMap<Want, Wanted>,
    driver: Option<AbortHandle>,
}

/// What one listen asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) tools: bool,
    pub(super) lists: bool,
    pub(super) resources: BTreeSet<String>,
    pub(super) tasks: BTreeSet<String>,
}

impl Filter {
    pub(super) fn is_empty(&self) -> bool {
        !self.tools && !self.lists && self.resources.is_empty() && self.tasks.is_empty()
    }

    /// The inside of the request's params.
    pub(super) fn to_params(&self) -> String {
        let mut filter = serde_json::Map::new();
        for (set, name) in [
            (self.tools || self.lists, "toolsListChanged"),
            (self.lists, "promptsListChanged"),
            (self.lists, "resourcesListChanged"),
        ] {
            if set {
                filter.insert(name.to_owned(), true.into());
            }
        }
        for (some, name) in [
            (&self.resources, "resourceSubscriptions"),
            (&self.tasks, "taskIds"),
        ] {
            if !some.is_empty() {
                let some: Vec<&str> = some.iter().map(String::as_str).collect();
                filter.insert(name.to_owned(), some.into());
            }
        }
        format!(r#""notifications":{}"#, serde_json::Value::Object(filter))
    }

    fn holds(&self, want: &Want) -> bool {
        match want {
            Want::Tools => self.tools,
            Want::Lists => self.lists,
            Want::Resource(uri) => self.resources.contains(uri),
            Want::Task(id) => self.tasks.contains(id),
        }
    }
}

impl Default for Wants {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            news: watch::Sender::new(0),
        }
    }
}

impl Wants {
    /// Notes that one more wants something. What was refused is asked for again.
    ///
    /// # Errors
    /// `Busy`: so many resources are watched already.
    pub(super) fn enter(&self, want: &Want, most: usize) -> Result<(), Failure> {
        let mut state = self.state();
        if let Some(wanted) = state.all.get_mut(want) {
            wanted.by += 1;
            if matches!(wanted.standing, Standing::Refused(_)) {
                wanted.standing = Standing::Asked;
                self.changed.notify_one();
            }
            return Ok(());
        }
        if matches!(want, Want::Resource(_) | Want::Task(_)) && state.all.len() >= most {
            return Err(unsent(
                FailureKind::Busy,
                format!("{most} resources of the connector are watched already, no more at once"),
            ));
        }
        let wanted = Wanted {
            by: 1,
            standing: Standing::Asked,
        };
        state.all.insert(want.clone(), wanted);
        self.changed.notify_one();
        Ok(())
    }

    /// Notes that one wants something no more.
    pub(super) fn leave(&self, want: &Want) {
        let mut state = self.state();
        let Some(wanted) = state.all.get_mut(want) else {
            return;
        };
        wanted.by -= 1;
        if wanted.by == 0 {
            state.all.remove(want);
            self.changed.notify_one();
        }
    }

    pub(super) fn is_wanted(&self, want: &Want) -> bool {
        self.state().all.contains_key(want)
    }

    /// Resolves when something is no longer only asked for.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) async fn settled(&self, want: &Want) -> Result<(), Outcome> {
        let mut news = self.news.subscribe();
        loop {
            news.borrow_and_update();
            match self.state().all.get(want).map(|wanted| &wanted.standing) {
                Some(Standing::Accepted) => return Ok(()),
                Some(Standing::Refused(outcome)) => return Err(outcome.clone()),
                Some(Standing::Asked) | None => {}
            }
            // The sender is ours: it cannot be closed while we wait.
            let _ = news.changed().await;
        }
    }

    /// What is to be asked for now: everything that was not refused.
    pub(super) fn filter(&self) -> Filter {
        let mut filter = Filter::default();
        for (want, wanted) in &self.state().all {
            match (want, &wanted.standing) {
                (_, Standing::Refused(_)) => {}
                (Want::Tools, _) => filter.tools = true,
                (Want::Lists, _) => filter.lists = true,
                (Want::Resource(uri), _) => {
                    filter.resources.insert(uri.clone());
                }
                (Want::Task(id), _) => {
                    filter.tasks.insert(id.clone());
                }
            }
        }
        filter
    }

    /// Notes what a server accepted of what it was asked for.
    pub(super) fn accepted(&self, asked: &Filter, accepted: &Accepted) {
        self.settle(asked, |want| match want {
            Want::Task(id) if !accepted.tasks.contains(id) => {
                Standing::Refused(Outcome::Error(RpcError {
                    code: codes::INVALID_PARAMS,
                    message: "the server tells nothing of this task".to_owned(),
                    data: None,
                    raw: None,
                }))
            }
            Want::Resource(uri) if !accepted.resources.contains(uri) => {
                Standing::Refused(Outcome::Error(RpcError {
                    code: codes::INVALID_PARAMS,
                    message: "the server takes no subscription to this resource".to_owned(),
                    data: None,
                    raw: None,
                }))
            }
            _ => Standing::Accepted,
        });
    }

    /// Notes that a server refused all that it was asked for, but for what it accepted before.
    pub(super) fn refused(&self, asked: &Filter, before: Option<&Filter>, outcome: &Outcome) {
        let kept = |want: &Want| before.is_some_and(|before| before.holds(want));
        self.settle(asked, |want| {
            if kept(want) {
                Standing::Accepted
            } else {
                Standing::Refused(outcome.clone())
            }
        });
    }

    /// Notes that nothing is heard now.
    pub(super) fn lost(&self, asked: &Filter) {
        self.settle(asked, |_| Standing::Asked);
    }

    fn settle(&self, asked: &Filter, standing: impl Fn(&Want) -> Standing) {
        for (want, wanted) in &mut self.state().all {
            if asked.holds(want) {
                wanted.standing = standing(want);
            }
        }
        self.news
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Starts what hears, unless it runs.
    pub(super) fn drive(&self, start: impl FnOnce() -> AbortHandle) {
        let mut state = self.state();
        let runs = state
            .driver
            .as_ref()
            .is_some_and(|driver| !driver.is_finished());
        if !runs {
            state.driver = Some(start());
        }
    }

    /// Ends what hears.
    pub(super) fn stop(&self) {
        if let Some(driver) = self.state().driver.take() {
            driver.abort();
        }
    }

    /// Ends what hears, if nothing is wanted; tells whether.
    pub(super) fn end_if_unwanted(&self) -> bool {
        let mut state = self.state();
        let unwanted = state.all.is_empty();
        if unwanted {
            state.driver = None;
        }
        unwanted
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(uri: &str) -> Want {
        Want::Resource(uri.to_owned())
    }

    #[tokio::test]
    async fn what_one_server_does_not_take_is_refused_alone_and_asked_for_anew_by_the_next() {
        let wants = Wants::default();
        for want in [
            Want::Lists,
            resource("a:1"),
            resource("a:2"),
            resource("a:2"),
        ] {
            wants.enter(&want, 10).unwrap();
        }
        let asked = wants.filter();
        assert_eq!(
            asked.to_params(),
            r#""notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:1","a:2"]}"#
        );

        let accepted = Accepted {
            subscription: "1".to_owned(),
            resources: vec!["a:2".to_owned()],
            tasks: Vec::new(),
        };
        wants.accepted(&asked, &accepted);

        assert!(wants.settled(&Want::Lists).await.is_ok());
        assert!(wants.settled(&resource("a:2")).await.is_ok());
        assert!(wants.settled(&resource("a:1")).await.is_err());
        wants.leave(&resource("a:2"));
        assert!(wants.filter().holds(&resource("a:2")), "one is left");
        assert!(!wants.filter().holds(&resource("a:1")));
        wants.enter(&resource("a:1"), 10).unwrap();
        assert!(wants.filter().holds(&resource("a:1")));
    }

    #[tokio::test]
    async fn a_refusal_of_more_leaves_what_was_accepted_before() {
        let wants = Wants::default();
        wants.enter(&Want::Tools, 10).unwrap();
        let before = wants.filter();
        wants.accepted(&before, &Accepted::default());
        wants.enter(&resource("a:1"), 10).unwrap();

        let refusal = Outcome::Failed(unsent(FailureKind::Credential, "no"));
        wants.refused(&wants.filter(), Some(&before), &refusal);

        assert!(wants.settled(&Want::Tools).await.is_ok());
        assert!(wants.settled(&resource("a:1")).await.is_err());
        assert_eq!(wants.filter(), before);
    }

    #[test]
    fn resources_are_bounded() {
        let wants = Wants::default();
        wants.enter(&resource("a:1"), 1).unwrap();

        assert!(wants.enter(&resource("a:1"), 1).is_ok());
        let full = wants.enter(&resource("a:2"), 1).unwrap_err();
        assert_eq!(full.kind, FailureKind::Busy);
    }
}
