WITH orders AS (
    SELECT order_id, date, currency, promotion_code
    FROM documents
    WHERE is_counted AND kind = 'sale'
),
order_counts AS (
    SELECT promotion_code, currency, date, count(*) AS orders
    FROM orders
    GROUP BY promotion_code, currency, date
),
line_sums AS (
    SELECT
        promotion_code,
        orders.currency,
        orders.date,
        sum(discount_micros) AS discounts,
        sum(amount_micros) AS gross_revenue
    FROM lines
    JOIN orders USING (order_id)
    WHERE is_sale
    GROUP BY promotion_code, orders.currency, orders.date
),
sums AS (
    SELECT
        order_counts.promotion_code,
        order_counts.currency,
        order_counts.date,
        orders,
        coalesce(discounts, 0) AS discounts,
        coalesce(gross_revenue, 0) AS gross_revenue
    FROM order_counts
    LEFT JOIN line_sums
        ON line_sums.promotion_code IS NOT DISTINCT FROM order_counts.promotion_code
        AND line_sums.currency = order_counts.currency
        AND line_sums.date = order_counts.date
),
promotions AS (
    SELECT
        promotion_code,
        currency,
        min(date) AS first_date,
        max(date) AS last_date,
        sum(orders) AS orders,
        sum(discounts) AS discounts,
        sum(gross_revenue) AS gross_revenue
    FROM sums
    WHERE promotion_code IS NOT NULL
    GROUP BY promotion_code, currency
),
baselines AS (
    SELECT
        promotions.promotion_code,
        promotions.currency,
        sum(sums.orders) AS baseline_orders,
        sum(sums.gross_revenue) AS baseline_gross_revenue
    FROM promotions
    JOIN sums
        ON sums.currency = promotions.currency
        AND sums.date BETWEEN first_date AND last_date
    WHERE sums.promotion_code IS NULL
    GROUP BY promotions.promotion_code, promotions.currency
)
SELECT
    promotion_code,
    currency,
    first_date,
    last_date,
    orders,
    discounts,
    gross_revenue,
    coalesce(baseline_orders, 0) AS baseline_orders,
    coalesce(baseline_gross_revenue, 0) AS baseline_gross_revenue
FROM promotions
LEFT JOIN baselines USING (promotion_code, currency)
ORDER BY promotion_code, currency
