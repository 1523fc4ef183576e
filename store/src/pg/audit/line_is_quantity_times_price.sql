SELECT line.order_id || ' ' || line.line_number AS key
FROM order_lines line
JOIN orders ON orders.created_at = line.created_at AND orders.id = line.order_id
WHERE channel = 'shop'
  AND (line.amount_minor <> round(line.quantity * unit_price * 100) OR line.quantity < 1
       OR line.discount_minor > line.amount_minor OR line.occurred_at <> line.created_at)
