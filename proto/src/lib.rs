//! The gRPC contracts, `turnbuckle/{admin,fabric}/v1/*.proto`, and what is generated from them.
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

/// What the roles of a cluster ask of each other. All of them are of one release, or of two
/// neighbouring ones while a cluster is upgraded.
pub mod fabric {
    /// The first version: fields are added to it, never changed.
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code silences lints in its own way"
    )]
    pub mod v1 {
        include!("generated/turnbuckle.fabric.v1.rs");
    }

    /// Prints what names a message that holds secrets, and nothing else of it.
    macro_rules! print_only {
        ($($message:ident: $($field:ident),+;)*) => {$(
            impl std::fmt::Debug for v1::$message {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.debug_struct(stringify!($message))
                        $(.field(stringify!($field), &self.$field))+
                        .finish_non_exhaustive()
                }
            }
        )*};
    }

    print_only! {
        LeaseResponse: connector;
        AccountTokens: of, scopes;
        MissingAccount: message;
        GetPlatformResponse: revision, keys;
        Call: tenant_id, connector_id, method, request_id;
        Key: id, name;
    }
}

/// The encoded `FileDescriptorSet` of the administration, well-known types included, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/turnbuckle.admin.v1.bin");
