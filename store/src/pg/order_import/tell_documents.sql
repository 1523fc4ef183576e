-- Documents that are new or get something, in the order of the file; lines that are there already are forgotten.
SELECT document.number, document.first_position, document.known_line_count = 0 AS is_new,
       lines.added AS lines_added, document.staged_line_count - lines.added AS lines_known,
       CASE WHEN document.known_line_count > 0 AND orders.customer_reference IS NULL THEN document.customer END
           AS customer,
       CASE WHEN document.known_line_count > 0 AND orders.country IS NULL THEN document.country END AS country
FROM staged_documents document
LEFT JOIN (SELECT number, count(*) AS added FROM staged_lines GROUP BY number) AS counted
    ON counted.number = document.number
CROSS JOIN LATERAL (SELECT coalesce(counted.added, 0) AS added) AS lines
LEFT JOIN orders
    ON orders.created_at = document.created_at AND orders.id = document.order_id AND document.known_line_count > 0
WHERE document.known_line_count = 0
   OR lines.added > 0
   OR (orders.customer_reference IS NULL AND document.customer IS NOT NULL)
   OR (orders.country IS NULL AND document.country IS NOT NULL)
ORDER BY document.first_position
