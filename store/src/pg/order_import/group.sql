INSERT INTO staged_documents (number, order_id, created_at, known_line_count, staged_line_count, first_position, kind,
                              customer, country)
SELECT staged.number,
       coalesce(known.order_id, uuid_v7_named(staged.first_at, $1 || E'\n' || staged.number)),
       coalesce(known.created_at, staged.first_at),
       coalesce(orders.line_count, 0),
       staged.line_count, staged.first_position,
       staged.kind, staged.customer, staged.country
FROM (
    SELECT number,
           min(kind) AS kind,
           count(*)::integer AS line_count,
           min(position) AS first_position,
           (array_agg(occurred_at ORDER BY position))[1] AS first_at,
           (array_agg(customer ORDER BY position) FILTER (WHERE customer IS NOT NULL))[1] AS customer,
           (array_agg(country ORDER BY position) FILTER (WHERE country IS NOT NULL))[1] AS country
    FROM staged_lines
    GROUP BY number
) AS staged
LEFT JOIN order_numbers known ON known.channel = $1 AND known.number = staged.number
LEFT JOIN orders ON orders.created_at = known.created_at AND orders.id = known.order_id
