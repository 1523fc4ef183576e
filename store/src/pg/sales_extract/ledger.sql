-- Net revenue as the order ledger has it: by itself, without the lake, in minor units.
SELECT date, currency, sum(minor)::text AS net_minor
FROM (
    SELECT (line.occurred_at AT TIME ZONE $2)::date AS date, currency, line.amount_minor - line.discount_minor AS minor
    FROM orders
    JOIN order_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id
    WHERE channel = $1 AND status IN ('paid', 'completed')
      AND (kind = 'credit' OR (kind = 'sale' AND line.quantity > 0 AND line.unit_price > 0))
      AND line.occurred_at >= $3::date::timestamp AT TIME ZONE $2
      AND line.occurred_at < ($4::date + 1)::timestamp AT TIME ZONE $2
    UNION ALL
    SELECT (refund.occurred_at AT TIME ZONE $2)::date, currency, -refund.net_minor
    FROM refund_lines refund
    JOIN orders ON orders.created_at = refund.created_at AND orders.id = refund.order_id
    WHERE channel = $1 AND status IN ('paid', 'completed')
      AND refund.occurred_at >= $3::date::timestamp AT TIME ZONE $2
      AND refund.occurred_at < ($4::date + 1)::timestamp AT TIME ZONE $2
) AS ledger
GROUP BY date, currency
ORDER BY date, currency
