//! Whose turn it is to look at a tenant.

/// Whether a tenant is looked at. There is one look at a time, so that none goes by a
/// configuration that is older than that of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    #[default]
    None,
    /// It is about to be, or once more when the look that is under way is done. One is enough,
    /// however many ask for it.
    Due,
    UnderWay,
}

impl Look {
    /// Asks for a look at what there is from now on. Whether who asks is to see to it: nobody else
    /// does so already.
    pub(super) fn ask(&mut self) -> bool {
        std::mem::replace(self, Self::Due) == Self::None
    }

    /// Begins the next look, for who sees to it. False when none is due: whoever asks next sees to
    /// it then.
    pub(super) fn begin(&mut self) -> bool {
        let is_due = *self == Self::Due;
        *self = match is_due {
            true => Self::UnderWay,
            false => Self::None,
        };
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_look_at_a_time_and_one_more_for_all_who_ask_meanwhile() {
        let mut look = Look::default();

        assert!(look.ask(), "somebody has to see to it");
        assert!(!look.ask(), "once for both");
        assert!(look.begin());
        for _ in 0..3 {
            assert!(!look.ask(), "none begins beside it");
        }
        assert!(look.begin(), "one follows, with what they ask for");
        assert!(!look.begin());
        assert_eq!(look, Look::None);
        assert!(look.ask());
    }
}
