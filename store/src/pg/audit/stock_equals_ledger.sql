SELECT coalesce(stock.variant_id, ledger.variant_id) || ' ' || coalesce(stock.warehouse, ledger.warehouse) AS key
FROM stock
FULL JOIN (
    SELECT variant_id, warehouse, sum(delta) AS pieces FROM stock_ledger GROUP BY variant_id, warehouse
) AS ledger ON ledger.variant_id = stock.variant_id AND ledger.warehouse = stock.warehouse
WHERE coalesce(stock.on_hand, 0) <> coalesce(ledger.pieces, 0)
