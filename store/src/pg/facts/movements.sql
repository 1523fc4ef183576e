SELECT (movement.occurred_at AT TIME ZONE 'UTC')::date AS day, id AS movement_id, occurred_at, movement.variant_id, sku,
       movement.warehouse, delta, on_hand_after, cause, order_id
FROM stock_ledger movement
JOIN stock ON stock.variant_id = movement.variant_id AND stock.warehouse = movement.warehouse
WHERE $1::text IS NOT NULL
  AND occurred_at >= $2::date::timestamp AT TIME ZONE 'UTC'
  AND occurred_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
ORDER BY occurred_at, id
