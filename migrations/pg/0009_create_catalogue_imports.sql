-- A run that was killed goes on from its checkpoint, when the same input comes again.
ALTER TABLE import_runs
    ADD COLUMN fingerprint bytea CHECK (length(fingerprint) = 32),
    ADD COLUMN checkpoint jsonb;
CREATE INDEX import_runs_by_source ON import_runs (kind, channel, started_at DESC);

-- Catalogues that came over HTTP. A worker holds one by a lease; `fence` grows with each owner, so that one who was
-- thought dead cannot write into it.
CREATE TABLE catalogue_imports (
    id uuid PRIMARY KEY,
    upload_id uuid NOT NULL UNIQUE,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'finished', 'failed')),
    format text NOT NULL CHECK (format IN ('csv', 'ndjson')),
    map text NOT NULL CHECK (length(map) BETWEEN 1 AND 60),
    dry_run boolean NOT NULL,
    actor text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz CHECK ((finished_at IS NOT NULL) = (status IN ('finished', 'failed'))),
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    fence bigint NOT NULL DEFAULT 0,
    rows_read bigint NOT NULL DEFAULT 0,
    added bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    -- Entries of the report that are not kept, because there were too many.
    entries_left_out bigint NOT NULL DEFAULT 0,
    -- Why it failed, in words for the person who sent it.
    failure text
);
CREATE INDEX catalogue_imports_waiting ON catalogue_imports (created_at) WHERE status IN ('queued', 'running');

-- What was sent, as it came, until its run has ended.
CREATE TABLE catalogue_import_chunks (
    upload_id uuid NOT NULL,
    number integer NOT NULL CHECK (number >= 0),
    bytes bytea NOT NULL CHECK (length(bytes) BETWEEN 1 AND 1048576),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (upload_id, number)
);
-- Already compressed, or compressed by the client's choice.
ALTER TABLE catalogue_import_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What became of each row that was not the same already.
CREATE TABLE catalogue_import_entries (
    import_id uuid NOT NULL REFERENCES catalogue_imports (id) ON DELETE CASCADE,
    number bigint NOT NULL CHECK (number > 0),
    entry jsonb NOT NULL,
    PRIMARY KEY (import_id, number)
);
