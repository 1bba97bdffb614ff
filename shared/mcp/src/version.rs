//! Protocol revisions as data.

use std::fmt;
use std::str::FromStr;

/// A revision of the protocol, ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

/// The revisions with a handshake, oldest first.
pub const LEGACY_VERSIONS: [ProtocolVersion; 4] = [
    ProtocolVersion::V2024_11_05,
    ProtocolVersion::V2025_03_26,
    ProtocolVersion::V2025_06_18,
    ProtocolVersion::V2025_11_25,
];

/// The revisions whose requests carry their own metadata, oldest first.
pub const MODERN_VERSIONS: [ProtocolVersion; 1] = [ProtocolVersion::V2026_07_28];

impl ProtocolVersion {
    /// What a server answers to an `initialize` for a revision that it does not speak.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    pub const LATEST: Self = Self::V2026_07_28;

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// Whether a POST may hold an array of messages (2025-03-26 alone, "Sending Messages").
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }
}

impl FromStr for ProtocolVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        LEGACY_VERSIONS
            .into_iter()
            .chain(MODERN_VERSIONS)
            .find(|version| version.as_str() == text)
            .ok_or(())
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
