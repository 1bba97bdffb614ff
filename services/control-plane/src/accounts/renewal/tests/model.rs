//! All interleavings of a small cluster: renewers that claim, ask, store, give up and die at any
//! moment, claims that run out, a provider that rotates, and a database that somebody reaches late.
//!
//! The row below follows the statements of `storage`'s `accounts/renewal.rs` one for one; that they
//! do what it says is proven there. Every state that can be reached is looked at once.

use std::collections::{HashSet, VecDeque};

/// What the provider thinks of a refresh token that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    /// All that it gave is void.
    Revokes,
    /// It is refused, and what it gave for it stays good.
    Refuses,
    /// It gives once more; all of it is good until something newer is used.
    Gives,
}

/// The account's row. Pairs are numbered as the provider gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    generation: u8,
    pair: u8,
    is_connected: bool,
    fence: u8,
    /// Whether somebody's claim is on it, and whether its time is over.
    claim: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum At {
    Idle,
    /// Has claimed; the request is not sent.
    Claimed {
        generation: u8,
        pair: u8,
        fence: u8,
    },
    /// The provider has carried it out and says this; it is not here yet.
    OnItsWay {
        generation: u8,
        fence: u8,
        says: Says,
    },
    /// It is here, in memory.
    Answered {
        generation: u8,
        fence: u8,
        says: Says,
    },
    /// The pair is in the file too.
    Kept {
        generation: u8,
        fence: u8,
        pair: u8,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Says {
    Pair(u8),
    InvalidGrant,
    /// 5xx, garbage, nothing: carried out or not, no pair came back.
    Trouble,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Provider {
    /// The newest pair that it gave.
    newest: u8,
    /// The oldest pair that is still good for a renewal.
    oldest_good: u8,
    is_revoked: bool,
    /// Requests that it carried out for each generation.
    carried_out: [u8; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    row: Row,
    provider: Provider,
    renewers: [At; RENEWERS],
    crashes_left: u8,
    troubles_left: u8,
    late_left: u8,
    /// A process died, or a claim ran out before its renewer was done.
    something_went_wrong: bool,
    /// A pair was gone with the process that alone had it.
    lost_with_a_process: bool,
}

const RENEWERS: usize = 3;
/// Generations that are renewed; then the exploration ends.
const LAST: u8 = 3;

struct Explored {
    states: usize,
    ended: usize,
}

/// Which of what can go wrong does.
#[derive(Clone, Copy)]
struct Weather {
    reuse: Reuse,
    crashes: u8,
    troubles: u8,
    /// Claims that run out while their renewer lives.
    late: u8,
}

impl World {
    fn new(weather: Weather) -> Self {
        Self {
            row: Row {
                generation: 1,
                pair: 1,
                is_connected: true,
                fence: 0,
                claim: None,
            },
            provider: Provider {
                newest: 1,
                oldest_good: 1,
                is_revoked: false,
                carried_out: [0; 4],
            },
            renewers: [At::Idle; RENEWERS],
            crashes_left: weather.crashes,
            troubles_left: weather.troubles,
            late_left: weather.late,
            something_went_wrong: false,
            lost_with_a_process: false,
        }
    }

    /// The provider carries a request out.
    fn carry_out(&mut self, reuse: Reuse, generation: u8, pair: u8) -> Says {
        let provider = &mut self.provider;
        provider.carried_out[usize::from(generation)] += 1;
        let is_good = !provider.is_revoked && pair >= provider.oldest_good;
        if is_good {
            provider.newest += 1;
            if reuse == Reuse::Gives {
                // What came before this pair is used up by its use.
                provider.oldest_good = provider.oldest_good.max(pair);
            } else {
                provider.oldest_good = provider.newest;
            }
            return Says::Pair(provider.newest);
        }
        if reuse == Reuse::Revokes {
            provider.is_revoked = true;
        }
        Says::InvalidGrant
    }

    fn is_good(&self, pair: u8) -> bool {
        !self.provider.is_revoked && pair >= self.provider.oldest_good
    }

    /// The statement `CLAIM`.
    fn claim(&mut self, generation: u8) -> Option<u8> {
        let row = &mut self.row;
        let is_free = row.claim != Some(false);
        if row.generation != generation || !row.is_connected || !is_free {
            return None;
        }
        row.claim = Some(false);
        row.fence += 1;
        Some(row.fence)
    }

    /// The statement `STORE`: whether it is decided.
    fn store(&mut self, generation: u8, fence: u8, pair: u8) -> bool {
        let row = &mut self.row;
        if row.generation != generation {
            return true;
        }
        if row.fence != fence && row.claim == Some(false) {
            return false;
        }
        row.generation += 1;
        row.pair = pair;
        row.is_connected = true;
        row.claim = None;
        true
    }

    /// The statement `END` of who holds a claim.
    fn end(&mut self, generation: u8, fence: u8) {
        let row = &mut self.row;
        if row.generation == generation && row.fence == fence && row.is_connected {
            row.is_connected = false;
            row.claim = None;
        }
    }

    /// The statement `FAILED`.
    fn failed(&mut self, generation: u8, fence: u8) {
        let row = &mut self.row;
        if row.generation == generation && row.fence == fence {
            row.claim = None;
        }
    }

    fn is_held_by_a_living_renewer(&self, fence: u8) -> bool {
        self.renewers.iter().any(|at| match at {
            At::Claimed { fence: own, .. } | At::OnItsWay { fence: own, .. } => *own == fence,
            _ => false,
        })
    }

    /// All that can happen next.
    fn next(&self, weather: Weather, found: &mut Vec<Self>) {
        for number in 0..RENEWERS {
            self.next_of(number, weather, found);
        }
        // The claim's time is over: its renewer died, or is late. It is not while a request is
        // under way, which ends before it.
        let is_claimed = self.is_claimed_by_somebody();
        if self.row.claim == Some(false)
            && (!is_claimed || self.late_left > 0)
            && !self.is_held_by_a_living_renewer(self.row.fence)
        {
            let mut next = *self;
            next.row.claim = Some(true);
            next.late_left -= u8::from(is_claimed);
            next.something_went_wrong = true;
            found.push(next);
        }
    }

    fn is_claimed_by_somebody(&self) -> bool {
        let fence = self.row.fence;
        self.renewers.iter().any(|at| match at {
            At::Idle => false,
            At::Claimed { fence: own, .. }
            | At::OnItsWay { fence: own, .. }
            | At::Answered { fence: own, .. }
            | At::Kept { fence: own, .. } => *own == fence,
        })
    }

    fn next_of(&self, number: usize, weather: Weather, found: &mut Vec<Self>) {
        let moved = |at: At, change: &dyn Fn(&mut Self)| {
            let mut next = *self;
            change(&mut next);
            next.renewers[number] = at;
            next
        };
        let at = self.renewers[number];
        match at {
            At::Idle if self.row.generation < LAST && self.row.is_connected => {
                let mut next = *self;
                let (generation, pair) = (self.row.generation, self.row.pair);
                if let Some(fence) = next.claim(generation) {
                    next.renewers[number] = At::Claimed {
                        generation,
                        pair,
                        fence,
                    };
                    found.push(next);
                }
            }
            At::Idle => {}
            At::Claimed {
                generation,
                pair,
                fence,
            } => {
                let mut next = *self;
                let says = next.carry_out(weather.reuse, generation, pair);
                let on_its_way = |says| At::OnItsWay {
                    generation,
                    fence,
                    says,
                };
                let mut troubled = next;
                next.renewers[number] = on_its_way(says);
                found.push(next);
                if self.troubles_left > 0 {
                    // Carried out, and the answer got lost.
                    troubled.troubles_left -= 1;
                    troubled.something_went_wrong = true;
                    troubled.lost_with_a_process |= matches!(says, Says::Pair(_));
                    troubled.renewers[number] = on_its_way(Says::Trouble);
                    found.push(troubled);
                    // Not carried out.
                    found.push(moved(on_its_way(Says::Trouble), &|next| {
                        next.troubles_left -= 1;
                        next.something_went_wrong = true;
                    }));
                }
            }
            At::OnItsWay {
                generation,
                fence,
                says,
            } => found.push(moved(
                At::Answered {
                    generation,
                    fence,
                    says,
                },
                &|_| {},
            )),
            At::Answered {
                generation,
                fence,
                says,
            } => match says {
                Says::Pair(pair) => found.push(moved(
                    At::Kept {
                        generation,
                        fence,
                        pair,
                    },
                    &|_| {},
                )),
                Says::InvalidGrant => {
                    found.push(moved(At::Idle, &|next| next.end(generation, fence)));
                }
                Says::Trouble => {
                    found.push(moved(At::Idle, &|next| next.failed(generation, fence)));
                }
            },
            At::Kept {
                generation,
                fence,
                pair,
            } => {
                let mut next = *self;
                if next.store(generation, fence, pair) {
                    next.renewers[number] = At::Idle;
                    found.push(next);
                }
            }
        }
        if at != At::Idle && self.crashes_left > 0 {
            // What is in the file is there when it starts again: it goes on from there.
            let (after, lost) = match at {
                At::Kept { .. } => (at, false),
                At::OnItsWay { says, .. } | At::Answered { says, .. } => {
                    (At::Idle, matches!(says, Says::Pair(_)))
                }
                _ => (At::Idle, false),
            };
            found.push(moved(after, &|next| {
                next.crashes_left -= 1;
                next.something_went_wrong = true;
                next.lost_with_a_process |= lost;
            }));
        }
    }

    /// What must hold in every state, whatever happened before.
    fn check(&self, weather: Weather) {
        if !self.something_went_wrong {
            let once = self.provider.carried_out.iter().all(|count| *count <= 1);
            assert!(once, "renewed twice without need: {self:?}");
            assert!(self.row.is_connected, "ended without need: {self:?}");
        }
        // An account ends only when the provider really takes its pair no more, and nobody has a
        // better one that will be stored.
        if !self.row.is_connected {
            assert!(
                !self.is_good(self.row.pair),
                "its pair is still good: {self:?}"
            );
        }
        // Where a used refresh token takes nothing with it, all that is left of a grant is ours.
        let is_lost = !self.is_good(self.row.pair)
            && self.renewers.iter().all(|at| match at {
                At::Kept {
                    pair, generation, ..
                } => !self.is_good(*pair) || *generation != self.row.generation,
                At::OnItsWay {
                    says: Says::Pair(pair),
                    ..
                }
                | At::Answered {
                    says: Says::Pair(pair),
                    ..
                } => !self.is_good(*pair),
                _ => true,
            });
        if is_lost && weather.reuse != Reuse::Revokes {
            assert!(
                self.lost_with_a_process,
                "a grant is lost that nobody had to lose: {self:?}"
            );
        }
        if is_lost && weather.reuse == Reuse::Gives {
            panic!("a grant is lost at a provider that gives again: {self:?}");
        }
    }

    fn check_step(&self, next: &Self) {
        let (before, after) = (self.row, next.row);
        assert!(
            after.generation == before.generation || after.pair > before.pair,
            "an older pair took the place of a newer: {self:?} {next:?}"
        );
        assert!(after.generation >= before.generation && after.fence >= before.fence);
        if before.is_connected && !after.is_connected {
            assert_eq!(
                after.generation, before.generation,
                "a newer generation ended: {self:?} {next:?}"
            );
        }
    }
}

/// Looks at every state that can be reached.
fn explore(weather: Weather) -> Explored {
    let first = World::new(weather);
    let mut seen = HashSet::from([first]);
    let mut ahead = VecDeque::from([first]);
    let mut ended = 0;
    let mut found = Vec::new();
    while let Some(world) = ahead.pop_front() {
        world.check(weather);
        found.clear();
        world.next(weather, &mut found);
        if found.is_empty() {
            let is_done = world.row.generation == LAST || !world.row.is_connected;
            assert!(is_done, "nobody can go on: {world:?}");
            let is_idle = world.renewers.iter().all(|at| *at == At::Idle);
            assert!(is_idle, "something is in hand for ever: {world:?}");
            ended += 1;
        }
        for next in &mut found {
            world.check_step(next);
            // Renewers are all alike: which of them is where makes no other world.
            next.renewers.sort_unstable();
            if seen.insert(*next) {
                ahead.push_back(*next);
            }
        }
    }
    Explored {
        states: seen.len(),
        ended,
    }
}

#[test]
fn without_crashes_and_trouble_each_generation_is_renewed_once_whatever_the_order() {
    for reuse in [Reuse::Revokes, Reuse::Refuses, Reuse::Gives] {
        let explored = explore(Weather {
            reuse,
            crashes: 0,
            troubles: 0,
            late: 0,
        });
        assert!(explored.states > 10 && explored.ended > 0);
    }
}

#[test]
fn with_crashes_trouble_and_late_renewers_a_grant_is_lost_only_with_the_one_that_had_it() {
    let mut looked_at = 0;
    for reuse in [Reuse::Revokes, Reuse::Refuses, Reuse::Gives] {
        for late in [0, 2] {
            let explored = explore(Weather {
                reuse,
                crashes: 2,
                troubles: 1,
                late,
            });
            println!(
                "{reuse:?}, late: {late}: {} states, {} ends",
                explored.states, explored.ended
            );
            looked_at += explored.states;
        }
    }
    assert!(looked_at > 10_000, "{looked_at}");
}
