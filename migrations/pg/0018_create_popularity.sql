-- Pieces of each product that the shop sold in the last 30 days. Counted anew once a day from the orders; a product
-- that sold none has no row.
CREATE TABLE product_popularity (
    product_id uuid PRIMARY KEY,
    units bigint NOT NULL CHECK (units >= 0),
    counted_at timestamptz NOT NULL
);
