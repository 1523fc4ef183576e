-- Change events, written in the transaction of their fact, sent by the relay in version order per aggregate.
CREATE TABLE outbox (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL CHECK (created_at = uuid_v7_time(id)),
    shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 15),
    aggregate_kind text NOT NULL,
    aggregate_id text NOT NULL,
    aggregate_version bigint NOT NULL CHECK (aggregate_version > 0),
    event_type text NOT NULL,
    -- The CloudEvents envelope as it is published.
    envelope jsonb NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz,
    sent_at timestamptz,
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX outbox_unsent ON outbox (shard, aggregate_kind, aggregate_id, aggregate_version) WHERE sent_at IS NULL;
CREATE INDEX outbox_by_sending ON outbox (sent_at);

-- Who relays which shard. The fence grows with each owner, so a relay that slept through its lease marks nothing.
CREATE TABLE outbox_leases (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 15),
    owner uuid,
    fence bigint NOT NULL DEFAULT 0,
    leased_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO outbox_leases (shard) SELECT generate_series(0, 15);

-- Monthly partitions from this month to `months` ahead, for every partitioned table. Returns how many were made.
CREATE FUNCTION ensure_partitions_ahead(now timestamptz, months integer DEFAULT 3) RETURNS integer
    LANGUAGE sql
    RETURN ensure_month_partitions('users', now, now + months * interval '1 month')
         + ensure_order_partitions(now, now + months * interval '1 month')
         + ensure_month_partitions('outbox', now, now + months * interval '1 month');
