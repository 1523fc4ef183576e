-- One statement, because two could be answered by two standbys. Every table is given the partition key. What belongs
-- to the whole order is read once and repeated beside each line.
SELECT orders.id, orders.created_at, channel, number, kind, status, user_id, customer_reference, country, currency,
       total_minor, line_count, version,
       line.line_number, line.occurred_at, sku, description, quantity, unit_price, amount_minor,
       product_id, variant_id, line.discount_minor, line.tax_minor,
       orders.discount_minor, shipping_minor, orders.tax_minor, promotion_code,
       (SELECT json_agg(payment ORDER BY payment.occurred_at, payment.id)
        FROM (SELECT id, occurred_at, provider, status, amount_minor, failure_code
              FROM payments WHERE created_at = $1 AND order_id = $2) AS payment) AS payments,
       (SELECT json_agg(refund ORDER BY refund.occurred_at, refund.id)
        FROM (SELECT id, occurred_at, payment_id, reason,
                     (SELECT json_agg(part ORDER BY part.line_number)
                      FROM (SELECT line_number, quantity, net_minor, tax_minor
                            FROM refund_lines WHERE created_at = $1 AND refund_id = refunds.id) AS part) AS lines
              FROM refunds WHERE created_at = $1 AND order_id = $2) AS refund) AS refunds
FROM orders
LEFT JOIN order_lines line ON line.created_at = $1 AND line.order_id = $2
WHERE orders.created_at = $1 AND orders.id = $2
ORDER BY line.line_number
