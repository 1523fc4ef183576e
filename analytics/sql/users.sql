WITH counts AS (
    SELECT date, count(*) AS registered, 0 AS active, 0 AS buyers
    FROM users
    GROUP BY date
    UNION ALL
    SELECT date, 0, count(DISTINCT user_id), 0
    FROM events
    WHERE user_id IS NOT NULL
    GROUP BY date
    UNION ALL
    SELECT date, 0, 0, count(DISTINCT customer)
    FROM lines
    WHERE is_sale AND customer IS NOT NULL
    GROUP BY date
)
SELECT date, sum(registered) AS registered, sum(active) AS active, sum(buyers) AS buyers
FROM counts
GROUP BY date
ORDER BY date
