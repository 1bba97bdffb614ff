//! One window of one key or tenant, as this gateway knows it. Times are milliseconds.

use cache::Draw;

/// Which part of a limit a gateway draws at once, at most.
const PART: u32 = 32;
/// How much it lets through before it asks, at most.
const UNASKED: u32 = 64;

/// What holds for all keys, or all tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// The limit of a window.
    pub(super) most: u32,
    /// What a gateway lets through without asking: by so much, for each gateway, the limit may be
    /// exceeded. A thirty-second of it, but at most 64.
    pub(super) unasked: u32,
    /// What is drawn at once at most: so much may be left unused at each gateway.
    portion: u32,
}

impl Terms {
    pub(super) fn new(most: u32) -> Self {
        let portion = most.div_ceil(PART);
        Self {
            most,
            unasked: portion.min(UNASKED),
            portion,
        }
    }
}

/// What came of taking one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    Taken(Option<(Draw, u32)>),
    /// There is none here; more is being drawn, or is to be.
    Dry(Option<(Draw, u32)>),
    /// There is none anywhere for so many milliseconds.
    UsedUp {
        left: u64,
    },
}

/// How a window stands.
#[derive(Debug, Default)]
pub(super) struct Window {
    ends: u64,
    /// Which window of ours it is.
    turn: u32,
    /// What may still be taken.
    left: u32,
    /// More is drawn when no more than this is left.
    low: u32,
    /// What was given out here without the store's knowing.
    untold: u32,
    /// All that was given out here.
    given: u32,
    /// What is drawn next.
    wanted: u32,
    drawing: bool,
    /// There is no more to be had.
    used_up: bool,
}

impl Window {
    pub(super) fn is_over(&self, at: u64) -> bool {
        at >= self.ends
    }

    /// Takes one. A draw that comes with the answer must be made, and settled.
    pub(super) fn take(&mut self, at: u64, terms: &Terms, ends: impl Fn() -> u64) -> Take {
        if self.is_over(at) {
            self.begin(terms, ends());
        }
        if self.left > 0 {
            self.left -= 1;
            return Take::Taken((self.left <= self.low).then(|| self.draw(terms)).flatten());
        }
        match self.used_up {
            true => Take::UsedUp {
                left: self.ends - at,
            },
            false => Take::Dry(self.draw(terms)),
        }
    }

    fn begin(&mut self, terms: &Terms, ends: u64) {
        *self = Self {
            ends,
            turn: self.turn.wrapping_add(1),
            left: terms.unasked,
            low: terms.unasked / 2,
            untold: terms.unasked,
            given: terms.unasked,
            wanted: terms.unasked,
            drawing: self.drawing,
            used_up: false,
        };
    }

    fn draw(&mut self, terms: &Terms) -> Option<(Draw, u32)> {
        if self.drawing || self.used_up {
            return None;
        }
        self.drawing = true;
        let wanted = self.wanted;
        self.wanted = wanted.saturating_mul(2).min(terms.portion);
        let spent = self.untold;
        Some((Draw { spent, wanted }, self.turn))
    }

    pub(super) fn give_back(&mut self, at: u64) {
        if !self.is_over(at) {
            self.left += 1;
        }
    }

    /// Takes in what a draw of window `turn` brought: what was granted and when that ends, or
    /// nothing while the store is away.
    pub(super) fn settle(
        &mut self,
        terms: &Terms,
        draw: Draw,
        turn: u32,
        granted: Option<(u32, u64)>,
    ) {
        self.drawing = false;
        match granted {
            // A window has begun meanwhile: the next draw is for that.
            _ if turn != self.turn => {}
            None => self.lend(terms, draw.wanted),
            Some((granted, ends)) => {
                self.ends = ends;
                // One that was forgotten and began anew may have the same turn.
                self.untold = self.untold.saturating_sub(draw.spent);
                self.used_up = granted == 0;
                self.add(granted);
            }
        }
    }

    /// Gives out what the limit allows one that is alone.
    fn lend(&mut self, terms: &Terms, wanted: u32) {
        let lent = wanted.min(terms.most.saturating_sub(self.given));
        self.untold += lent;
        self.used_up = lent == 0;
        self.add(lent);
    }

    fn add(&mut self, more: u32) {
        self.left += more;
        self.given = self.given.saturating_add(more);
        self.low = more / 2;
    }
}
