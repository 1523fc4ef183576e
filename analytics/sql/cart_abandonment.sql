WITH visits AS (
    SELECT session_id, date, bool_or(kind = 'cart_add') AS is_carted, bool_or(kind = 'purchase') AS is_purchased
    FROM events
    WHERE kind IN ('cart_add', 'purchase')
    GROUP BY session_id, date
)
SELECT date, count(*) AS carted, count(*) FILTER (WHERE NOT is_purchased) AS abandoned
FROM visits
WHERE is_carted
GROUP BY date
ORDER BY date
