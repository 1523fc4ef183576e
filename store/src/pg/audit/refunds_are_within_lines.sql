SELECT refund.order_id || ' ' || refund.line_number AS key
FROM (
    SELECT created_at, order_id, line_number, sum(quantity) AS pieces, sum(net_minor) AS net, sum(tax_minor) AS tax
    FROM refund_lines GROUP BY created_at, order_id, line_number
) AS refund
LEFT JOIN order_lines line ON line.created_at = refund.created_at AND line.order_id = refund.order_id
                          AND line.line_number = refund.line_number
WHERE line.order_id IS NULL OR refund.pieces > line.quantity
   OR refund.net > line.amount_minor - line.discount_minor OR refund.tax > line.tax_minor
