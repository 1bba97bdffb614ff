//! The gRPC contracts: `turnbuckle/admin/v1/*.proto`, and what is generated from them.
//!
//! The generated code is checked in, so that building needs no protobuf compiler and no build
//! script; `tests/generated.rs` keeps it true to the contracts.

/// The administration of tenants, connectors, tools and keys.
pub mod admin {
    /// The first version: fields are added to it, never changed.
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code silences lints in its own way"
    )]
    pub mod v1 {
        include!("generated/turnbuckle.admin.v1.rs");
    }
}

/// The encoded `FileDescriptorSet` of everything here, well-known types included, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/turnbuckle.admin.v1.bin");
