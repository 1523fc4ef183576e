SELECT orders.id::text AS key
FROM orders
JOIN (
    SELECT created_at, order_id, sum(discount_minor) AS discount, sum(tax_minor) AS tax
    FROM order_lines GROUP BY created_at, order_id
) AS line ON line.created_at = orders.created_at AND line.order_id = orders.id
WHERE channel = 'shop'
  -- Shipping has a tax of its own, and none when it is free.
  AND (discount_minor <> discount OR tax_minor < tax OR (shipping_minor = 0 AND tax_minor <> tax))
