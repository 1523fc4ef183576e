SELECT concat_ws(' ', channel, time_zone, month, currency, part) AS key
FROM (
    SELECT channel, time_zone, month, currency, product AS part, orders, units, gross_revenue, refunds
    FROM report_product_sales_months
    UNION ALL
    SELECT channel, time_zone, date_trunc('month', date)::date, currency, product, -orders, -units, -gross_revenue, -refunds
    FROM report_product_sales
    UNION ALL
    SELECT channel, time_zone, month, currency, 'category ' || category, orders, units, gross_revenue, refunds
    FROM report_category_sales_months
    UNION ALL
    SELECT channel, time_zone, date_trunc('month', date)::date, currency, 'category ' || category,
           -orders, -units, -gross_revenue, -refunds
    FROM report_category_sales
) AS both_sides
GROUP BY channel, time_zone, month, currency, part
HAVING sum(orders) <> 0 OR sum(units) <> 0 OR sum(gross_revenue) <> 0 OR sum(refunds) <> 0
