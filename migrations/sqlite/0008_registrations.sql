-- What ends a registration that was made at a server by itself (RFC 7592), sealed. None: it was
-- made by hand, or the server keeps registrations to itself.
ALTER TABLE oauth_clients ADD COLUMN registration BLOB;
