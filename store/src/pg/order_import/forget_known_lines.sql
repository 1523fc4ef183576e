DELETE FROM staged_lines
USING (
    SELECT position, number, sku, occurred_at, quantity, unit_price, description,
           row_number() OVER (
               PARTITION BY number, sku, occurred_at, quantity, unit_price, description ORDER BY position
           ) AS repeat
    FROM staged_lines
) AS staged
JOIN (
    SELECT document.number, line.sku, line.occurred_at, line.quantity, line.unit_price, line.description,
           count(*) AS repeats
    FROM staged_documents document
    JOIN order_lines line ON line.created_at = document.created_at AND line.order_id = document.order_id
    WHERE document.known_line_count > 0
    GROUP BY document.number, line.sku, line.occurred_at, line.quantity, line.unit_price, line.description
) AS known
    ON known.number = staged.number
    AND known.sku = staged.sku
    AND known.occurred_at = staged.occurred_at
    AND known.quantity = staged.quantity
    AND known.unit_price = staged.unit_price
    AND known.description IS NOT DISTINCT FROM staged.description
    AND staged.repeat <= known.repeats
WHERE staged_lines.position = staged.position
