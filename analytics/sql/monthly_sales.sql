WITH sums AS (
    SELECT
        month,
        currency,
        count(DISTINCT document) FILTER (WHERE is_sale) AS orders,
        count(DISTINCT document) FILTER (WHERE is_credit) AS cancelled_orders,
        sum(quantity) FILTER (WHERE is_sale) AS units,
        sum(amount_micros) FILTER (WHERE is_sale) AS gross_revenue,
        sum(discount_micros) FILTER (WHERE is_sale) AS discounts,
        sum(amount_micros) FILTER (WHERE is_credit) AS refunds,
        sum(amount_micros) AS raw_sum,
        sum(rounded_micros) FILTER (WHERE is_sale OR is_credit) AS rounded_net
    FROM lines
    WHERE is_counted
    GROUP BY month, currency
),
customer_months AS (
    SELECT customer, month, currency
    FROM lines
    WHERE is_sale AND customer IS NOT NULL
    GROUP BY customer, month, currency
),
first_months AS (
    SELECT customer, min(month) AS first_month
    FROM customer_months
    GROUP BY customer
),
people AS (
    SELECT
        month,
        currency,
        count(*) AS customers,
        count(*) FILTER (WHERE month = first_month) AS new_customers
    FROM customer_months
    JOIN first_months USING (customer)
    GROUP BY month, currency
),
charges AS (
    SELECT month, currency, sum(tax_micros) AS tax, sum(shipping_micros) AS shipping
    FROM documents
    WHERE is_counted AND kind IN ('sale', 'credit')
    GROUP BY month, currency
)
SELECT
    month,
    currency,
    coalesce(orders, 0) AS orders,
    coalesce(cancelled_orders, 0) AS cancelled_orders,
    coalesce(customers, 0) AS customers,
    coalesce(new_customers, 0) AS new_customers,
    coalesce(units, 0) AS units,
    coalesce(gross_revenue, 0) AS gross_revenue,
    coalesce(discounts, 0) AS discounts,
    coalesce(refunds, 0) AS refunds,
    coalesce(tax, 0) AS tax,
    coalesce(shipping, 0) AS shipping,
    coalesce(raw_sum, 0) AS raw_sum,
    coalesce(rounded_net, 0) AS rounded_net
FROM sums
FULL OUTER JOIN charges USING (month, currency)
LEFT JOIN people USING (month, currency)
WHERE raw_sum IS NOT NULL OR tax <> 0 OR shipping <> 0
ORDER BY month, currency
