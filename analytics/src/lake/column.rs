//! Names of the lake's columns.

/// UUID of the order, as bytes.
pub const ORDER_ID: &str = "order_id";
/// UUID, as bytes, of the refund that a credit line belongs to; null for every other line.
pub const REFUND_ID: &str = "refund_id";
/// Its number.
pub const NUMBER: &str = "number";
/// `sale`, `credit` or `adjustment`.
pub const KIND: &str = "kind";
/// Status of the order.
pub const STATUS: &str = "status";
/// Customer, if known.
pub const CUSTOMER: &str = "customer";
/// Country, if known.
pub const COUNTRY: &str = "country";
/// ISO 4217 code.
pub const CURRENCY: &str = "currency";
/// Position within the order.
pub const LINE_NUMBER: &str = "line_number";
/// Time of the line, in microseconds, UTC.
pub const OCCURRED_AT: &str = "occurred_at";
/// Product code.
pub const SKU: &str = "sku";
/// Pieces.
pub const QUANTITY: &str = "quantity";
/// Price of one piece in millionths of the major unit.
pub const UNIT_PRICE_MICROS: &str = "unit_price_micros";
/// What is taken off quantity times price, in millionths of the major unit.
pub const DISCOUNT_MICROS: &str = "discount_micros";
/// Quantity times price less the discount, in millionths of the major unit.
pub const AMOUNT_MICROS: &str = "amount_micros";
/// Id of the product in the shop's catalogue, as text; null in an imported history.
pub const PRODUCT_ID: &str = "product_id";
/// Code of the order's promotion.
pub const PROMOTION_CODE: &str = "promotion_code";
/// What was taken off the order, net, in minor units.
pub const DISCOUNT_MINOR: &str = "discount_minor";
/// Shipping of the order, in minor units.
pub const SHIPPING_MINOR: &str = "shipping_minor";
/// Tax, in minor units; negative of a refund.
pub const TAX_MINOR: &str = "tax_minor";
/// What was paid, or, negative, given back, in minor units.
pub const TOTAL_MINOR: &str = "total_minor";
/// UUID of an attempt to pay, as bytes.
pub const PAYMENT_ID: &str = "payment_id";
/// Who takes the payment.
pub const PROVIDER: &str = "provider";
/// Why a payment failed.
pub const FAILURE_CODE: &str = "failure_code";
/// What a payment is of, in minor units.
pub const AMOUNT_MINOR: &str = "amount_minor";
/// UUID of a movement of stock, as bytes.
pub const MOVEMENT_ID: &str = "movement_id";
/// UUID of a variant, as bytes.
pub const VARIANT_ID: &str = "variant_id";
/// Where stock lies.
pub const WAREHOUSE: &str = "warehouse";
/// How many pieces came or, negative, went.
pub const DELTA: &str = "delta";
/// Pieces after the movement.
pub const ON_HAND_AFTER: &str = "on_hand_after";
/// Why stock moved.
pub const CAUSE: &str = "cause";
/// UUID of an account, as bytes.
pub const USER_ID: &str = "user_id";
/// When an account was made.
pub const REGISTERED_AT: &str = "registered_at";
/// Title of a product.
pub const TITLE: &str = "title";
/// Path of a product's category.
pub const CATEGORY: &str = "category";

/// Names of the columns of a behaviour event, as the crate `lake` writes them.
pub mod event {
    /// UUID of the visit, as bytes.
    pub const SESSION_ID: &str = "session_id";
    /// UUID of the account, as bytes; null without one.
    pub const USER_ID: &str = "user_id";
    /// UUID of the event, as bytes.
    pub const ID: &str = "id";
    /// When, in microseconds, UTC.
    pub const OCCURRED_AT: &str = "occurred_at";
    /// `search`, `click` …
    pub const KIND: &str = "kind";
    /// Words searched for.
    pub const QUERY: &str = "query";
    /// Place of a clicked result, from 1.
    pub const POSITION: &str = "position";
    /// UUID of the product, as bytes.
    pub const PRODUCT_ID: &str = "product_id";
    /// UUID of the order of a purchase, as bytes.
    pub const ORDER_ID: &str = "order_id";
    /// Products that a search found; files of before lack it.
    pub const RESULTS: &str = "results";
    /// How long that took, in milliseconds; files of before lack it.
    pub const WAITED_MS: &str = "waited_ms";
    /// UUID of the experiment that a search, or the search of a click, took part in, as bytes; files of before lack it.
    pub const EXPERIMENT_ID: &str = "experiment_id";
    /// `control` or `treatment`: what answered the search, or brought the clicked hit; files of before lack it.
    pub const ARM: &str = "arm";
}
