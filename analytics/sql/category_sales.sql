WITH ancestors AS (
    SELECT products.product_id, category_ancestors.ancestor
    FROM products
    JOIN category_ancestors USING (category)
)
SELECT
    date,
    currency,
    coalesce(ancestor, '') AS category,
    count(DISTINCT document) FILTER (WHERE is_sale) AS orders,
    coalesce(sum(quantity) FILTER (WHERE is_sale), 0) AS units,
    coalesce(sum(amount_micros) FILTER (WHERE is_sale), 0) AS gross_revenue,
    coalesce(sum(amount_micros) FILTER (WHERE is_credit), 0) AS refunds
FROM lines
LEFT JOIN ancestors USING (product_id)
WHERE is_sale OR is_credit
GROUP BY date, currency, coalesce(ancestor, '')
ORDER BY date, currency, category
