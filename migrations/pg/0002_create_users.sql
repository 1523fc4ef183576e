-- Accounts, partitioned by registration month. `registered_at` is the id's own millisecond.
CREATE TABLE users (
    id uuid NOT NULL,
    registered_at timestamptz NOT NULL CHECK (registered_at = uuid_v7_time(id)),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled', 'erased')),
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (registered_at, id)
) PARTITION BY RANGE (registered_at);

-- One account per address: a unique key cannot span partitions, so it has a table of its own. Only a keyed hash of
-- the address is here; two live during a key rotation.
CREATE TABLE user_emails (
    blind_index bytea PRIMARY KEY CHECK (length(blind_index) = 32),
    rotating_blind_index bytea UNIQUE CHECK (length(rotating_blind_index) = 32),
    user_id uuid NOT NULL,
    registered_at timestamptz NOT NULL,
    FOREIGN KEY (registered_at, user_id) REFERENCES users (registered_at, id)
);
