SELECT orders.id::text AS key
FROM orders
LEFT JOIN users ON users.registered_at = uuid_v7_time(orders.user_id) AND users.id = orders.user_id
WHERE channel = 'shop' AND orders.user_id IS NOT NULL
  AND (users.id IS NULL OR users.registered_at > orders.created_at)
