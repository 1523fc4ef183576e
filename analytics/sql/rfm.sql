WITH bought AS (
    SELECT
        currency,
        customer,
        max(date) AS last_date,
        count(DISTINCT document) AS frequency,
        sum(amount_micros) AS monetary
    FROM lines
    WHERE is_sale AND customer IS NOT NULL
    GROUP BY currency, customer
),
channel AS (
    SELECT max(date) AS last_date
    FROM lines
    WHERE is_sale
)
SELECT
    currency,
    customer,
    days_between(bought.last_date, channel.last_date) + 1 AS recency_days,
    frequency,
    monetary
FROM bought
CROSS JOIN channel
ORDER BY currency, customer
