SELECT
    date,
    currency,
    product,
    count(DISTINCT document) FILTER (WHERE is_sale) AS orders,
    coalesce(sum(quantity) FILTER (WHERE is_sale), 0) AS units,
    coalesce(sum(amount_micros) FILTER (WHERE is_sale), 0) AS gross_revenue,
    coalesce(sum(amount_micros) FILTER (WHERE is_credit), 0) AS refunds
FROM lines
WHERE is_sale OR is_credit
GROUP BY date, currency, product
ORDER BY date, currency, product
