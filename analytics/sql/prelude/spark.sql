-- What the reports read, in Spark. Whole numbers that are summed up are decimals, so that no sum wraps or stops.
-- $local_micros: microseconds of `micros` on the clock of the report's time zone, the same expression as DuckDB's.

CREATE OR REPLACE TEMPORARY FUNCTION minor_unit_micros(code STRING) RETURNS BIGINT
RETURN $minor_unit_micros;

CREATE OR REPLACE TEMPORARY FUNCTION half_away_from_zero(micros BIGINT, unit BIGINT) RETURNS BIGINT
RETURN CASE
    WHEN micros < 0 THEN -((unit div 2 - micros) div unit) * unit
    ELSE (unit div 2 + micros) div unit * unit
END;

CREATE OR REPLACE TEMPORARY FUNCTION first_of_month(date DATE) RETURNS DATE
RETURN trunc(date, 'MM');

CREATE OR REPLACE TEMPORARY FUNCTION days_between(first_date DATE, last_date DATE) RETURNS INT
RETURN datediff(last_date, first_date);

CREATE OR REPLACE TEMPORARY FUNCTION uuid_text(id BINARY) RETURNS STRING
RETURN concat(lower(hex(substr(id, 1, 4))), '-', lower(hex(substr(id, 5, 2))), '-', lower(hex(substr(id, 7, 2))), '-',
    lower(hex(substr(id, 9, 2))), '-', lower(hex(substr(id, 11, 6))));

CREATE OR REPLACE TEMPORARY FUNCTION uuid_of(text STRING) RETURNS BINARY
RETURN unhex(replace(text, '-', ''));

CREATE OR REPLACE TEMPORARY VIEW parameters AS
SELECT DATE '$until' AS until;

CREATE OR REPLACE TEMPORARY VIEW lines AS
SELECT
    *,
    first_of_month(date) AS month,
    is_counted AND kind = 'sale' AND quantity > 0 AND unit_price_micros > 0 AS is_sale,
    is_counted AND kind = 'credit' AS is_credit
FROM (
    SELECT
        order_id,
        refund_id IS NOT NULL AS is_of_refund,
        coalesce(refund_id, order_id) AS document,
        kind,
        status IN ('paid', 'completed') AS is_counted,
        customer,
        coalesce(country, '') AS country,
        currency,
        CAST(timestamp_micros($local_micros) AS DATE) AS date,
        product_id,
        coalesce(product_id, sku) AS product,
        CAST(quantity AS DECIMAL(20, 0)) AS quantity,
        unit_price_micros,
        CAST(discount_micros AS DECIMAL(20, 0)) AS discount_micros,
        CAST(amount_micros AS DECIMAL(20, 0)) AS amount_micros,
        CAST(half_away_from_zero(amount_micros, minor_unit_micros(currency)) AS DECIMAL(20, 0)) AS rounded_micros
    FROM (SELECT *, unix_micros(occurred_at) AS micros FROM line_files)
);

CREATE OR REPLACE TEMPORARY VIEW documents AS
SELECT
    order_id,
    kind,
    status IN ('paid', 'completed') AS is_counted,
    currency,
    promotion_code,
    CAST(shipping_minor AS DECIMAL(20, 0)) * minor_unit_micros(currency) AS shipping_micros,
    CAST(tax_minor AS DECIMAL(20, 0)) * minor_unit_micros(currency) AS tax_micros,
    date_trunc('minute', timestamp_micros(micros)) AS minute,
    CAST(local_time AS DATE) AS date,
    first_of_month(CAST(local_time AS DATE)) AS month,
    hour(local_time) AS hour
FROM (
    SELECT *, timestamp_micros($local_micros) AS local_time
    FROM (SELECT *, unix_micros(occurred_at) AS micros FROM document_files)
);

CREATE OR REPLACE TEMPORARY VIEW payments AS
SELECT
    CAST(timestamp_micros($local_micros) AS DATE) AS date,
    provider,
    status,
    currency,
    CAST(amount_minor AS DECIMAL(20, 0)) * minor_unit_micros(currency) AS amount_micros
FROM (SELECT *, unix_micros(occurred_at) AS micros FROM payment_files);

CREATE OR REPLACE TEMPORARY VIEW movements AS
SELECT
    CAST(timestamp_micros($local_micros) AS DATE) AS date,
    coalesce(sku, '') AS sku,
    CAST(delta AS DECIMAL(20, 0)) AS delta,
    cause
FROM (SELECT *, unix_micros(occurred_at) AS micros FROM movement_files);

CREATE OR REPLACE TEMPORARY VIEW users AS
SELECT CAST(timestamp_micros($local_micros) AS DATE) AS date
FROM (SELECT *, unix_micros(registered_at) AS micros FROM user_files);

CREATE OR REPLACE TEMPORARY VIEW products AS
SELECT product_id, coalesce(category, '') AS category
FROM product_files;

CREATE OR REPLACE TEMPORARY VIEW category_ancestors AS
SELECT category, array_join(slice(words, 1, depth), '/') AS ancestor
FROM (SELECT category, split(category, '/') AS words FROM products GROUP BY category)
LATERAL VIEW explode(sequence(1, size(words))) AS depth;

CREATE OR REPLACE TEMPORARY VIEW events AS
SELECT
    micros,
    CAST(timestamp_micros($local_micros) AS DATE) AS date,
    kind,
    session_id,
    user_id,
    product_id,
    order_id
FROM (SELECT *, unix_micros(occurred_at) AS micros FROM event_files);
