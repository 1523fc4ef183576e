-- Where orders come from: our own shop, or an imported history.
CREATE TABLE channels (
    code text PRIMARY KEY CHECK (code ~ '^[a-z0-9][a-z0-9-]{0,59}$'),
    time_zone text NOT NULL DEFAULT 'UTC',
    -- Most digits after the point of any unit price: reports show that many.
    price_scale smallint NOT NULL DEFAULT 2 CHECK (price_scale BETWEEN 0 AND 6)
);
INSERT INTO channels (code) VALUES ('shop');

CREATE TABLE import_runs (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('orders', 'products')),
    channel text,
    file_name text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    rows_read bigint NOT NULL DEFAULT 0,
    rows_refused bigint NOT NULL DEFAULT 0,
    documents_added bigint NOT NULL DEFAULT 0,
    lines_added bigint NOT NULL DEFAULT 0
);

-- Orders, partitioned by month. `created_at` is the id's own millisecond.
CREATE TABLE orders (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL CHECK (created_at = uuid_v7_time(id)),
    channel text NOT NULL REFERENCES channels (code),
    number text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('sale', 'credit', 'adjustment')),
    status text NOT NULL CHECK (status IN ('pending_payment', 'paid', 'completed', 'cancelled')),
    user_id uuid,
    customer_reference text,
    country text,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total_minor bigint NOT NULL,
    line_count integer NOT NULL CHECK (line_count > 0),
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    import_run_id uuid REFERENCES import_runs (id),
    -- What the incremental extract asks for: a timestamp would miss a late commit.
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX orders_by_channel ON orders (channel, created_at, id);
CREATE INDEX orders_by_user ON orders (user_id, created_at, id) WHERE user_id IS NOT NULL;
CREATE INDEX orders_by_change ON orders (changed_xid);

-- Numbers are unique within a channel: a unique key cannot span partitions, so it has a table of its own.
CREATE TABLE order_numbers (
    channel text NOT NULL REFERENCES channels (code),
    number text NOT NULL,
    order_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (channel, number),
    FOREIGN KEY (created_at, order_id) REFERENCES orders (created_at, id) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE order_lines (
    order_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    line_number integer NOT NULL CHECK (line_number > 0),
    occurred_at timestamptz NOT NULL,
    sku text NOT NULL,
    description text,
    quantity bigint NOT NULL,
    unit_price numeric NOT NULL CHECK (scale(unit_price) <= 6),
    -- quantity x unit price, half up, in minor units of the order's currency.
    amount_minor bigint NOT NULL,
    PRIMARY KEY (created_at, order_id, line_number)
) PARTITION BY RANGE (created_at);
-- The extract asks for the lines of a day.
CREATE INDEX order_lines_by_time ON order_lines (occurred_at);

-- The months of orders and of what hangs on them. Returns how many partitions were made.
CREATE FUNCTION ensure_order_partitions(first timestamptz, last timestamptz) RETURNS integer
    LANGUAGE plpgsql AS
$$
DECLARE
    made integer;
BEGIN
    made := ensure_month_partitions('orders', first, last);
    RETURN made + ensure_month_partitions('order_lines', first, last, '(created_at, order_id) REFERENCES orders');
END
$$;
