-- Rebuilds and repairs of the search index that were asked for over HTTP. An indexer holds one by a lease; `fence`
-- grows with each owner, so that one who was thought dead cannot write into it.
CREATE TABLE index_tasks (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('rebuild', 'repair')),
    -- Most products of a second; without it as fast as it goes.
    rate integer CHECK (rate > 0),
    actor text NOT NULL,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'finished', 'failed')),
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz CHECK ((finished_at IS NOT NULL) = (status IN ('finished', 'failed'))),
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    fence bigint NOT NULL DEFAULT 0,
    -- How far it is, and what it did.
    progress jsonb NOT NULL DEFAULT '{}',
    -- Why it failed, in words for the person who asked.
    failure text
);
-- One of a kind at a time.
CREATE UNIQUE INDEX index_tasks_under_way ON index_tasks (kind) WHERE status IN ('queued', 'running');
CREATE INDEX index_tasks_ended ON index_tasks (finished_at) WHERE finished_at IS NOT NULL;
