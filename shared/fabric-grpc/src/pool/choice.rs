//! Which workers a call goes to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::ConnectorId;
use fabric::{Affinity, Call};

use super::member::Member;
use super::{CANDIDATES, Inner};

/// FNV-1a and a finaliser: the same in every process and every release, since all gateways must
/// agree on whose a connector is.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(hash)
}

/// The finaliser of SplitMix64: every bit of the input changes half of the output.
fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 30;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 27;
    bits = bits.wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// What the calls of a connector have in common.
pub(super) fn key_of(connector: ConnectorId) -> u64 {
    hash(connector.as_uuid().as_bytes())
}

/// Workers by rendezvous hashing: every process puts them in the same order, and one that comes or
/// goes moves nothing but what is its own.
pub(super) fn by_rendezvous(mut members: Vec<Arc<Member>>, key: u64) -> Vec<Arc<Member>> {
    members.sort_by_cached_key(|member| {
        let score = mix(member.hash ^ mix(key));
        (std::cmp::Reverse(score), member.node.clone())
    });
    members
}

/// Where a call belongs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Any,
    /// To whoever comes first by rendezvous with this key.
    Of(u64),
}

impl Place {
    pub(super) fn of(call: &Call) -> Self {
        match call.affinity {
            Affinity::None => Self::Any,
            Affinity::Connector => Self::Of(key_of(call.connector)),
            Affinity::Principal => {
                let principal = hash(call.principal.key.as_uuid().as_bytes());
                Self::Of(key_of(call.connector) ^ mix(principal))
            }
        }
    }
}

impl Inner {
    /// Workers that take new calls.
    pub(super) fn open(&self) -> Vec<Arc<Member>> {
        let members = self.members.load();
        let open = members.iter().filter(|member| !member.is_draining());
        open.cloned().collect()
    }

    /// Those that a call is tried on, in this order. The one that its state names comes first.
    pub(super) fn candidates(&self, place: Place, named: Option<&str>) -> Vec<Arc<Member>> {
        let mut chosen = match place {
            Place::Any => self.lightly_loaded(),
            Place::Of(key) => by_rendezvous(self.open(), key),
        };
        if let Some(named) = named {
            chosen.retain(|member| member.node != named);
            let members = self.members.load();
            let member = members.iter().find(|member| member.node == named);
            if let Some(member) = member {
                chosen.insert(0, member.clone());
            }
        }
        chosen.truncate(CANDIDATES);
        chosen
    }

    /// The less loaded of two that chance picks, the other one, and a third.
    fn lightly_loaded(&self) -> Vec<Arc<Member>> {
        let mut members = self.open();
        // Those that cannot be reached, or do not take up what they are sent, are the last resort.
        let doubtful =
            |member: &mut Arc<Member>| member.is_suspect() || member.is_lost() || member.is_down();
        let mut down: Vec<_> = members.extract_if(.., doubtful).collect();
        down.sort_by_key(|member| (member.is_lost(), member.is_down()));
        let mut chance = mix(self
            .turn
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed));
        let count = members.len();
        for place in 0..CANDIDATES.min(count.saturating_sub(1)) {
            let left = u64::try_from(count - place).expect("a count of members");
            let pick = usize::try_from(chance % left).expect("less than a count");
            members.swap(place, place + pick);
            chance = mix(chance);
        }
        if count > 1 && members[1].fullness() < members[0].fullness() {
            members.swap(0, 1);
        }
        members.extend(down);
        members
    }
}

#[cfg(test)]
mod tests;
