-- Products are numbered in their order, so that a pair is two small numbers until the pairs to publish are known.
WITH sold AS (
    SELECT document, product
    FROM lines
    WHERE is_sale
    GROUP BY document, product
),
numbered AS (
    SELECT product, row_number() OVER (ORDER BY product) AS place
    FROM (SELECT DISTINCT product FROM sold)
),
sizes AS (
    SELECT document
    FROM sold
    GROUP BY document
    HAVING count(*) BETWEEN 2 AND 1000
),
baskets AS (
    SELECT document, CAST(place AS INT) AS place
    FROM sold
    JOIN sizes USING (document)
    JOIN numbered USING (product)
),
pairs AS (
    SELECT a.place AS place_a, b.place AS place_b, count(*) AS orders
    FROM baskets AS a
    JOIN baskets AS b ON b.document = a.document AND b.place > a.place
    GROUP BY a.place, b.place
    ORDER BY orders DESC, place_a, place_b
    LIMIT 1000
)
SELECT a.product AS product_a, b.product AS product_b, orders
FROM pairs
JOIN numbered AS a ON a.place = place_a
JOIN numbered AS b ON b.place = place_b
ORDER BY product_a, product_b
