-- What becomes of a tool whose definition its upstream changes. Native tools change with the
-- program only.
ALTER TABLE connectors ADD COLUMN on_change TEXT NOT NULL DEFAULT 'hold'
    CHECK (on_change IN ('hold', 'warn', 'accept'));
UPDATE connectors SET on_change = 'accept' WHERE CAST(kind AS JSON) ->> 'kind' = 'native';

-- What an MCP upstream said of itself when its tools were last read.
ALTER TABLE connectors ADD COLUMN server_info TEXT;

-- How many tools wait for approval, and the names of the first; kept with `tools.pending`.
ALTER TABLE connectors ADD COLUMN sync_changed TEXT NOT NULL DEFAULT '{"count":0,"names":[]}';

-- `definition` is the one that was approved, `hash` its SHA-256 in canonical form. Rows from
-- before have no hash: it is computed when they are read, and stored by the next sync.
ALTER TABLE tools ADD COLUMN hash BYTEA CHECK (length(hash) = 32);
-- What the upstream says now where that is something else, and whether the tool is held for it.
ALTER TABLE tools ADD COLUMN pending TEXT;
ALTER TABLE tools ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE
    CHECK (NOT held OR pending IS NOT NULL);
-- Since when the upstream does not list it any more. Such a row only remembers what was approved.
ALTER TABLE tools ADD COLUMN gone_at BIGINT;
