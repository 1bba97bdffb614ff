-- Where a tool stands in its upstream's own list, from 0. Rows from before stand at 0 all of them,
-- in the order of their names, until the next sync.
ALTER TABLE tools ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
