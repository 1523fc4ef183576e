SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, order_id, refund_id, number, kind, status, customer, country,
       currency, occurred_at, promotion_code, discount_minor, shipping_minor, tax_minor, total_minor
FROM (
    SELECT id AS order_id, NULL::uuid AS refund_id, number, kind, status,
           coalesce(user_id::text, customer_reference) AS customer, country, currency, created_at AS occurred_at,
           promotion_code, discount_minor, shipping_minor, tax_minor, total_minor
    FROM orders
    WHERE channel = $1
      AND created_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND created_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
    UNION ALL
    SELECT orders.id, refund.id, number, 'credit', status, coalesce(user_id::text, customer_reference), country, currency,
           refund.occurred_at, promotion_code, 0, 0,
           -(SELECT coalesce(sum(line.tax_minor), 0)::bigint FROM refund_lines line
             WHERE line.created_at = refund.created_at AND line.refund_id = refund.id),
           -refund.amount_minor
    FROM refunds refund
    JOIN orders ON orders.created_at = refund.created_at AND orders.id = refund.order_id
    WHERE channel = $1
      AND refund.occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC'
      AND refund.occurred_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
) AS document
ORDER BY occurred_at, order_id, refund_id
