-- A refund or a payment changes its order, so the order's change covers the days of all of them.
WITH changed AS (
    SELECT created_at, id FROM orders
    WHERE channel = $1 AND ($2::text IS NULL OR changed_xid >= $2::text::xid8))
SELECT (created_at AT TIME ZONE 'UTC')::date AS day FROM changed
UNION
SELECT (line.occurred_at AT TIME ZONE 'UTC')::date
FROM changed JOIN order_lines line ON line.created_at = changed.created_at AND line.order_id = changed.id
UNION
SELECT (line.occurred_at AT TIME ZONE 'UTC')::date
FROM changed JOIN refund_lines line ON line.created_at = changed.created_at AND line.order_id = changed.id
UNION
SELECT (refund.occurred_at AT TIME ZONE 'UTC')::date
FROM changed JOIN refunds refund ON refund.created_at = changed.created_at AND refund.order_id = changed.id
UNION
SELECT (payment.occurred_at AT TIME ZONE 'UTC')::date
FROM changed JOIN payments payment ON payment.created_at = changed.created_at AND payment.order_id = changed.id
ORDER BY day
