-- A sale document without a positive quantity only corrects stock.
INSERT INTO orders (id, created_at, channel, number, kind, status, customer_reference, country, currency,
                    total_minor, line_count, import_run_id)
SELECT document.order_id, document.created_at, $1, document.number,
       CASE WHEN document.kind = 'sale' AND NOT lines.any_positive THEN 'adjustment' ELSE document.kind END,
       'completed', document.customer, document.country, $2, lines.total_minor, lines.line_count, $3
FROM staged_documents document
JOIN (
    SELECT number, sum(amount_minor)::bigint AS total_minor, count(*)::integer AS line_count,
           bool_or(quantity > 0) AS any_positive
    FROM staged_lines
    GROUP BY number
) AS lines ON lines.number = document.number
WHERE document.known_line_count = 0
