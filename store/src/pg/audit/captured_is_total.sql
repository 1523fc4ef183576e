SELECT orders.id::text AS key
FROM orders
LEFT JOIN (
    SELECT created_at, order_id, sum(amount_minor) AS captured, count(*) AS captures
    FROM payments WHERE status = 'captured' GROUP BY created_at, order_id
) AS payment ON payment.created_at = orders.created_at AND payment.order_id = orders.id
WHERE channel = 'shop' AND total_minor > 0
  AND CASE WHEN status IN ('paid', 'completed') THEN captured IS DISTINCT FROM total_minor OR captures <> 1
           ELSE captures IS NOT NULL END
