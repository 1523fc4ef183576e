SELECT line.order_id || ' ' || line.line_number AS key
FROM order_lines line
JOIN orders ON orders.created_at = line.created_at AND orders.id = line.order_id
LEFT JOIN promotions ON promotions.code = promotion_code
WHERE channel = 'shop'
  -- Half a minor unit for each net piece, for the shown discount, and for what is left.
  AND abs(100 * line.discount_minor - line.amount_minor * coalesce(percent_off, 0)) > 50 * (line.quantity + 2)
