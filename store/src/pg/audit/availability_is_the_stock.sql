SELECT availability.variant_id::text AS key
FROM availability
LEFT JOIN (SELECT variant_id, sum(on_hand - reserved) AS pieces FROM stock GROUP BY variant_id) AS stock
    ON stock.variant_id = availability.variant_id
WHERE state <> CASE
    WHEN coalesce(pieces, 0) <= 0 THEN 'out'
    WHEN pieces <= 5 THEN 'low'
    ELSE 'in_stock'
END
