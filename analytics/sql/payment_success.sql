SELECT
    date,
    currency,
    provider,
    count(*) AS attempts,
    count(*) FILTER (WHERE status = 'captured') AS captured,
    coalesce(sum(amount_micros) FILTER (WHERE status = 'captured'), 0) AS captured_amount
FROM payments
GROUP BY date, currency, provider
ORDER BY date, currency, provider
