SELECT coalesce(refunds.id, line.refund_id)::text AS key
FROM refunds
FULL JOIN (
    SELECT created_at, refund_id, sum(net_minor + tax_minor) AS amount, min(occurred_at) AS first, max(occurred_at) AS last
    FROM refund_lines GROUP BY created_at, refund_id
) AS line ON line.created_at = refunds.created_at AND line.refund_id = refunds.id
WHERE refunds.amount_minor IS DISTINCT FROM line.amount
   OR refunds.occurred_at <> line.first OR refunds.occurred_at <> line.last
