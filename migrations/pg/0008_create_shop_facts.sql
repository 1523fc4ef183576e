-- Where stock lies.
CREATE TABLE warehouses (
    code text PRIMARY KEY CHECK (code ~ '^[a-z0-9][a-z0-9-]{0,59}$'),
    name text NOT NULL,
    country text NOT NULL CHECK (country ~ '^[A-Z]{2}$')
);

-- What lies there of a variant. `on_hand` is the sum of its ledger; what is reserved is part of it.
CREATE TABLE stock (
    variant_id uuid NOT NULL,
    warehouse text NOT NULL REFERENCES warehouses (code),
    sku text NOT NULL,
    on_hand bigint NOT NULL CHECK (on_hand >= 0),
    reserved bigint NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND on_hand),
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (variant_id, warehouse)
);

-- Every change of stock, for ever: who, why and because of what. By month of the movement, which is the id's own
-- millisecond.
CREATE TABLE stock_ledger (
    id uuid NOT NULL,
    occurred_at timestamptz NOT NULL CHECK (occurred_at = uuid_v7_time(id)),
    variant_id uuid NOT NULL,
    warehouse text NOT NULL,
    delta bigint NOT NULL CHECK (delta <> 0),
    on_hand_after bigint NOT NULL CHECK (on_hand_after >= 0),
    cause text NOT NULL CHECK (cause IN ('receipt', 'sale', 'return', 'adjustment', 'transfer', 'stock_take')),
    -- Such as `system:demo` or `role:admin`: never a name.
    actor text NOT NULL,
    reason text,
    order_id uuid CHECK (order_id IS NOT NULL OR cause NOT IN ('sale', 'return')),
    PRIMARY KEY (occurred_at, id)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX stock_ledger_by_variant ON stock_ledger (variant_id, warehouse, occurred_at, id);

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER stock_ledger_is_appended BEFORE UPDATE OR DELETE ON stock_ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE promotions (
    code text PRIMARY KEY CHECK (code ~ '^[A-Z0-9][A-Z0-9-]{0,39}$'),
    name text NOT NULL,
    percent_off smallint NOT NULL CHECK (percent_off BETWEEN 1 AND 100),
    -- Least value of the goods, as shown to the customer.
    minimum_minor bigint NOT NULL DEFAULT 0 CHECK (minimum_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at)
);

-- net lines - discount + shipping + tax = total, so the net lines of an order are what the others leave.
ALTER TABLE orders
    ADD COLUMN discount_minor bigint NOT NULL DEFAULT 0 CHECK (discount_minor >= 0),
    ADD COLUMN shipping_minor bigint NOT NULL DEFAULT 0 CHECK (shipping_minor >= 0),
    ADD COLUMN tax_minor bigint NOT NULL DEFAULT 0 CHECK (tax_minor >= 0),
    ADD COLUMN promotion_code text REFERENCES promotions (code);

ALTER TABLE order_lines
    ADD COLUMN product_id uuid,
    ADD COLUMN variant_id uuid,
    -- The line's share of the order's discount, net.
    ADD COLUMN discount_minor bigint NOT NULL DEFAULT 0 CHECK (discount_minor >= 0),
    ADD COLUMN tax_minor bigint NOT NULL DEFAULT 0 CHECK (tax_minor >= 0);

-- Attempts to pay an order. At most one of them is captured, for the order's total.
CREATE TABLE payments (
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    provider text NOT NULL,
    status text NOT NULL CHECK (status IN ('captured', 'failed')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    failure_code text CHECK ((failure_code IS NOT NULL) = (status = 'failed')),
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE UNIQUE INDEX payments_captured_once ON payments (created_at, order_id) WHERE status = 'captured';

-- Money given back. `amount_minor` is what its lines give back with their tax.
CREATE TABLE refunds (
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    payment_id uuid NOT NULL,
    reason text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX refunds_by_order ON refunds (created_at, order_id);

CREATE TABLE refund_lines (
    refund_id uuid NOT NULL,
    order_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    line_number integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    -- Net of tax, after the line's discount.
    net_minor bigint NOT NULL CHECK (net_minor >= 0),
    tax_minor bigint NOT NULL CHECK (tax_minor >= 0),
    PRIMARY KEY (created_at, refund_id, line_number)
) PARTITION BY RANGE (created_at);
-- The extract asks for the refunds of a day.
CREATE INDEX refund_lines_by_time ON refund_lines (occurred_at);

-- How well a product answers a query, as somebody judged it: 0 not at all, 3 exactly.
CREATE TABLE judgments (
    judgment_set text NOT NULL CHECK (judgment_set ~ '^[a-z0-9][a-z0-9-]{0,59}$'),
    query text NOT NULL CHECK (length(query) BETWEEN 1 AND 200),
    product_id uuid NOT NULL,
    judge text NOT NULL,
    grade smallint NOT NULL CHECK (grade BETWEEN 0 AND 3),
    judged_at timestamptz NOT NULL,
    PRIMARY KEY (judgment_set, query, product_id, judge)
);

CREATE OR REPLACE FUNCTION ensure_order_partitions(first timestamptz, last timestamptz) RETURNS integer
    LANGUAGE plpgsql AS
$$
DECLARE
    to_order CONSTANT text := '(created_at, order_id) REFERENCES orders';
    made integer;
BEGIN
    made := ensure_month_partitions('orders', first, last);
    made := made + ensure_month_partitions('order_lines', first, last, to_order);
    made := made + ensure_month_partitions('payments', first, last, to_order);
    made := made + ensure_month_partitions('refunds', first, last, to_order);
    RETURN made + ensure_month_partitions('refund_lines', first, last,
                                          '(created_at, order_id, line_number) REFERENCES order_lines');
END
$$;

-- The months that have orders get what is new beside them; a month later than those is made by the worker.
DO
$$
DECLARE
    bounds record;
BEGIN
    FOR bounds IN
        SELECT (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'FROM \(''([^'']+)''\)'))[1]::timestamptz AS first
        FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = 'orders'::regclass
    LOOP
        PERFORM ensure_order_partitions(bounds.first, bounds.first);
        PERFORM ensure_month_partitions('stock_ledger', bounds.first, bounds.first);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION ensure_partitions_ahead(now timestamptz, months integer DEFAULT 3) RETURNS integer
    LANGUAGE sql
    RETURN ensure_month_partitions('users', now, now + months * interval '1 month')
         + ensure_order_partitions(now, now + months * interval '1 month')
         + ensure_month_partitions('stock_ledger', now, now + months * interval '1 month')
         + ensure_month_partitions('outbox', now, now + months * interval '1 month');
