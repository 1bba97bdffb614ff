-- Accounts that people connect at providers, what is registered there for that, and attempts under
-- way. Also how often that changed for a connector, so that nodes let go of credentials they hold.

ALTER TABLE connectors ADD COLUMN accounts INTEGER NOT NULL DEFAULT 0;

-- Without a tenant: the operator's, for tenants that have none of their own. `provider` is the type
-- of a connector, or an issuer and the connector that was registered there.
CREATE TABLE oauth_clients (
    id         BLOB    NOT NULL CONSTRAINT oauth_clients_pkey PRIMARY KEY,
    tenant_id  BLOB    REFERENCES tenants (id) ON DELETE CASCADE,
    provider   TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    settings   TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    -- None for a public client.
    sealed     BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX oauth_clients_tenant_provider ON oauth_clients (tenant_id, provider)
    WHERE tenant_id IS NOT NULL;
CREATE UNIQUE INDEX oauth_clients_platform_provider ON oauth_clients (provider)
    WHERE tenant_id IS NULL;

-- `owner` is an API key, or nobody: the tenant's. `token_generation` grows with each pair of tokens,
-- `generation` says which data key sealed them. A renewal under way is `renewing_by` until
-- `renewing_until` by this database's clock; `fence` grows with each.
CREATE TABLE accounts (
    id               BLOB    NOT NULL CONSTRAINT accounts_pkey PRIMARY KEY,
    tenant_id        BLOB    NOT NULL,
    connector_id     BLOB    NOT NULL,
    owner            BLOB    REFERENCES api_keys (id) ON DELETE CASCADE,
    name             TEXT    NOT NULL,
    method           TEXT    NOT NULL CHECK (method IN ('oauth', 'token')),
    state            TEXT    NOT NULL CHECK (state IN ('connected', 'needs_reauth')),
    preferred        INTEGER NOT NULL CHECK (preferred IN (0, 1)),
    subject          TEXT,
    scopes           TEXT    NOT NULL,
    variables        TEXT    NOT NULL,
    token_generation INTEGER NOT NULL,
    generation       INTEGER NOT NULL,
    sealed           BLOB    NOT NULL,
    oauth_client_id  BLOB    REFERENCES oauth_clients (id) ON DELETE SET NULL,
    expires_at       INTEGER,
    refresh_at       INTEGER,
    renewing_by      BLOB,
    renewing_until   INTEGER,
    fence            INTEGER NOT NULL DEFAULT 0,
    failures         INTEGER NOT NULL DEFAULT 0,
    problem          TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    refreshed_at     INTEGER,
    FOREIGN KEY (tenant_id, connector_id) REFERENCES connectors (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX accounts_tenant_name ON accounts (connector_id, name) WHERE owner IS NULL;
CREATE UNIQUE INDEX accounts_key_name ON accounts (connector_id, owner, name)
    WHERE owner IS NOT NULL;
CREATE UNIQUE INDEX accounts_tenant_preferred ON accounts (connector_id)
    WHERE owner IS NULL AND preferred;
CREATE UNIQUE INDEX accounts_key_preferred ON accounts (connector_id, owner)
    WHERE owner IS NOT NULL AND preferred;
CREATE INDEX accounts_connector ON accounts (tenant_id, connector_id, id);
CREATE INDEX accounts_owner ON accounts (owner) WHERE owner IS NOT NULL;
CREATE INDEX accounts_client ON accounts (oauth_client_id) WHERE oauth_client_id IS NOT NULL;
CREATE INDEX accounts_due ON accounts (refresh_at) WHERE refresh_at IS NOT NULL;

-- Only hashes of what the person's browser carries; what the provider's answer is held against is
-- sealed.
CREATE TABLE connect_flows (
    id           BLOB    NOT NULL CONSTRAINT connect_flows_pkey PRIMARY KEY,
    tenant_id    BLOB    NOT NULL,
    connector_id BLOB    NOT NULL,
    owner        BLOB    REFERENCES api_keys (id) ON DELETE CASCADE,
    nonce_hash   BLOB    NOT NULL CONSTRAINT connect_flows_nonce_hash_key UNIQUE
        CHECK (length(nonce_hash) = 32),
    state_hash   BLOB    CONSTRAINT connect_flows_state_hash_key UNIQUE
        CHECK (length(state_hash) = 32),
    browser_hash BLOB    CHECK (length(browser_hash) = 32),
    status       TEXT    NOT NULL CHECK (status IN ('offered', 'opened', 'redirected', 'exchanging',
                                                   'choosing', 'connected', 'failed')),
    account_id   BLOB,
    generation   INTEGER NOT NULL,
    sealed       BLOB    NOT NULL,
    problem      TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    FOREIGN KEY (tenant_id, connector_id) REFERENCES connectors (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX connect_flows_connector ON connect_flows (tenant_id, connector_id);
CREATE INDEX connect_flows_owner ON connect_flows (owner) WHERE owner IS NOT NULL;
CREATE INDEX connect_flows_expires_at ON connect_flows (expires_at);
