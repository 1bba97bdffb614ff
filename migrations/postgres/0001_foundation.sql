-- Times are microseconds since 1970 (UTC). Ids are UUIDv7, so their order is that of creation.
-- Text that is paged over or ordered by is compared byte by byte.

-- Facts about this database: which root key it belongs to.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- The number of the last change. Each change takes the next one as the last thing it does before
-- it commits, so that a higher number is never visible before a lower one.
CREATE TABLE revision_counter (
    one_row BIGINT NOT NULL PRIMARY KEY CHECK (one_row = 1),
    last    BIGINT NOT NULL
);
INSERT INTO revision_counter (one_row, last) VALUES (1, 0);

-- What changed, for nodes that follow. A tenant's rows outlive it. Bounded: old rows are trimmed.
CREATE TABLE config_changes (
    revision    BIGINT NOT NULL PRIMARY KEY,
    tenant_id   UUID,
    tenant_slug TEXT,
    kind        TEXT NOT NULL,
    at          BIGINT NOT NULL DEFAULT (CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT))
);

CREATE TABLE tenants (
    id            UUID    NOT NULL CONSTRAINT tenants_pkey PRIMARY KEY,
    slug          TEXT    COLLATE "C" NOT NULL CONSTRAINT tenants_slug_key UNIQUE,
    name          TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    contact_email TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('active', 'inactive')),
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    version       BIGINT  NOT NULL
);

-- Wrapped by the root key. Deleting a tenant's rows here destroys everything sealed for it.
CREATE TABLE data_keys (
    tenant_id  UUID   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    wrapped    BYTEA  NOT NULL,
    wrapped_by TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT data_keys_pkey PRIMARY KEY (tenant_id, generation)
);

CREATE TABLE connectors (
    id           UUID    NOT NULL CONSTRAINT connectors_pkey PRIMARY KEY,
    tenant_id    UUID    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    slug         TEXT    COLLATE "C" NOT NULL,
    display_name TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    enabled      BOOLEAN NOT NULL,
    prefix       TEXT    NOT NULL,
    credential   TEXT    NOT NULL,
    sync_state   TEXT    NOT NULL CHECK (sync_state IN ('pending', 'ok', 'failed')),
    sync_at      BIGINT,
    sync_error   TEXT,
    sync_tools   BIGINT  NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    version      BIGINT  NOT NULL,
    CONSTRAINT connectors_tenant_id_slug_key UNIQUE (tenant_id, slug),
    CONSTRAINT connectors_tenant_id_id_key UNIQUE (tenant_id, id)
);

CREATE TABLE connector_secrets (
    tenant_id    UUID   NOT NULL,
    connector_id UUID   NOT NULL CONSTRAINT connector_secrets_pkey PRIMARY KEY,
    generation   BIGINT NOT NULL,
    sealed       BYTEA  NOT NULL,
    FOREIGN KEY (tenant_id, connector_id) REFERENCES connectors (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX connector_secrets_tenant ON connector_secrets (tenant_id, connector_id);

CREATE TABLE tools (
    tenant_id    UUID    NOT NULL,
    connector_id UUID    NOT NULL,
    name         TEXT    COLLATE "C" NOT NULL,
    definition   TEXT    NOT NULL,
    enabled      BOOLEAN NOT NULL,
    CONSTRAINT tools_pkey PRIMARY KEY (tenant_id, connector_id, name),
    FOREIGN KEY (tenant_id, connector_id) REFERENCES connectors (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE api_keys (
    id           UUID   NOT NULL CONSTRAINT api_keys_pkey PRIMARY KEY,
    tenant_id    UUID   REFERENCES tenants (id) ON DELETE CASCADE,
    name         TEXT   NOT NULL,
    scope        TEXT   NOT NULL CHECK (scope IN ('platform_admin', 'tenant_admin', 'tenant_user')),
    hash         BYTEA  NOT NULL CHECK (length(hash) = 32),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    CONSTRAINT api_keys_owner_check CHECK ((scope = 'platform_admin') = (tenant_id IS NULL))
);
CREATE INDEX api_keys_tenant ON api_keys (tenant_id, id);

-- First answers to requests with an idempotency key.
CREATE TABLE remembered (
    caller       UUID   NOT NULL,
    operation    TEXT   NOT NULL,
    key          TEXT   NOT NULL,
    tenant_id    UUID   REFERENCES tenants (id) ON DELETE CASCADE,
    request_hash BYTEA  NOT NULL CHECK (length(request_hash) = 32),
    status       BIGINT NOT NULL,
    generation   BIGINT NOT NULL,
    response     BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    CONSTRAINT remembered_pkey PRIMARY KEY (caller, operation, key)
);
CREATE INDEX remembered_created_at ON remembered (created_at);
CREATE INDEX remembered_tenant ON remembered (tenant_id);
