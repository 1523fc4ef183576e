-- In the order of the primary key: its index grows at one end.
INSERT INTO order_lines (order_id, created_at, line_number, occurred_at, sku, description, quantity,
                         unit_price, amount_minor)
SELECT document.order_id, document.created_at,
       document.known_line_count + row_number() OVER (PARTITION BY line.number ORDER BY line.position),
       line.occurred_at, line.sku, line.description, line.quantity, line.unit_price, line.amount_minor
FROM staged_lines line
JOIN staged_documents document ON document.number = line.number
ORDER BY document.created_at, document.order_id, line.position
