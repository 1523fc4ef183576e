-- The statistics of an outbox say that almost nothing waits, because almost never anything does. A plan made from them
-- reads and sorts the whole backlog for every batch, just when there is one.
CREATE INDEX outbox_postponed ON outbox (retry_at) WHERE sent_at IS NULL AND retry_at IS NOT NULL;

-- Unsent events of the shards in version order per aggregate, `most` at most. An aggregate of which an event waits for a
-- retry is left out whole.
CREATE FUNCTION unsent_events(shards smallint[], most bigint) RETURNS TABLE (id uuid, envelope jsonb)
    LANGUAGE sql
    SET enable_bitmapscan = off
    SET enable_seqscan = off
    SET enable_sort = off
BEGIN ATOMIC
    SELECT event.id, event.envelope
    FROM outbox AS event
    WHERE event.sent_at IS NULL AND event.shard = ANY (shards)
      AND (event.aggregate_kind, event.aggregate_id) NOT IN (
          SELECT postponed.aggregate_kind, postponed.aggregate_id
          FROM outbox AS postponed
          WHERE postponed.sent_at IS NULL AND postponed.retry_at > clock_timestamp())
    ORDER BY event.shard, event.aggregate_kind, event.aggregate_id, event.aggregate_version
    LIMIT most;
END;
