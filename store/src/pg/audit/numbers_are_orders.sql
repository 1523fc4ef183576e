SELECT coalesce(orders.channel || ' ' || orders.number, given.channel || ' ' || given.number) AS key
FROM orders
FULL JOIN order_numbers given ON given.created_at = orders.created_at AND given.order_id = orders.id
WHERE given.order_id IS NULL OR orders.id IS NULL OR (given.channel, given.number) <> (orders.channel, orders.number)
