SELECT refund.order_id::text AS key
FROM (SELECT created_at, order_id, sum(amount_minor) AS amount FROM refunds GROUP BY created_at, order_id) AS refund
LEFT JOIN payments ON payments.created_at = refund.created_at AND payments.order_id = refund.order_id
                  AND payments.status = 'captured'
WHERE refund.amount > coalesce(payments.amount_minor, 0)
