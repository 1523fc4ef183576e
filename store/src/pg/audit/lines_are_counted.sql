SELECT orders.id::text AS key
FROM orders
LEFT JOIN (
    SELECT created_at, order_id, count(*) AS lines, max(line_number) AS last FROM order_lines GROUP BY created_at, order_id
) AS line ON line.created_at = orders.created_at AND line.order_id = orders.id
WHERE line_count IS DISTINCT FROM lines OR (channel = 'shop' AND lines <> last)
