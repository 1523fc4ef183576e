-- What is sold most in a range of days is added up when it is read: whole months from here, the days around them from the
-- rows by day. Both are written in the same transaction.
CREATE TABLE report_product_sales_months (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    month date NOT NULL,
    currency text NOT NULL,
    product text NOT NULL,
    orders bigint NOT NULL,
    units bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    refunds numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, month, currency, product)
);

INSERT INTO report_product_sales_months
SELECT channel, time_zone, date_trunc('month', date)::date, currency, product,
       sum(orders), sum(units), sum(gross_revenue), sum(refunds)
FROM report_product_sales GROUP BY 1, 2, 3, 4, 5;

CREATE TABLE report_category_sales_months (
    channel text NOT NULL REFERENCES channels (code),
    time_zone text NOT NULL,
    month date NOT NULL,
    currency text NOT NULL,
    category text NOT NULL,
    orders bigint NOT NULL,
    units bigint NOT NULL,
    gross_revenue numeric NOT NULL,
    refunds numeric NOT NULL,
    PRIMARY KEY (channel, time_zone, month, currency, category)
);

INSERT INTO report_category_sales_months
SELECT channel, time_zone, date_trunc('month', date)::date, currency, category,
       sum(orders), sum(units), sum(gross_revenue), sum(refunds)
FROM report_category_sales GROUP BY 1, 2, 3, 4, 5;
