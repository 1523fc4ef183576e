WITH steps AS (
    SELECT session_id, date, product_id, kind
    FROM events
    WHERE kind IN ('view', 'cart_add', 'purchase') AND product_id IS NOT NULL
    UNION ALL
    SELECT session_id, events.date, uuid_of(lines.product_id) AS product_id, 'purchase' AS kind
    FROM events
    JOIN lines USING (order_id)
    WHERE events.kind = 'purchase' AND NOT is_of_refund AND lines.product_id IS NOT NULL
        AND days_between(events.date, lines.date) BETWEEN -7 AND 7
),
visits AS (
    SELECT
        session_id,
        date,
        product_id,
        bool_or(kind = 'view') AS is_viewed,
        bool_or(kind = 'cart_add') AS is_carted,
        bool_or(kind = 'purchase') AS is_purchased
    FROM steps
    GROUP BY session_id, date, product_id
)
SELECT
    first_of_month(date) AS month,
    uuid_text(product_id) AS product,
    count(*) AS viewed,
    count(*) FILTER (WHERE is_carted) AS carted,
    count(*) FILTER (WHERE is_purchased) AS purchased
FROM visits
WHERE is_viewed
GROUP BY first_of_month(date), product_id
ORDER BY month, product
