WITH customer_months AS (
    SELECT customer, month
    FROM lines
    WHERE is_sale AND customer IS NOT NULL
    GROUP BY customer, month
),
first_months AS (
    SELECT customer, min(month) AS cohort
    FROM customer_months
    GROUP BY customer
),
numbered AS (
    SELECT cohort, 12 * (year(month) - year(cohort)) + month(month) - month(cohort) AS month_number
    FROM customer_months
    JOIN first_months USING (customer)
)
SELECT cohort, month_number, count(*) AS customers
FROM numbered
GROUP BY cohort, month_number
ORDER BY cohort, month_number
