WITH minutes AS (
    SELECT date, hour, minute, count(*) AS orders
    FROM documents
    WHERE is_counted AND kind = 'sale'
    GROUP BY date, hour, minute
)
SELECT date, hour, sum(orders) AS orders, max(orders) AS busiest_minute_orders
FROM minutes
GROUP BY date, hour
ORDER BY date, hour
