SELECT payments.id::text AS key
FROM payments
WHERE occurred_at < created_at OR uuid_v7_time(id) <> date_trunc('milliseconds', occurred_at)
UNION ALL
SELECT refunds.id::text
FROM refunds
LEFT JOIN payments ON payments.created_at = refunds.created_at AND payments.id = refunds.payment_id
WHERE payments.status IS DISTINCT FROM 'captured' OR payments.order_id <> refunds.order_id
   OR refunds.occurred_at < payments.occurred_at
