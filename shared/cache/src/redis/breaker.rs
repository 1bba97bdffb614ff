//! Circuits: after a failure whoever asks fails at once, until a probe has succeeded.

use std::sync::atomic::{AtomicU64, Ordering};

/// One circuit for a server of its own; for a cluster one for each of these parts of its slots,
/// so that a node that is gone takes no more with it than what it holds.
const PARTS: usize = 64;
const SLOTS: usize = 16_384;

/// The circuits of one Redis.
pub(super) struct Breakers(Box<[Breaker]>);

pub(super) struct Breaker {
    /// Even while closed. What began before it opened cannot open it again after it closed.
    epoch: AtomicU64,
    /// A hash tag of a key in its part.
    pub(super) tag: u32,
}

impl Breakers {
    pub(super) fn new(cluster: bool) -> Self {
        let parts = if cluster { PARTS } else { 1 };
        let breaker = |part| {
            let mut tags = 0_u32..;
            let tag = tags.find(|tag| part_of(tag.to_string().as_bytes(), parts) == part);
            Breaker {
                epoch: AtomicU64::new(0),
                tag: tag.expect("the tags are endless, and the hash reaches each slot"),
            }
        };
        Self((0..parts).map(breaker).collect())
    }

    /// The circuit of a key with this hash tag.
    pub(super) fn of(&self, tag: &[u8]) -> &Breaker {
        &self.0[part_of(tag, self.0.len())]
    }

    /// How many are open.
    pub(super) fn open_count(&self) -> usize {
        let open = |breaker: &&Breaker| breaker.closed().is_none();
        self.0.iter().filter(open).count()
    }

    pub(super) fn all(&self) -> &[Breaker] {
        &self.0
    }
}

impl Breaker {
    /// The epoch while closed.
    pub(super) fn closed(&self) -> Option<u64> {
        let epoch = self.epoch.load(Ordering::Acquire);
        epoch.is_multiple_of(2).then_some(epoch)
    }

    /// Opens it for what failed having begun in this epoch.
    pub(super) fn trip(&self, epoch: u64) {
        let (next, order) = (epoch + 1, Ordering::AcqRel);
        let _ = self
            .epoch
            .compare_exchange(epoch, next, order, Ordering::Relaxed);
    }

    pub(super) fn open(&self) {
        if let Some(epoch) = self.closed() {
            self.trip(epoch);
        }
    }

    pub(super) fn close(&self) {
        let epoch = self.epoch.load(Ordering::Acquire);
        if !epoch.is_multiple_of(2) {
            let (next, order) = (epoch + 1, Ordering::AcqRel);
            let _ = self
                .epoch
                .compare_exchange(epoch, next, order, Ordering::Relaxed);
        }
    }
}

fn part_of(tag: &[u8], parts: usize) -> usize {
    usize::from(slot(tag)) / SLOTS.div_ceil(parts)
}

/// The hash slot of a tag: CRC-16/XMODEM, as the cluster specification of Redis says.
pub(super) fn slot(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    });
    crc % SLOTS as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b""), 0);
    }

    #[test]
    fn each_part_of_a_cluster_has_a_key_to_probe_it_with() {
        let breakers = Breakers::new(true);

        for (part, breaker) in breakers.all().iter().enumerate() {
            let found = breakers.of(breaker.tag.to_string().as_bytes());
            assert!(std::ptr::eq(found, &raw const breakers.all()[part]));
        }
    }

    #[test]
    fn what_began_before_a_recovery_does_not_undo_it() {
        let breakers = Breakers::new(false);
        let breaker = breakers.of(b"any");
        let (early, late) = (breaker.closed().unwrap(), breaker.closed().unwrap());

        breaker.trip(early);
        assert_eq!(breaker.closed(), None);
        breaker.close();
        breaker.trip(late);

        assert!(breaker.closed().is_some());
    }
}
