-- What merchandisers set of the search. A draft is changed until it is published; a release is never changed: the one
-- with the highest number is in use, and going back makes a new one.
CREATE TABLE search_drafts (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    state text NOT NULL CHECK (state IN ('open', 'published', 'discarded')),
    -- Number of the release that it began from; 0: of none.
    base_release bigint NOT NULL CHECK (base_release >= 0),
    tuning jsonb NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX search_drafts_open ON search_drafts (id) WHERE state = 'open';

CREATE TABLE search_releases (
    number bigint PRIMARY KEY CHECK (number >= 1),
    tuning jsonb NOT NULL,
    note text NOT NULL CHECK (length(note) <= 1000),
    draft_id uuid REFERENCES search_drafts,
    -- The release whose tuning it has again; 0: that of before the first.
    restores bigint CHECK (restores >= 0 AND restores < number),
    -- What the judged queries said before and after, by set.
    evaluation jsonb NOT NULL,
    -- Why it was published although the judged queries said no.
    override_reason text,
    published_by text NOT NULL,
    published_at timestamptz NOT NULL,
    CHECK (draft_id IS NULL OR restores IS NULL)
);
