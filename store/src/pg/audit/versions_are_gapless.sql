SELECT aggregate_kind || ' ' || aggregate_id AS key
FROM outbox
GROUP BY aggregate_kind, aggregate_id
HAVING count(*) <> max(aggregate_version) - min(aggregate_version) + 1
    OR count(DISTINCT aggregate_version) <> count(*)
