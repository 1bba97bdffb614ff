-- The oldest schema that code must know to run on this one: the number of its newest migration.
-- Migrations that only add leave it at 0; see docs/decisions/0011.
ALTER TABLE migrations ADD COLUMN needs BIGINT NOT NULL DEFAULT 0;

-- Processes of the cluster as they reported last. Seen by the database's own clock.
CREATE TABLE nodes (
    id         UUID    NOT NULL CONSTRAINT nodes_pkey PRIMARY KEY,
    role       TEXT    NOT NULL CHECK (role IN ('control-plane', 'gateway', 'worker')),
    version    TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    started_at BIGINT  NOT NULL,
    last_seen  BIGINT  NOT NULL,
    enforced   BIGINT  NOT NULL,
    load       BIGINT  NOT NULL,
    capacity   BIGINT  NOT NULL,
    draining   BOOLEAN NOT NULL
);

-- Who does a job that one process at a time may do. Ends by the database's own clock; `fence` grows
-- with each new holder.
CREATE TABLE leases (
    job        TEXT   NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
    holder     UUID   NOT NULL,
    fence      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- A second wall: rows of a tenant are there only for a transaction that says it works for that
-- tenant, or for the platform. Our own statements name the tenant all the same. FORCE, because the
-- role that we connect as owns the tables. A transaction that says nothing sees nothing.

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_scope ON tenants
    USING (current_setting('turnbuckle.tenant', true) IN ('platform', id::text));

ALTER TABLE data_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE data_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY data_keys_scope ON data_keys
    USING (current_setting('turnbuckle.tenant', true) IN ('platform', tenant_id::text));

ALTER TABLE connectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE connectors FORCE ROW LEVEL SECURITY;
CREATE POLICY connectors_scope ON connectors
    USING (current_setting('turnbuckle.tenant', true) IN ('platform', tenant_id::text));

ALTER TABLE connector_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE connector_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY connector_secrets_scope ON connector_secrets
    USING (current_setting('turnbuckle.tenant', true) IN ('platform', tenant_id::text));

ALTER TABLE tools ENABLE ROW LEVEL SECURITY;
ALTER TABLE tools FORCE ROW LEVEL SECURITY;
CREATE POLICY tools_scope ON tools
    USING (current_setting('turnbuckle.tenant', true) IN ('platform', tenant_id::text));

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY api_keys_scope ON api_keys
    USING (current_setting('turnbuckle.tenant', true) IN ('platform', tenant_id::text));

ALTER TABLE remembered ENABLE ROW LEVEL SECURITY;
ALTER TABLE remembered FORCE ROW LEVEL SECURITY;
CREATE POLICY remembered_scope ON remembered
    USING (current_setting('turnbuckle.tenant', true) IN ('platform', tenant_id::text));

ALTER TABLE config_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE config_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY config_changes_scope ON config_changes
    USING (current_setting('turnbuckle.tenant', true) IN ('platform', tenant_id::text));
