-- How far the extract of a channel has come.
CREATE TABLE lake_watermarks (
    channel text PRIMARY KEY REFERENCES channels (code),
    -- Every transaction below it was visible to the last extract.
    watermark xid8 NOT NULL,
    extracted_at timestamptz NOT NULL
);

CREATE TABLE report_daily_sales (
    channel text NOT NULL REFERENCES channels (code),
    currency text NOT NULL,
    date date NOT NULL,
    orders bigint NOT NULL,
    cancelled_orders bigint NOT NULL,
    customers bigint NOT NULL,
    units bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    refunds numeric NOT NULL,
    net_revenue numeric NOT NULL,
    raw_sum numeric NOT NULL,
    aov numeric NOT NULL,
    cancellation_rate numeric NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (channel, date, currency),
    CHECK (net_revenue = gross_revenue + refunds)
);
