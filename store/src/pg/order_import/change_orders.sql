UPDATE orders
SET total_minor = orders.total_minor + changed.total_minor,
    line_count = orders.line_count + changed.line_count,
    kind = CASE WHEN changed.kind = 'sale' AND orders.kind <> 'sale' AND NOT changed.any_positive
                THEN 'adjustment' ELSE changed.kind END,
    customer_reference = coalesce(orders.customer_reference, changed.customer),
    country = coalesce(orders.country, changed.country),
    version = orders.version + 1,
    changed_xid = pg_current_xact_id()
FROM (
    SELECT document.order_id, document.created_at, document.kind, document.customer, document.country,
           coalesce(sum(line.amount_minor), 0)::bigint AS total_minor,
           count(line.position)::integer AS line_count,
           coalesce(bool_or(line.quantity > 0), false) AS any_positive
    FROM staged_documents document
    LEFT JOIN staged_lines line ON line.number = document.number
    WHERE document.known_line_count > 0
    GROUP BY document.order_id, document.created_at, document.kind, document.customer, document.country
) AS changed
WHERE orders.created_at = changed.created_at
  AND orders.id = changed.order_id
  AND (changed.line_count > 0
       OR (orders.customer_reference IS NULL AND changed.customer IS NOT NULL)
       OR (orders.country IS NULL AND changed.country IS NOT NULL))
