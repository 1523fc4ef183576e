SELECT coalesce(stock.variant_id, promised.variant_id)::text AS key
FROM (SELECT variant_id, sum(reserved) AS pieces FROM stock GROUP BY variant_id) AS stock
FULL JOIN (
    SELECT variant_id, sum(quantity) AS pieces
    FROM orders
    JOIN order_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id
    WHERE channel = 'shop' AND status = 'pending_payment'
    GROUP BY variant_id
) AS promised ON promised.variant_id = stock.variant_id
WHERE coalesce(stock.pieces, 0) <> coalesce(promised.pieces, 0)
