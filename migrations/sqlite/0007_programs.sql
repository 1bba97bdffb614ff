-- Accounts of programs that sign in by themselves: `method` stays `oauth` for those, which is what
-- their tokens are, and this says what gets them.

ALTER TABLE accounts ADD COLUMN minted_by TEXT
    CHECK (minted_by IN ('client_credentials', 'jwt_bearer', 'account_credentials',
                         'app_installation'));
