-- A day so far by currency, as the daily sales are defined, in minor units; and the orders of each minute. In one
-- statement, so that one standby answers all of it.
--
-- Whatever happens on a day belongs to an order of that day or an older one, and a line of the shop itself to an order
-- of that very day: said of both tables, since each is partitioned by month.
WITH part AS (
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
      AND orders.created_at < ($3::date + 1)::timestamp AT TIME ZONE $2
      AND line.created_at < ($3::date + 1)::timestamp AT TIME ZONE $2
      AND ($1 <> 'shop' OR orders.created_at >= $3::date::timestamp AT TIME ZONE $2)
      AND ($1 <> 'shop' OR line.created_at >= $3::date::timestamp AT TIME ZONE $2)
    UNION ALL
    SELECT currency, NULL, NULL, 0, -refund.net_minor
    FROM refund_lines refund
    JOIN orders ON orders.created_at = refund.created_at AND orders.id = refund.order_id
    WHERE channel = $1 AND status IN ('paid', 'completed')
      AND refund.occurred_at >= $3::date::timestamp AT TIME ZONE $2
      AND refund.occurred_at < ($3::date + 1)::timestamp AT TIME ZONE $2
      AND orders.created_at < ($3::date + 1)::timestamp AT TIME ZONE $2
      AND refund.created_at < ($3::date + 1)::timestamp AT TIME ZONE $2
)
SELECT currency, NULL::timestamptz AS minute, count(DISTINCT sold) AS orders, coalesce(sum(units), 0)::bigint AS units,
       sum(gross)::text AS gross_minor, sum(refunds)::text AS refunds_minor
FROM part
GROUP BY currency
UNION ALL
SELECT NULL, date_trunc('minute', created_at), count(*), 0, NULL, NULL
FROM orders
WHERE channel = $1 AND kind = 'sale' AND status IN ('paid', 'completed') AND created_at >= $4 AND created_at < $5
GROUP BY 2
ORDER BY currency, minute
