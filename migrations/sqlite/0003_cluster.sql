-- The oldest schema that code must know to run on this one: the number of its newest migration.
-- Migrations that only add leave it at 0; see docs/decisions/0011.
ALTER TABLE migrations ADD COLUMN needs INTEGER NOT NULL DEFAULT 0;

-- Processes of the cluster as they reported last. Seen by the database's own clock.
CREATE TABLE nodes (
    id         BLOB    NOT NULL CONSTRAINT nodes_pkey PRIMARY KEY,
    role       TEXT    NOT NULL CHECK (role IN ('control-plane', 'gateway', 'worker')),
    version    TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    enforced   INTEGER NOT NULL,
    load       INTEGER NOT NULL,
    capacity   INTEGER NOT NULL,
    draining   INTEGER NOT NULL CHECK (draining IN (0, 1))
) STRICT;

-- Who does a job that one process at a time may do. Ends by the database's own clock; `fence` grows
-- with each new holder.
CREATE TABLE leases (
    job        TEXT    NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
    holder     BLOB    NOT NULL,
    fence      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
