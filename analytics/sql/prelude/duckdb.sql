-- What the reports read, in DuckDB. An id of 16 bytes is its UUID, half the size of bytes in a hash table.
-- $local_micros: microseconds of `micros` on the clock of the report's time zone; a time zone function is slower.

CREATE MACRO minor_unit_micros(code) AS $minor_unit_micros;

CREATE MACRO half_away_from_zero(micros, unit) AS
CASE
    WHEN micros < 0 THEN -((unit // 2 - micros) // unit) * unit
    ELSE (unit // 2 + micros) // unit * unit
END;

CREATE MACRO first_of_month(date) AS CAST(date_trunc('month', date) AS DATE);

CREATE MACRO days_between(first_date, last_date) AS last_date - first_date;

CREATE MACRO uuid_text(id) AS CAST(id AS STRING);

CREATE MACRO uuid_of(text) AS CAST(text AS UUID);

CREATE VIEW parameters AS
SELECT DATE '$until' AS until;

CREATE VIEW lines AS
SELECT
    *,
    first_of_month(date) AS month,
    is_counted AND kind = 'sale' AND quantity > 0 AND unit_price_micros > 0 AS is_sale,
    is_counted AND kind = 'credit' AS is_credit
FROM (
    SELECT
        CAST(order_id AS UUID) AS order_id,
        refund_id IS NOT NULL AS is_of_refund,
        CAST(coalesce(refund_id, order_id) AS UUID) AS document,
        kind,
        status IN ('paid', 'completed') AS is_counted,
        customer,
        coalesce(country, '') AS country,
        currency,
        CAST(make_timestamp($local_micros) AS DATE) AS date,
        product_id,
        coalesce(product_id, sku) AS product,
        quantity,
        unit_price_micros,
        discount_micros,
        amount_micros,
        half_away_from_zero(amount_micros, minor_unit_micros(currency)) AS rounded_micros
    FROM (SELECT *, epoch_us(occurred_at) AS micros FROM line_files)
);

CREATE VIEW documents AS
SELECT
    CAST(order_id AS UUID) AS order_id,
    kind,
    status IN ('paid', 'completed') AS is_counted,
    currency,
    promotion_code,
    shipping_minor * minor_unit_micros(currency) AS shipping_micros,
    tax_minor * minor_unit_micros(currency) AS tax_micros,
    date_trunc('minute', make_timestamp(micros)) AS minute,
    CAST(local_time AS DATE) AS date,
    first_of_month(local_time) AS month,
    hour(local_time) AS hour
FROM (
    SELECT *, make_timestamp($local_micros) AS local_time
    FROM (SELECT *, epoch_us(occurred_at) AS micros FROM document_files)
);

CREATE VIEW payments AS
SELECT
    CAST(make_timestamp($local_micros) AS DATE) AS date,
    provider,
    status,
    currency,
    amount_minor * minor_unit_micros(currency) AS amount_micros
FROM (SELECT *, epoch_us(occurred_at) AS micros FROM payment_files);

CREATE VIEW movements AS
SELECT
    CAST(make_timestamp($local_micros) AS DATE) AS date,
    coalesce(sku, '') AS sku,
    delta,
    cause
FROM (SELECT *, epoch_us(occurred_at) AS micros FROM movement_files);

CREATE VIEW users AS
SELECT CAST(make_timestamp($local_micros) AS DATE) AS date
FROM (SELECT *, epoch_us(registered_at) AS micros FROM user_files);

CREATE VIEW products AS
SELECT product_id, coalesce(category, '') AS category
FROM product_files;

CREATE VIEW category_ancestors AS
SELECT category, array_to_string(words[1:depth], '/') AS ancestor
FROM (SELECT category, string_split(category, '/') AS words FROM products GROUP BY category)
CROSS JOIN LATERAL (SELECT unnest(range(1, len(words) + 1)) AS depth);

CREATE VIEW events AS
SELECT
    micros,
    CAST(make_timestamp($local_micros) AS DATE) AS date,
    kind,
    CAST(session_id AS UUID) AS session_id,
    CAST(user_id AS UUID) AS user_id,
    CAST(product_id AS UUID) AS product_id,
    CAST(order_id AS UUID) AS order_id
FROM (SELECT *, epoch_us(occurred_at) AS micros FROM event_files);
