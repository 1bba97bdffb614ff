//! What is kept of running conversations: with all gateways together, and here alone while that
//! cannot be reached. What is begun meanwhile stays where it began: its id says so.

mod marks;
mod sessions;
mod streams;

use uuid::{Builder, Uuid, Variant, Version};

pub(crate) use marks::KeptMarks;
pub(crate) use sessions::{Held, KeptSessions};
pub(crate) use streams::KeptStreams;

/// The id of something that this gateway alone keeps.
pub(crate) fn here(id: Uuid) -> Uuid {
    let marked = Builder::from_u128(id.as_u128()).with_variant(Variant::RFC4122);
    marked.with_version(Version::Custom).into_uuid()
}

/// Whether the gateway that gave this id keeps what it names alone.
pub(crate) fn is_here(id: Uuid) -> bool {
    id.get_version_num() == Version::Custom as usize
}
