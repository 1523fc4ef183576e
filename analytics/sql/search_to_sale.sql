WITH visits AS (
    SELECT
        session_id,
        date,
        count(*) FILTER (WHERE kind = 'search') AS searches,
        min(micros) FILTER (WHERE kind = 'search') AS first_search,
        bool_or(kind = 'click') AS is_clicked,
        max(micros) FILTER (WHERE kind = 'purchase') AS last_purchase
    FROM events
    WHERE kind IN ('search', 'click', 'purchase')
    GROUP BY session_id, date
)
SELECT
    date,
    sum(searches) AS searches,
    count(*) AS visits_searched,
    count(*) FILTER (WHERE is_clicked) AS visits_clicked,
    count(*) FILTER (WHERE last_purchase >= first_search) AS visits_purchased
FROM visits
WHERE searches > 0
GROUP BY date
ORDER BY date
