-- Times are microseconds since 1970 (UTC). Ids are UUIDv7, so their order is that of creation.
-- Text is compared byte by byte.

-- Facts about this database: which root key it belongs to.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- The number of the last change. Each change takes the next one as the last thing it does before
-- it commits, so that a higher number is never visible before a lower one.
CREATE TABLE revision_counter (
    one_row INTEGER NOT NULL PRIMARY KEY CHECK (one_row = 1),
    last    INTEGER NOT NULL
) STRICT;
INSERT INTO revision_counter (one_row, last) VALUES (1, 0);

-- What changed, for nodes that follow. A tenant's rows outlive it. Bounded: old rows are trimmed.
CREATE TABLE config_changes (
    revision    INTEGER NOT NULL PRIMARY KEY,
    tenant_id   BLOB,
    tenant_slug TEXT,
    kind        TEXT NOT NULL,
    at          INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER))
) STRICT;

CREATE TABLE tenants (
    id            BLOB    NOT NULL CONSTRAINT tenants_pkey PRIMARY KEY,
    slug          TEXT    NOT NULL CONSTRAINT tenants_slug_key UNIQUE,
    name          TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    contact_email TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('active', 'inactive')),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    version       INTEGER NOT NULL
) STRICT;

-- Wrapped by the root key. Deleting a tenant's rows here destroys everything sealed for it.
CREATE TABLE data_keys (
    tenant_id  BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    wrapped    BLOB    NOT NULL,
    wrapped_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT data_keys_pkey PRIMARY KEY (tenant_id, generation)
) STRICT;

CREATE TABLE connectors (
    id           BLOB    NOT NULL CONSTRAINT connectors_pkey PRIMARY KEY,
    tenant_id    BLOB    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    slug         TEXT    NOT NULL,
    display_name TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    enabled      INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    prefix       TEXT    NOT NULL,
    credential   TEXT    NOT NULL,
    sync_state   TEXT    NOT NULL CHECK (sync_state IN ('pending', 'ok', 'failed')),
    sync_at      INTEGER,
    sync_error   TEXT,
    sync_tools   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    CONSTRAINT connectors_tenant_id_slug_key UNIQUE (tenant_id, slug),
    CONSTRAINT connectors_tenant_id_id_key UNIQUE (tenant_id, id)
) STRICT;

CREATE TABLE connector_secrets (
    tenant_id    BLOB    NOT NULL,
    connector_id BLOB    NOT NULL CONSTRAINT connector_secrets_pkey PRIMARY KEY,
    generation   INTEGER NOT NULL,
    sealed       BLOB    NOT NULL,
    FOREIGN KEY (tenant_id, connector_id) REFERENCES connectors (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX connector_secrets_tenant ON connector_secrets (tenant_id, connector_id);

CREATE TABLE tools (
    tenant_id    BLOB    NOT NULL,
    connector_id BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    definition   TEXT    NOT NULL,
    enabled      INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    CONSTRAINT tools_pkey PRIMARY KEY (tenant_id, connector_id, name),
    FOREIGN KEY (tenant_id, connector_id) REFERENCES connectors (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE api_keys (
    id           BLOB    NOT NULL CONSTRAINT api_keys_pkey PRIMARY KEY,
    tenant_id    BLOB    REFERENCES tenants (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    scope        TEXT    NOT NULL CHECK (scope IN ('platform_admin', 'tenant_admin', 'tenant_user')),
    hash         BLOB    NOT NULL CHECK (length(hash) = 32),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    CONSTRAINT api_keys_owner_check CHECK ((scope = 'platform_admin') = (tenant_id IS NULL))
) STRICT;
CREATE INDEX api_keys_tenant ON api_keys (tenant_id, id);

-- First answers to requests with an idempotency key.
CREATE TABLE remembered (
    caller       BLOB    NOT NULL,
    operation    TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    tenant_id    BLOB    REFERENCES tenants (id) ON DELETE CASCADE,
    request_hash BLOB    NOT NULL CHECK (length(request_hash) = 32),
    status       INTEGER NOT NULL,
    generation   INTEGER NOT NULL,
    response     BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    CONSTRAINT remembered_pkey PRIMARY KEY (caller, operation, key)
) STRICT;
CREATE INDEX remembered_created_at ON remembered (created_at);
CREATE INDEX remembered_tenant ON remembered (tenant_id);
