-- One half-open range: the planner knows how much of each partition's index on occurred_at it is. Many days at
-- once by a join were 15 times slower when they were the whole history.
SELECT order_id, number, kind, status, customer, country, currency, line_number, occurred_at, sku, quantity,
       unit_price, refund_id, discount_minor, product_id
FROM (
    SELECT orders.id AS order_id, number, kind, status, coalesce(user_id::text, customer_reference) AS customer,
           country, currency, line.line_number, line.occurred_at, sku, line.quantity, unit_price,
           NULL::uuid AS refund_id, line.discount_minor, product_id
    FROM orders
    JOIN order_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id
    WHERE channel = $1
      AND line.occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND line.occurred_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
    UNION ALL
    -- A credit of -net: quantity x price - discount, the discount being what was not paid. The price of a piece is
    -- a whole number of minor units where refunds are.
    SELECT orders.id, number, 'credit', status, coalesce(user_id::text, customer_reference),
           country, currency, line.line_number, refund.occurred_at, sku, -refund.quantity, unit_price,
           refund_id, refund.net_minor - refund.quantity * (line.amount_minor / line.quantity),
           product_id
    FROM refund_lines refund
    JOIN orders ON orders.created_at = refund.created_at AND orders.id = refund.order_id
    JOIN order_lines line ON line.created_at = refund.created_at AND line.order_id = refund.order_id
                         AND line.line_number = refund.line_number
    WHERE channel = $1
      AND refund.occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND refund.occurred_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
) AS line
ORDER BY occurred_at, number COLLATE "C", line_number, refund_id
