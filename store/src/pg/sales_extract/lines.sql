-- Half-open ranges, so that each day is one range of the index on occurred_at in every partition.
SELECT orders.id, number, kind, status, coalesce(user_id::text, customer_reference), country, currency,
       line_number, occurred_at, sku, quantity, unit_price
FROM unnest($2::date[]) AS day
JOIN order_lines line
    ON line.occurred_at >= day::timestamp AT TIME ZONE 'UTC'
    AND line.occurred_at < (day + 1)::timestamp AT TIME ZONE 'UTC'
JOIN orders ON orders.created_at = line.created_at AND orders.id = line.order_id
WHERE channel = $1
ORDER BY occurred_at, number COLLATE "C", line_number
