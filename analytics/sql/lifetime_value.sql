WITH spent AS (
    SELECT
        customer,
        currency,
        min(month) FILTER (WHERE is_sale) AS first_month,
        count(DISTINCT document) FILTER (WHERE is_sale) AS orders,
        sum(amount_micros) FILTER (WHERE is_sale) AS gross_revenue,
        sum(amount_micros) FILTER (WHERE is_credit) AS refunds
    FROM lines
    WHERE (is_sale OR is_credit) AND customer IS NOT NULL
    GROUP BY customer, currency
),
first_months AS (
    SELECT customer, min(first_month) AS cohort
    FROM spent
    WHERE first_month IS NOT NULL
    GROUP BY customer
)
SELECT
    cohort,
    currency,
    count(first_month) AS customers,
    sum(orders) AS orders,
    coalesce(sum(gross_revenue), 0) AS gross_revenue,
    coalesce(sum(refunds), 0) AS refunds
FROM spent
JOIN first_months USING (customer)
GROUP BY cohort, currency
ORDER BY cohort, currency
