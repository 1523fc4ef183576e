SELECT orders.id::text AS key
FROM orders
LEFT JOIN (
    SELECT created_at, order_id, sum(amount_minor) AS amount
    FROM order_lines GROUP BY created_at, order_id
) AS line ON line.created_at = orders.created_at AND line.order_id = orders.id
WHERE channel = 'shop'
  AND total_minor IS DISTINCT FROM amount - discount_minor + shipping_minor + tax_minor
