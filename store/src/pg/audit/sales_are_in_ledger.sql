SELECT coalesce(sold.order_id, ledger.order_id) || ' ' || coalesce(sold.variant_id, ledger.variant_id) AS key
FROM (
    SELECT line.order_id, line.variant_id, sum(line.quantity) AS pieces
    FROM orders
    JOIN order_lines line ON line.created_at = orders.created_at AND line.order_id = orders.id
    WHERE channel = 'shop' AND kind = 'sale' AND status IN ('paid', 'completed')
    GROUP BY line.order_id, line.variant_id
) AS sold
FULL JOIN (
    SELECT order_id, variant_id, -sum(delta) AS pieces
    FROM stock_ledger WHERE cause = 'sale' GROUP BY order_id, variant_id
) AS ledger ON ledger.order_id = sold.order_id AND ledger.variant_id = sold.variant_id
WHERE sold.pieces IS DISTINCT FROM ledger.pieces
