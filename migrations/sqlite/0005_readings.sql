-- Which reading of a connector's tools began last, here or at another control-plane: what an earlier
-- one brings is older, and does not count. None: whatever comes counts.
ALTER TABLE connectors ADD COLUMN reading BLOB;
