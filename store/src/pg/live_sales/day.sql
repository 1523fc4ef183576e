-- As the daily sales are defined, from the order ledger itself, in minor units.
SELECT currency, count(DISTINCT sold) AS orders, coalesce(sum(units), 0)::bigint AS units,
       sum(gross)::text AS gross_minor, sum(refunds)::text AS refunds_minor
FROM (
    SELECT currency, CASE kind WHEN 'sale' THEN orders.id END AS sold,
           CASE kind WHEN 'sale' THEN line.quantity END AS units,
           CASE kind WHEN 'sale' THEN line.amount_minor - line.discount_minor ELSE 0 END AS gross,
           CASE kind WHEN 'credit' THEN line.amount_minor - line.discount_minor ELSE 0 END AS refunds
    FROM orders
    JOIN order_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id
    WHERE channel = $1 AND status IN ('paid', 'completed')
      AND (kind = 'credit' OR (kind = 'sale' AND line.quantity > 0 AND line.unit_price > 0))
      AND line.occurred_at >= $3::date::timestamp AT TIME ZONE $2
      AND line.occurred_at < ($3::date + 1)::timestamp AT TIME ZONE $2
    UNION ALL
    SELECT currency, NULL, NULL, 0, -refund.net_minor
    FROM refund_lines refund
    JOIN orders ON orders.created_at = refund.created_at AND orders.id = refund.order_id
    WHERE channel = $1 AND status IN ('paid', 'completed')
      AND refund.occurred_at >= $3::date::timestamp AT TIME ZONE $2
      AND refund.occurred_at < ($3::date + 1)::timestamp AT TIME ZONE $2
) AS part
GROUP BY currency
ORDER BY currency
