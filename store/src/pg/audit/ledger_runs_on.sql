SELECT id::text AS key
FROM (
    SELECT id, on_hand_after, sum(delta) OVER (PARTITION BY variant_id, warehouse ORDER BY occurred_at, id) AS pieces
    FROM stock_ledger
) AS movement
WHERE on_hand_after <> pieces
