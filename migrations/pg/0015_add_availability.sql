-- What was last told of how much is left of a variant in all warehouses together. No row: no border was crossed yet,
-- and there is enough. The version counts what was told, so that its events have no gap; a variant that has few pieces
-- and gets many again changes its state without a word.
CREATE TABLE availability (
    variant_id uuid PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('in_stock', 'low', 'out')),
    version bigint NOT NULL CHECK (version > 0)
);
