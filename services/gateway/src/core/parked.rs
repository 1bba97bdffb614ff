//! Calls that wait for something their client was asked, counted by key and by tenant.
//!
//! A legacy client's call waits here, on its line. A modern client's has ended with
//! `input_required`; it counts at the gateway that handed its state out until it is taken up
//! again, at whichever gateway, or cannot be any more.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cache::Mailboxes;
use domain::{KeyId, TenantId};
use runtime::Process;
use uuid::Uuid;

/// The name of the mailbox of a gateway, which stands where a session's id does otherwise, for
/// marks of states that others have taken up.
const TAKEN_UP: &str = "taken up";

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Parked(Arc<Shared>);

struct Shared {
    /// Names this gateway.
    node: Uuid,
    state: Mutex<State>,
    limits: ParkLimits,
}

/// Bounds of parked calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParkLimits {
    pub(crate) per_key: usize,
    pub(crate) per_tenant: usize,
}

/// Whose a parked call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) key: KeyId,
}

#[derive(Default)]
struct State {
    by_key: HashMap<Owner, usize>,
    by_tenant: HashMap<TenantId, usize>,
    /// Modern calls, by the mark of their state.
    handed_out: HashMap<Uuid, Owner>,
    /// When those are given up, in Unix seconds; all wait equally long, so the first is the next.
    expiries: VecDeque<(i64, Uuid)>,
}

/// A call that waits on this node; over when dropped.
pub(crate) struct Waiting {
    shared: Arc<Shared>,
    owner: Owner,
}

impl Parked {
    /// `node` names this gateway, new with each start.
    pub(crate) fn new(limits: ParkLimits, node: Uuid) -> Self {
        Self(Arc::new(Shared {
            node,
            state: Mutex::default(),
            limits,
        }))
    }

    /// Parks a call that waits here. `now` in Unix seconds.
    pub(crate) fn wait(&self, owner: Owner, now: i64) -> Option<Waiting> {
        let mut state = self.0.state.lock().expect("no panic while held");
        self.0.enter(&mut state, owner, now).then(|| Waiting {
            shared: self.0.clone(),
            owner,
        })
    }

    /// Parks a call whose client has been handed a state, until `expires`. False when there are
    /// as many as there may be.
    pub(crate) fn hand_out(&self, mark: Uuid, owner: Owner, now: i64, expires: i64) -> bool {
        let mut state = self.0.state.lock().expect("no panic while held");
        if !self.0.enter(&mut state, owner, now) {
            return false;
        }
        state.handed_out.insert(mark, owner);
        state.expiries.push_back((expires, mark));
        true
    }

    /// How many calls wait. `now` in Unix seconds.
    pub(crate) fn count(&self, now: i64) -> usize {
        let mut state = self.0.state.lock().expect("no panic while held");
        state.expire(now);
        state.by_tenant.values().sum()
    }

    /// Names this gateway, in the states that it hands out.
    pub(crate) fn node(&self) -> Uuid {
        self.0.node
    }

    /// The state with this mark was taken up here; `node` had handed it out, and is told.
    pub(crate) fn taken_up(
        &self,
        node: Uuid,
        mark: Uuid,
        mailboxes: &Arc<dyn Mailboxes>,
        process: &Process,
    ) {
        if node == self.0.node {
            return self.forget(mark);
        }
        let mailboxes = mailboxes.clone();
        process
            .tasks
            .disposable("tell who parked a call", async move {
                let mark = Bytes::copy_from_slice(mark.as_bytes());
                // Who is not told counts it until its time is over.
                mailboxes.send(node, TAKEN_UP, mark).await?;
                Ok(())
            });
    }

    /// Hears of states that other gateways have taken up, until the process ends.
    pub(crate) fn hear(&self, mailboxes: Arc<dyn Mailboxes>, process: &Process) {
        let (this, shutdown) = (self.clone(), process.shutdown.clone());
        process
            .tasks
            .disposable("calls taken up elsewhere", async move {
                let mut mail = mailboxes.open(this.0.node, &[TAKEN_UP]).await?;
                loop {
                    let told = tokio::select! {
                        () = shutdown.ending() => return Ok(()),
                        told = mail.next() => told,
                    };
                    let Some(mark) = told else { return Ok(()) };
                    if let Ok(mark) = Uuid::from_slice(&mark) {
                        this.forget(mark);
                    }
                }
            });
    }

    fn forget(&self, mark: Uuid) {
        let mut state = self.0.state.lock().expect("no panic while held");
        if let Some(owner) = state.handed_out.remove(&mark) {
            state.leave(owner);
        }
        // Marks leave the queue with their time, but a long queue of marks taken up is swept.
        if state.expiries.len() > 2 * state.handed_out.len() + 64 {
            let State {
                expiries,
                handed_out,
                ..
            } = &mut *state;
            expiries.retain(|(_, mark)| handed_out.contains_key(mark));
        }
    }
}

impl Shared {
    fn enter(&self, state: &mut State, owner: Owner, now: i64) -> bool {
        state.expire(now);
        let count = |of: Option<&usize>| of.copied().unwrap_or(0);
        if count(state.by_key.get(&owner)) >= self.limits.per_key
            || count(state.by_tenant.get(&owner.tenant)) >= self.limits.per_tenant
        {
            return false;
        }
        *state.by_key.entry(owner).or_default() += 1;
        *state.by_tenant.entry(owner.tenant).or_default() += 1;
        true
    }
}

impl State {
    /// Gives up the modern calls whose time is over.
    fn expire(&mut self, now: i64) {
        while let Some((expires, mark)) = self.expiries.front().copied()
            && expires <= now
        {
            self.expiries.pop_front();
            if let Some(owner) = self.handed_out.remove(&mark) {
                self.leave(owner);
            }
        }
    }

    fn leave(&mut self, owner: Owner) {
        one_less(self.by_key.entry(owner));
        one_less(self.by_tenant.entry(owner.tenant));
    }
}

fn one_less<K>(count: Entry<'_, K, usize>) {
    if let Entry::Occupied(mut count) = count {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().expect("no panic while held");
        state.leave(self.owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_holds_at_its_edge_and_what_has_expired_makes_room() {
        let limits = ParkLimits {
            per_key: 2,
            per_tenant: 3,
        };
        let mark = Uuid::from_u128;
        let parked = Parked::new(limits, mark(9));
        let owner = |tenant, key| Owner {
            tenant: TenantId::new(Uuid::from_u128(tenant)),
            key: KeyId::new(Uuid::from_u128(key)),
        };

        let here = parked.wait(owner(1, 1), 0).unwrap();
        assert!(parked.hand_out(mark(1), owner(1, 1), 0, 10));
        assert!(parked.wait(owner(1, 1), 0).is_none(), "two of the key");
        assert!(parked.hand_out(mark(2), owner(1, 2), 1, 11));
        assert!(parked.wait(owner(1, 2), 1).is_none(), "three of the tenant");
        assert!(parked.wait(owner(2, 1), 1).is_some(), "another tenant");
        assert_eq!(parked.count(1), 3);

        drop(here);
        parked.forget(mark(1));
        parked.forget(mark(1));
        assert_eq!(parked.count(1), 1);
        let last = parked.wait(owner(1, 1), 11).unwrap();
        assert_eq!(parked.count(11), 1, "the mark that had expired is gone");
        assert!(parked.hand_out(mark(3), owner(1, 1), 11, 21));
        drop(last);
        assert_eq!((parked.count(20), parked.count(21)), (1, 0));
        let state = parked.0.state.lock().unwrap();
        assert!(state.by_key.is_empty() && state.by_tenant.is_empty());
        assert!(state.handed_out.is_empty());
    }
}
