//! Refusals that say that nothing was begun.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// The field that says so, with the reason.
const REFUSED: &str = "turnbuckle-refused";

/// Why nothing was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The request was never sent.
    NotSent,
    /// The peer takes no more.
    Draining,
    /// The peer has as much to do as it can.
    Busy,
    /// The peer does not believe or does not allow this process.
    NotAllowed,
    /// The peer does not understand.
    Malformed,
}

impl Refused {
    const ALL: [Self; 5] = [
        Self::NotSent,
        Self::Draining,
        Self::Busy,
        Self::NotAllowed,
        Self::Malformed,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Draining => "draining",
            Self::Busy => "busy",
            Self::NotAllowed => "not_allowed",
            Self::Malformed => "malformed",
        }
    }

    pub(crate) fn status(self, code: Code, message: impl Into<String>) -> Status {
        self.mark(Status::new(code, message))
    }

    pub(crate) fn mark(self, mut status: Status) -> Status {
        let reason = MetadataValue::from_static(self.as_str());
        status.metadata_mut().insert(REFUSED, reason);
        status
    }

    pub(crate) fn of(status: &Status) -> Option<Self> {
        let told = status.metadata().get(REFUSED)?;
        let mut all = Self::ALL.into_iter();
        all.find(|reason| told.as_bytes() == reason.as_str().as_bytes())
    }
}

/// Whether the request surely had no effect: it was never sent, or it was refused before anything
/// was begun.
pub fn nothing_happened(status: &Status) -> bool {
    status.metadata().contains_key(REFUSED)
}
