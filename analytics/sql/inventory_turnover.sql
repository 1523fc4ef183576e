-- A movement lies there at the end of its own date and of each one after it: on_hand_days needs no row per date.
SELECT
    sku,
    -coalesce(sum(delta) FILTER (WHERE cause IN ('sale', 'return') AND days_between(date, until) < 28), 0)
        AS units_sold,
    sum(delta) AS on_hand,
    sum(delta * least(28, days_between(date, until) + 1)) AS on_hand_days
FROM movements
CROSS JOIN parameters
WHERE date <= until
GROUP BY sku
ORDER BY sku
