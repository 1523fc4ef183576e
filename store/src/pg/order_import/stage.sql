-- Codes are compared byte by byte: faster to sort, and codes that differ only by case stay two.
CREATE TEMP TABLE staged_lines (
    position bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    number text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    description text COLLATE "C",
    quantity bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    unit_price numeric NOT NULL,
    amount_minor bigint NOT NULL,
    customer text COLLATE "C",
    country text COLLATE "C"
);
CREATE TEMP TABLE staged_documents (
    number text COLLATE "C" NOT NULL,
    order_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    -- Lines that the document had before; 0 when it is new.
    known_line_count integer NOT NULL,
    staged_line_count integer NOT NULL,
    first_position bigint NOT NULL,
    kind text NOT NULL,
    customer text,
    country text
);
