-- What consumers gave up, out of the broker's dead-letter queues: kept until a person has sent it again or dropped it.
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    queue text NOT NULL CHECK (length(queue) BETWEEN 1 AND 100),
    -- The broker may tell of the same death twice.
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    event_id text,
    event_type text,
    subject text,
    -- Its first mebibyte.
    body bytea NOT NULL CHECK (length(body) <= 1048576),
    body_bytes bigint NOT NULL CHECK (body_bytes >= length(body)),
    reason text NOT NULL,
    death_count bigint NOT NULL,
    died_at timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL,
    -- It was sent again, and died again.
    redriven_from uuid,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'redriven', 'dropped')),
    settled_at timestamptz CHECK ((settled_at IS NULL) = (state = 'waiting')),
    UNIQUE (queue, fingerprint)
);
CREATE INDEX dead_letters_waiting ON dead_letters (queue, id) WHERE state = 'waiting';
CREATE INDEX dead_letters_settled ON dead_letters (settled_at) WHERE state <> 'waiting';

-- Who did what with one, and when.
CREATE TABLE dead_letter_steps (
    dead_letter_id uuid NOT NULL REFERENCES dead_letters (id) ON DELETE CASCADE,
    step text NOT NULL CHECK (step IN ('arrived', 'redriven', 'dropped')),
    at timestamptz NOT NULL,
    actor text NOT NULL,
    note text CHECK (length(note) BETWEEN 1 AND 500),
    PRIMARY KEY (dead_letter_id, step)
);
