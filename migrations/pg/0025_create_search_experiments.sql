-- Experiments with the tuning of the search: one runs at a time, beside the release that is live.
CREATE TABLE search_experiments (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    method text NOT NULL CHECK (method IN ('split', 'interleaved')),
    share_percent smallint NOT NULL CHECK (share_percent BETWEEN 1 AND 100),
    days_max smallint NOT NULL CHECK (days_max BETWEEN 7 AND 90),
    -- Number of the release that it is compared with; 0: of none.
    control_release bigint NOT NULL CHECK (control_release >= 0),
    draft_id uuid NOT NULL REFERENCES search_drafts,
    draft_version bigint NOT NULL CHECK (draft_version >= 1),
    -- What that version of the draft sets: the draft may change meanwhile.
    tuning jsonb NOT NULL,
    evaluation jsonb NOT NULL,
    override_reason text,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    -- What shoppers did, as of the last count.
    figures jsonb,
    ended_at timestamptz,
    ended_by text,
    outcome text CHECK (outcome IN ('treatment_better', 'control_better', 'undecided', 'stopped')),
    CHECK (num_nulls(ended_at, ended_by, outcome) IN (0, 3))
);
CREATE UNIQUE INDEX search_experiments_running ON search_experiments ((true)) WHERE ended_at IS NULL;
