WITH visits AS (
    SELECT
        session_id,
        date,
        min(micros) FILTER (WHERE kind = 'view') AS first_view,
        min(micros) FILTER (WHERE kind = 'cart_add') AS first_cart,
        max(micros) FILTER (WHERE kind = 'cart_add') AS last_cart,
        max(micros) FILTER (WHERE kind = 'checkout') AS last_checkout,
        max(micros) FILTER (WHERE kind = 'purchase') AS last_purchase
    FROM events
    GROUP BY session_id, date
),
-- The first cart_add that counts is the visit's first one, unless the visit has one before its first view.
later_carts AS (
    SELECT session_id, date, min(micros) AS later_cart
    FROM events
    JOIN visits USING (session_id, date)
    WHERE kind = 'cart_add' AND first_cart < first_view AND last_cart >= first_view AND micros >= first_view
    GROUP BY session_id, date
),
steps AS (
    SELECT
        date,
        first_view IS NOT NULL AS is_viewed,
        first_cart IS NOT NULL AS is_carted,
        last_checkout IS NOT NULL AS is_checked_out,
        last_purchase IS NOT NULL AS is_purchased,
        last_checkout,
        last_purchase,
        CASE WHEN first_cart >= first_view THEN first_cart ELSE later_cart END AS strict_cart
    FROM visits
    LEFT JOIN later_carts USING (session_id, date)
)
SELECT
    date,
    count(*) AS visits,
    count(*) FILTER (WHERE is_viewed) AS viewed,
    count(*) FILTER (WHERE is_carted) AS carted,
    count(*) FILTER (WHERE is_purchased) AS purchased,
    count(*) FILTER (WHERE is_viewed AND is_carted) AS viewed_carted,
    count(*) FILTER (WHERE is_viewed AND is_carted AND is_checked_out) AS viewed_carted_checked_out,
    count(*) FILTER (WHERE is_viewed AND is_carted AND is_purchased) AS viewed_carted_purchased,
    count(strict_cart) AS strict_carted,
    count(*) FILTER (WHERE last_checkout >= strict_cart) AS strict_checked_out,
    count(*) FILTER (WHERE last_purchase >= strict_cart) AS strict_purchased
FROM steps
GROUP BY date
ORDER BY date
