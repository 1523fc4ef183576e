SELECT orders.id::text AS key
FROM orders
LEFT JOIN promotions ON promotions.code = promotion_code
JOIN (
    SELECT created_at, order_id, sum(amount_minor - discount_minor + tax_minor) AS paid, count(*) AS lines
    FROM order_lines GROUP BY created_at, order_id
) AS line ON line.created_at = orders.created_at AND line.order_id = orders.id
WHERE channel = 'shop'
  AND CASE WHEN promotions.code IS NULL THEN discount_minor > 0
           -- What was shown before the discount follows from what was paid: half a minor unit a line is lost.
           ELSE orders.created_at < starts_at OR orders.created_at >= ends_at OR orders.currency <> promotions.currency
                OR 100 * paid + 50 * lines < minimum_minor * (100 - percent_off) END
