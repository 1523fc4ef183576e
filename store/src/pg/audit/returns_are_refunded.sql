SELECT back.order_id || ' ' || back.variant_id AS key
FROM (
    SELECT order_id, variant_id, sum(delta) AS pieces
    FROM stock_ledger WHERE cause = 'return' GROUP BY order_id, variant_id
) AS back
LEFT JOIN (
    SELECT refund.order_id, line.variant_id, sum(refund.quantity) AS pieces
    FROM refund_lines refund
    JOIN order_lines line ON line.created_at = refund.created_at AND line.order_id = refund.order_id
                         AND line.line_number = refund.line_number
    GROUP BY refund.order_id, line.variant_id
) AS refunded ON refunded.order_id = back.order_id AND refunded.variant_id = back.variant_id
WHERE back.pieces > coalesce(refunded.pieces, 0)
