WITH sums AS (
    SELECT
        date,
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
    GROUP BY date, currency
),
customer_dates AS (
    SELECT customer, date, currency
    FROM lines
    WHERE is_sale AND customer IS NOT NULL
    GROUP BY customer, date, currency
),
first_dates AS (
    SELECT customer, min(date) AS first_date
    FROM customer_dates
    GROUP BY customer
),
people AS (
    SELECT
        date,
        currency,
        count(*) AS customers,
        count(*) FILTER (WHERE date = first_date) AS new_customers
    FROM customer_dates
    JOIN first_dates USING (customer)
    GROUP BY date, currency
),
charges AS (
    SELECT date, currency, sum(tax_micros) AS tax, sum(shipping_micros) AS shipping
    FROM documents
    WHERE is_counted AND kind IN ('sale', 'credit')
    GROUP BY date, currency
)
SELECT
    date,
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
FULL OUTER JOIN charges USING (date, currency)
LEFT JOIN people USING (date, currency)
WHERE raw_sum IS NOT NULL OR tax <> 0 OR shipping <> 0
ORDER BY date, currency
