-- A refund changes its order, so the order's change covers the days of both.
SELECT (line.occurred_at AT TIME ZONE 'UTC')::date AS day
FROM orders
JOIN order_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id
WHERE channel = $1 AND ($2::text IS NULL OR changed_xid >= $2::text::xid8)
UNION
SELECT (line.occurred_at AT TIME ZONE 'UTC')::date
FROM orders
JOIN refund_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id
WHERE channel = $1 AND ($2::text IS NULL OR changed_xid >= $2::text::xid8)
ORDER BY day
