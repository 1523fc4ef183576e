SELECT coalesce(report.date, ledger.date) || ' ' || coalesce(report.currency, ledger.currency) AS key
FROM (SELECT daily.* FROM report_daily_sales daily JOIN channels USING (time_zone)
      WHERE channel = 'shop' AND code = 'shop') AS report
FULL JOIN (
    SELECT currency, (occurred_at AT TIME ZONE time_zone)::date AS date,
           sum(net) FILTER (WHERE net > 0) AS gross, sum(net) FILTER (WHERE net < 0) AS refunds
    FROM (
        SELECT channel, currency, line.occurred_at, line.amount_minor - line.discount_minor AS net
        FROM orders
        JOIN order_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id
        WHERE channel = 'shop' AND status IN ('paid', 'completed')
        UNION ALL
        SELECT channel, currency, refund.occurred_at, -refund.net_minor
        FROM refund_lines refund
        JOIN orders ON orders.created_at = refund.created_at AND orders.id = refund.order_id
        WHERE channel = 'shop' AND status IN ('paid', 'completed')
    ) AS line
    JOIN channels ON channels.code = line.channel
    GROUP BY currency, date
) AS ledger ON ledger.date = report.date AND ledger.currency = report.currency
WHERE EXISTS (SELECT FROM report_daily_sales WHERE channel = 'shop')
  AND (round(100 * coalesce(report.gross_revenue, 0)) <> coalesce(ledger.gross, 0)
       OR round(100 * coalesce(report.refunds, 0)) <> coalesce(ledger.refunds, 0))
