SELECT id::text AS key
FROM outbox
WHERE sent_at IS NULL AND created_at < clock_timestamp() - current_setting('audit.unsent_after')::interval
