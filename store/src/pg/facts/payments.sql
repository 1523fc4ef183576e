SELECT (payment.occurred_at AT TIME ZONE 'UTC')::date AS day, payment.id AS payment_id, order_id, payment.occurred_at,
       provider, payment.status, failure_code, currency, amount_minor
FROM payments payment
JOIN orders ON orders.created_at = payment.created_at AND orders.id = payment.order_id
WHERE channel = $1
  AND payment.occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC'
  AND payment.occurred_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
ORDER BY payment.occurred_at, payment.id
