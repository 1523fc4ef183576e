//! Every report there is: its table, its columns, and how often it is counted. What the columns mean to the letter is
//! in `analytics/METRICS.md`.

use super::definition::{Column, Derived, Grain, Kind, Report};

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Column {
    Column { name, kind, about }
}

const fn count(name: &'static str, about: &'static str) -> Column {
    Column { name, kind: Kind::Count, about }
}

const fn amount(name: &'static str, about: &'static str) -> Column {
    Column { name, kind: Kind::Amount, about }
}

const fn whole(name: &'static str, kind: Kind, over: &'static str, about: &'static str) -> Derived {
    Derived { column: Column { name, kind, about }, over, under: None }
}

const fn ratio(
    name: &'static str,
    scale: u32,
    (over, under): (&'static str, &'static str),
    about: &'static str,
) -> Derived {
    Derived { column: Column { name, kind: Kind::Ratio(scale), about }, over, under: Some(under) }
}

const DATE: Column = key("date", Kind::Date, "Calendar day in the time zone");
const MONTH: Column = key("month", Kind::Date, "First day of the month");
const CURRENCY: Column = key("currency", Kind::Text, "ISO 4217 code");
/// Digits of rates, and of amounts for one of something.
const RATE: u32 = 6;
const MONEY: u32 = 2;

const PERIOD_SUMS: &[Column] = &[
    count("orders", "Documents with a sale line"),
    count("cancelled_orders", "Credit documents; refunds in the shop"),
    count("customers", "Distinct known customers of sale lines"),
    count("new_customers", "Of those: whose first sale it is"),
    count("units", "Pieces sold"),
    amount("gross_revenue", "Sum of the sale lines, after discounts, net of tax in the shop"),
    amount("discounts", "What was taken off"),
    amount("refunds", "Sum of the credit lines: zero or negative"),
    amount("tax", "Tax of orders less that of refunds"),
    amount("shipping", "Shipping of orders"),
    amount("raw_sum", "Sum over every line, adjustments too"),
    amount("rounded_net", "Sum of sale and credit lines, each rounded to the minor unit"),
];
const NET: Derived =
    whole("net_revenue", Kind::Amount, "gross_revenue + refunds", "Gross revenue and refunds");
const AOV: Derived = ratio("aov", MONEY, ("gross_revenue", "orders"), "Average order value");
const CONVERSION: Derived =
    ratio("conversion_rate", RATE, ("purchased", "viewed"), "Visits with a purchase to those with a view");
const PERIOD_DERIVED: &[Derived] = &[
    whole("returning_customers", Kind::Count, "customers - new_customers", "Customers of before"),
    NET,
    whole(
        "rounding_difference",
        Kind::Amount,
        "gross_revenue + refunds - rounded_net",
        "What rounding each line would change; 0 in the shop",
    ),
    AOV,
    ratio(
        "cancellation_rate",
        RATE,
        ("cancelled_orders", "(orders + cancelled_orders)"),
        "Credits among all documents",
    ),
];
const PART_SUMS: &[Column] = &[
    count("orders", "Documents with a sale line of it"),
    count("units", "Pieces sold"),
    amount("gross_revenue", "Sum of the sale lines"),
    amount("refunds", "Sum of the credit lines: zero or negative"),
];
const PART_DERIVED: &[Derived] = &[NET];
const FUNNEL_SUMS: &[Column] = &[
    count("visits", "Sessions on a day"),
    count("viewed", "Visits with a view"),
    count("carted", "Visits with something put into the cart"),
    count("purchased", "Visits with a purchase"),
    count("abandoned", "Visits with a cart and no purchase"),
    count("viewed_carted", "View and cart, in any order"),
    count("viewed_carted_checked_out", "View, cart and checkout, in any order"),
    count("viewed_carted_purchased", "View, cart and purchase, in any order"),
    count("strict_carted", "Cart not before the first view"),
    count("strict_checked_out", "Checkout not before such a cart"),
    count("strict_purchased", "Purchase not before such a cart"),
];

const DAILY_SALES: Report = Report {
    name: "daily-sales",
    table: "report_daily_sales",
    months: None,
    about: "What each day sold.",
    grain: Grain::Day,
    is_of_orders: true,
    keys: &[DATE, CURRENCY],
    sums: PERIOD_SUMS,
    derived: PERIOD_DERIVED,
    sorted_by: None,
};

pub(super) const REPORTS: &[Report] = &[
    DAILY_SALES,
    Report {
        name: "monthly-sales",
        table: "report_monthly_sales",
        about: "What each month sold.",
        grain: Grain::Month,
        keys: &[MONTH, CURRENCY],
        ..DAILY_SALES
    },
    PRODUCT_SALES,
    Report {
        name: "country-sales",
        table: "report_country_sales",
        months: None,
        about: "What each day sold to a country.",
        keys: &[DATE, CURRENCY, key("country", Kind::Text, "Country as written; empty when unknown")],
        ..PRODUCT_SALES
    },
    Report {
        name: "category-sales",
        table: "report_category_sales",
        months: Some("report_category_sales_months"),
        about: "What each day sold of a category and those below it.",
        keys: &[DATE, CURRENCY, key("category", Kind::Text, "Path; empty for products without one")],
        ..PRODUCT_SALES
    },
    Report {
        name: "top-products",
        about: "The products that sold most in a range of days.",
        sorted_by: Some("gross_revenue"),
        ..PRODUCT_SALES
    },
    Report {
        name: "top-categories",
        table: "report_category_sales",
        months: Some("report_category_sales_months"),
        about: "The categories that sold most in a range of days.",
        keys: &[DATE, CURRENCY, key("category", Kind::Text, "Path; empty for products without one")],
        sorted_by: Some("gross_revenue"),
        ..PRODUCT_SALES
    },
    Report {
        name: "payment-success",
        table: "report_payment_success",
        about: "How often each provider's payments succeeded.",
        keys: &[DATE, CURRENCY, key("provider", Kind::Text, "Who took the payment")],
        sums: &[
            count("attempts", "Attempts to pay"),
            count("captured", "Of those: captured"),
            amount("captured_amount", "Sum of what was captured"),
        ],
        derived: &[ratio("success_rate", RATE, ("captured", "attempts"), "Captured of attempted")],
        ..DAILY_SALES
    },
    FUNNEL,
    Report {
        name: "conversion",
        about: "How many visits with a view led to a purchase, by day.",
        sums: &[FUNNEL_SUMS[0], FUNNEL_SUMS[1], FUNNEL_SUMS[3]],
        ..FUNNEL
    },
    Report {
        name: "cart-abandonment",
        about: "How many carts led to no purchase, by day.",
        sums: &[FUNNEL_SUMS[2], FUNNEL_SUMS[4]],
        derived: &[ratio("abandonment_rate", RATE, ("abandoned", "carted"), "Abandoned of all carts")],
        ..FUNNEL
    },
    Report {
        name: "product-conversion",
        table: "report_product_conversion",
        months: None,
        about: "Of the visits that viewed a product, how many bought that product, by month.",
        grain: Grain::Month,
        is_of_orders: false,
        keys: &[MONTH, key("product", Kind::Text, "Its id")],
        sums: &[
            count("viewed", "Visits that viewed it"),
            count("carted", "Of those: put it into the cart"),
            count("purchased", "Of those: bought it"),
        ],
        derived: &[CONVERSION],
        sorted_by: None,
    },
    Report {
        name: "search-to-sale",
        table: "report_search_to_sale",
        about: "How many visits with a search led to a click and to a purchase, by day.",
        sums: &[
            count("searches", "Searches"),
            count("visits_searched", "Visits with a search"),
            count("visits_clicked", "Of those: with a click"),
            count("visits_purchased", "Of those: with a purchase after the first search"),
        ],
        derived: &[ratio(
            "sale_rate",
            RATE,
            ("visits_purchased", "visits_searched"),
            "Purchases to searches",
        )],
        ..FUNNEL
    },
    Report {
        name: "users",
        table: "report_users",
        about: "Accounts that were made, and that were active, by day.",
        sums: &[
            count("registered", "New accounts"),
            count("active", "Accounts with any behaviour event"),
            count("buyers", "Customers of sale lines"),
        ],
        derived: &[],
        ..FUNNEL
    },
    Report {
        name: "hourly-orders",
        table: "report_hourly_orders",
        about: "Orders by the hour, with the most of one minute.",
        is_of_orders: true,
        keys: &[DATE, key("hour", Kind::Count, "0 to 23 on the clock of the time zone")],
        sums: &[count("orders", "Orders"), count("busiest_minute_orders", "Most orders of one minute")],
        derived: &[],
        ..FUNNEL
    },
    COHORTS,
    Report {
        name: "lifetime-value",
        table: "report_lifetime_value",
        about: "What the customers of each month of first sale have bought so far.",
        keys: &[COHORT, CURRENCY],
        sums: &[
            count("customers", "Customers with a sale in the currency"),
            count("orders", "Their orders"),
            amount("gross_revenue", "Their sale lines"),
            amount("refunds", "Their credit lines"),
        ],
        derived: &[
            NET,
            ratio(
                "value_per_customer",
                MONEY,
                ("(gross_revenue + refunds)", "customers"),
                "Net revenue of one customer",
            ),
        ],
        ..COHORTS
    },
    Report {
        name: "rfm",
        table: "report_rfm",
        about: "Customers by fifths of how recently, how often and for how much they bought; 5 is best.",
        keys: &[
            CURRENCY,
            key("r_score", Kind::Count, "Recency"),
            key("f_score", Kind::Count, "Frequency"),
            key("m_score", Kind::Count, "Monetary"),
        ],
        sums: &[
            count("customers", "Customers with these scores"),
            count("orders", "Their orders"),
            amount("gross_revenue", "Their sale lines"),
        ],
        derived: &[],
        ..COHORTS
    },
    Report {
        name: "inventory-turnover",
        table: "report_inventory_turnover",
        about: "How fast stock is sold, over the last 28 whole days.",
        keys: &[key("sku", Kind::Text, "Product code of the variant")],
        sums: &[
            count("units_sold", "Pieces sold less those given back"),
            count("on_hand", "Pieces on hand at the end"),
            count("on_hand_days", "Pieces on hand at each day's end, summed over the days"),
        ],
        derived: &[
            ratio("turnover", RATE, ("28 * units_sold", "on_hand_days"), "Sold of the mean on hand"),
            ratio("days_of_cover", 1, ("28 * on_hand", "units_sold"), "Until nothing is left"),
        ],
        ..COHORTS
    },
    Report {
        name: "promotion-cost",
        table: "report_promotion_cost",
        about: "What each promotion cost, beside the orders of the same days without any.",
        keys: &[
            key("promotion_code", Kind::Text, "The code"),
            CURRENCY,
            key("first_date", Kind::Date, "Day of its first order"),
            key("last_date", Kind::Date, "Day of its last order"),
        ],
        sums: &[
            count("orders", "Orders with it"),
            count("baseline_orders", "Orders without any code from the first day to the last"),
            amount("discounts", "What was taken off"),
            amount("gross_revenue", "Sale lines of its orders"),
            amount("baseline_gross_revenue", "Sale lines of the orders without a code"),
        ],
        derived: &[
            AOV,
            ratio("baseline_aov", MONEY, ("baseline_gross_revenue", "baseline_orders"), "Without a code"),
            ratio(
                "uplift",
                RATE,
                (
                    "gross_revenue * baseline_orders - orders * baseline_gross_revenue",
                    "orders * baseline_gross_revenue",
                ),
                "How much more an order with it is worth: a comparison, no proof of a cause",
            ),
        ],
        ..COHORTS
    },
    Report {
        name: "bought-together",
        table: "report_bought_together",
        about: "Pairs of products that most orders have both of.",
        keys: &[
            key("product_a", Kind::Text, "The first by bytes"),
            key("product_b", Kind::Text, "The other"),
        ],
        sums: &[count("orders", "Orders with both")],
        derived: &[],
        sorted_by: Some("orders"),
        ..COHORTS
    },
    Report {
        name: "reconciliation",
        table: "report_reconciliation",
        about: "The report beside the order ledger, by day: the difference is 0.",
        sums: &[
            amount("report_net", "Net revenue as reported"),
            amount("rounding_difference", "Part of it that is less than a minor unit a line"),
            amount("ledger_net", "Net revenue as PostgreSQL adds it up"),
        ],
        derived: &[whole(
            "difference",
            Kind::Amount,
            "report_net - rounding_difference - ledger_net",
            "What cannot be explained",
        )],
        ..DAILY_SALES
    },
];

const PRODUCT_SALES: Report = Report {
    name: "product-sales",
    table: "report_product_sales",
    months: Some("report_product_sales_months"),
    about: "What each day sold of a product.",
    keys: &[DATE, CURRENCY, key("product", Kind::Text, "Its id, or the code in an imported history")],
    sums: PART_SUMS,
    derived: PART_DERIVED,
    ..DAILY_SALES
};

const FUNNEL: Report = Report {
    name: "funnel",
    table: "report_funnel",
    about: "From view to purchase, by day: in any order, and in the order of time.",
    is_of_orders: false,
    keys: &[DATE],
    sums: FUNNEL_SUMS,
    derived: &[CONVERSION],
    ..DAILY_SALES
};

const COHORT: Column = key("cohort", Kind::Date, "Month of the customer's first sale");
const COHORTS: Report = Report {
    name: "cohorts",
    table: "report_cohorts",
    months: None,
    about: "Who came back: customers by the month of their first sale and months since.",
    grain: Grain::Whole,
    is_of_orders: false,
    keys: &[COHORT, key("month_number", Kind::Count, "Months since; 0 is the first")],
    sums: &[
        count("customers", "Customers with a sale in that month"),
        count("cohort_customers", "Customers of the cohort"),
    ],
    derived: &[ratio("retention_rate", RATE, ("customers", "cohort_customers"), "Who came back, of all")],
    sorted_by: None,
};
