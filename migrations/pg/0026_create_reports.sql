-- What is published of the numbers: one table a report, keys and sums. Rates and differences are made of the sums when
-- they are read (`store/src/pg/reports/catalogue.rs`), so they cannot disagree. All of it can be counted again.
DROP TABLE report_daily_sales;
-- Every channel is counted whole by the next run.
DELETE FROM lake_watermarks;

-- Zones that the days of a channel are counted in besides its own.
ALTER TABLE channels ADD COLUMN report_time_zones text[] NOT NULL DEFAULT '{}'
    CHECK (cardinality(report_time_zones) <= 8);

CREATE TABLE report_daily_sales (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    currency text NOT NULL,
    orders bigint NOT NULL,
    cancelled_orders bigint NOT NULL,
    customers bigint NOT NULL,
    new_customers bigint NOT NULL,
    units bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    discounts numeric NOT NULL,
    refunds numeric NOT NULL,
    tax numeric NOT NULL,
    shipping numeric NOT NULL,
    raw_sum numeric NOT NULL,
    rounded_net numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, date, currency)
);

CREATE TABLE report_monthly_sales (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    month date NOT NULL,
    currency text NOT NULL,
    orders bigint NOT NULL,
    cancelled_orders bigint NOT NULL,
    customers bigint NOT NULL,
    new_customers bigint NOT NULL,
    units bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    discounts numeric NOT NULL,
    refunds numeric NOT NULL,
    tax numeric NOT NULL,
    shipping numeric NOT NULL,
    raw_sum numeric NOT NULL,
    rounded_net numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, month, currency)
);

CREATE TABLE report_product_sales (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    currency text NOT NULL,
    product text NOT NULL,
    orders bigint NOT NULL,
    units bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    refunds numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, date, currency, product)
);

CREATE TABLE report_country_sales (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    currency text NOT NULL,
    country text NOT NULL,
    orders bigint NOT NULL,
    units bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    refunds numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, date, currency, country)
);

CREATE TABLE report_category_sales (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    currency text NOT NULL,
    category text NOT NULL,
    orders bigint NOT NULL,
    units bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    refunds numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, date, currency, category)
);

CREATE TABLE report_payment_success (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    currency text NOT NULL,
    provider text NOT NULL,
    attempts bigint NOT NULL,
    captured bigint NOT NULL,
    captured_amount numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, date, currency, provider)
);

CREATE TABLE report_funnel (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    visits bigint NOT NULL,
    viewed bigint NOT NULL,
    carted bigint NOT NULL,
    purchased bigint NOT NULL,
    abandoned bigint NOT NULL,
    viewed_carted bigint NOT NULL,
    viewed_carted_checked_out bigint NOT NULL,
    viewed_carted_purchased bigint NOT NULL,
    strict_carted bigint NOT NULL,
    strict_checked_out bigint NOT NULL,
    strict_purchased bigint NOT NULL,
    PRIMARY KEY (channel, time_zone, date)
);

CREATE TABLE report_product_conversion (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    month date NOT NULL,
    product text NOT NULL,
    viewed bigint NOT NULL,
    carted bigint NOT NULL,
    purchased bigint NOT NULL,
    PRIMARY KEY (channel, time_zone, month, product)
);

CREATE TABLE report_search_to_sale (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    searches bigint NOT NULL,
    visits_searched bigint NOT NULL,
    visits_clicked bigint NOT NULL,
    visits_purchased bigint NOT NULL,
    PRIMARY KEY (channel, time_zone, date)
);

CREATE TABLE report_cohorts (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    cohort date NOT NULL,
    month_number bigint NOT NULL,
    customers bigint NOT NULL,
    cohort_customers bigint NOT NULL,
    PRIMARY KEY (channel, time_zone, cohort, month_number)
);

CREATE TABLE report_lifetime_value (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    cohort date NOT NULL,
    currency text NOT NULL,
    customers bigint NOT NULL,
    orders bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    refunds numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, cohort, currency)
);

CREATE TABLE report_rfm (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    currency text NOT NULL,
    r_score bigint NOT NULL,
    f_score bigint NOT NULL,
    m_score bigint NOT NULL,
    customers bigint NOT NULL,
    orders bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, currency, r_score, f_score, m_score)
);

CREATE TABLE report_users (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    registered bigint NOT NULL,
    active bigint NOT NULL,
    buyers bigint NOT NULL,
    PRIMARY KEY (channel, time_zone, date)
);

CREATE TABLE report_inventory_turnover (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    sku text NOT NULL,
    units_sold bigint NOT NULL,
    on_hand bigint NOT NULL,
    on_hand_days bigint NOT NULL,
    PRIMARY KEY (channel, time_zone, sku)
);

CREATE TABLE report_promotion_cost (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    promotion_code text NOT NULL,
    currency text NOT NULL,
    first_date date NOT NULL,
    last_date date NOT NULL,
    orders bigint NOT NULL,
    baseline_orders bigint NOT NULL,
    discounts numeric NOT NULL,
    gross_revenue numeric NOT NULL,
    baseline_gross_revenue numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, promotion_code, currency)
);

CREATE TABLE report_bought_together (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    product_a text NOT NULL,
    product_b text NOT NULL,
    orders bigint NOT NULL,
    PRIMARY KEY (channel, time_zone, product_a, product_b)
);

CREATE TABLE report_hourly_orders (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    hour bigint NOT NULL,
    orders bigint NOT NULL,
    busiest_minute_orders bigint NOT NULL,
    PRIMARY KEY (channel, time_zone, date, hour)
);

-- The report beside the order ledger, asked by itself at the snapshot that the report was counted from.
CREATE TABLE report_reconciliation (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    date date NOT NULL,
    currency text NOT NULL,
    report_net numeric NOT NULL,
    rounding_difference numeric NOT NULL,
    ledger_net numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, date, currency)
);

-- What each run did, for people.
CREATE TABLE report_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL REFERENCES channels (code) ON DELETE CASCADE,
    scope text NOT NULL CHECK (scope IN ('changed', 'full', 'dates')),
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    as_of timestamptz,
    days_extracted bigint NOT NULL DEFAULT 0,
    lines_extracted bigint NOT NULL DEFAULT 0,
    dates_counted bigint NOT NULL DEFAULT 0,
    rows_published bigint NOT NULL DEFAULT 0,
    differences bigint NOT NULL DEFAULT 0,
    -- Days of the lake that were damaged or missing, and were extracted anew.
    days_healed bigint NOT NULL DEFAULT 0,
    -- Why nothing was published.
    error text
);
CREATE INDEX report_runs_by_channel ON report_runs (channel, id);

-- The extract asks for those of a day.
CREATE INDEX refunds_by_time ON refunds (occurred_at);
CREATE INDEX payments_by_time ON payments (occurred_at);
