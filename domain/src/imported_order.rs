//! Lines of an imported order history: what a row must be to become an order line.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::money::{Currency, Money};
use crate::order::OrderKind;

/// Longest document number, code, customer and country, in bytes.
pub const TEXT_LENGTH_MAX: usize = 200;
/// Longest line description, in bytes.
pub const DESCRIPTION_LENGTH_MAX: usize = 1_000;
/// Most digits after the point of a unit price.
pub const PRICE_SCALE_MAX: u32 = 6;

/// A row as a file gives it: text, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct RawLine<'a> {
    /// Document number.
    pub number: &'a str,
    /// Product code.
    pub sku: &'a str,
    /// Text of the line.
    pub description: &'a str,
    /// Pieces.
    pub quantity: &'a str,
    /// `YYYY-MM-DD HH:MM:SS`, UTC as written.
    pub occurred_at: &'a str,
    /// Price of one piece.
    pub unit_price: &'a str,
    /// Customer.
    pub customer: &'a str,
    /// Country.
    pub country: &'a str,
    /// ISO 4217 code; empty: the import's own currency.
    pub currency: &'a str,
}

/// A row that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLine {
    /// Document number as written.
    pub number: String,
    /// Product code as written, outer spaces and case kept.
    pub sku: String,
    /// Text as written.
    pub description: Option<String>,
    /// Pieces; negative when given back.
    pub quantity: i64,
    /// UTC as written.
    pub occurred_at: Timestamp,
    /// Exact price of one piece.
    pub unit_price: Decimal,
    /// Customer; a trailing `.0` that a spreadsheet added is dropped.
    pub customer_reference: Option<String>,
    /// Country as written.
    pub country: Option<String>,
    /// Quantity times unit price, half up.
    pub amount: Money,
}

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedLine {
    /// A needed field is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A field is too long.
    #[error("{0} is longer than {1} bytes")]
    TooLong(&'static str, usize),
    /// Not a whole number.
    #[error("quantity is not a whole number: {0:?}")]
    Quantity(String),
    /// Not a time.
    #[error("time is not YYYY-MM-DD HH:MM:SS: {0:?}")]
    Time(String),
    /// Not a decimal number.
    #[error("unit price is not a decimal number with at most 6 digits after the point: {0:?}")]
    UnitPrice(String),
    /// Not a currency.
    #[error("currency is no ISO 4217 code: {0:?}")]
    UnknownCurrency(String),
    /// Not this import's currency.
    #[error("currency {found} differs from the import's {expected}")]
    OtherCurrency {
        /// What the import was started with.
        expected: &'static str,
        /// What the row says.
        found: String,
    },
    /// A credit gives back, so its quantity is negative.
    #[error("a credit's quantity must be negative, not {0}")]
    CreditSign(i64),
    /// The amount does not fit.
    #[error("quantity times unit price does not fit")]
    Overflow,
    /// A control character would not survive the way to the store.
    #[error("{0} holds a NUL character")]
    Nul(&'static str),
}

/// The kind that a document's number says: `C…` credit, a digit sale, anything else adjustment.
pub fn kind_of(number: &str) -> OrderKind {
    match number.as_bytes().first() {
        Some(b'C') => OrderKind::Credit,
        Some(b'0'..=b'9') => OrderKind::Sale,
        _ => OrderKind::Adjustment,
    }
}

impl ImportedLine {
    /// Checks a row against the import's currency.
    pub fn parse(raw: &RawLine<'_>, currency: Currency) -> Result<Self, RefusedLine> {
        let number = needed("document number", raw.number)?;
        let sku = needed("product code", raw.sku)?;
        check_currency(raw.currency, currency)?;
        let quantity =
            raw.quantity.trim().parse::<i64>().map_err(|_| RefusedLine::Quantity(raw.quantity.to_owned()))?;
        if kind_of(&number) == OrderKind::Credit && quantity >= 0 {
            return Err(RefusedLine::CreditSign(quantity));
        }
        let unit_price = parse_price(raw.unit_price)?;
        let exact = unit_price.checked_mul(Decimal::from(quantity)).ok_or(RefusedLine::Overflow)?;
        Ok(Self {
            number,
            sku,
            description: optional("description", raw.description, DESCRIPTION_LENGTH_MAX)?,
            quantity,
            occurred_at: parse_time(raw.occurred_at)?,
            unit_price,
            customer_reference: optional("customer", raw.customer, TEXT_LENGTH_MAX)?
                .map(|customer| customer.strip_suffix(".0").map(str::to_owned).unwrap_or(customer)),
            country: optional("country", raw.country, TEXT_LENGTH_MAX)?,
            amount: Money::from_exact(exact, currency).map_err(|_| RefusedLine::Overflow)?,
        })
    }
}

fn needed(name: &'static str, text: &str) -> Result<String, RefusedLine> {
    optional(name, text, TEXT_LENGTH_MAX)?.ok_or(RefusedLine::Empty(name))
}

fn optional(name: &'static str, text: &str, length_max: usize) -> Result<Option<String>, RefusedLine> {
    if text.len() > length_max {
        return Err(RefusedLine::TooLong(name, length_max));
    }
    if text.contains('\0') {
        return Err(RefusedLine::Nul(name));
    }
    Ok((!text.trim().is_empty()).then(|| text.to_owned()))
}

fn check_currency(text: &str, expected: Currency) -> Result<(), RefusedLine> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(());
    }
    let found = Currency::from_code(text).ok_or_else(|| RefusedLine::UnknownCurrency(text.to_owned()))?;
    if found == expected {
        return Ok(());
    }
    Err(RefusedLine::OtherCurrency { expected: expected.code(), found: text.to_owned() })
}

fn parse_price(text: &str) -> Result<Decimal, RefusedLine> {
    Decimal::from_str_exact(text.trim())
        .ok()
        .filter(|price| price.scale() <= PRICE_SCALE_MAX)
        .ok_or_else(|| RefusedLine::UnitPrice(text.to_owned()))
}

fn parse_time(text: &str) -> Result<Timestamp, RefusedLine> {
    jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text.trim())
        .and_then(|written| written.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|zoned| zoned.timestamp())
        .ok()
        .filter(|at| at.as_second() >= 0)
        .ok_or_else(|| RefusedLine::Time(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> RawLine<'static> {
        RawLine {
            number: "536365",
            sku: "85123A",
            description: "LANTERN ",
            quantity: "6",
            occurred_at: "2010-12-01 08:26:00",
            unit_price: "2.555",
            customer: "17850.0",
            country: "United Kingdom",
            currency: "",
        }
    }

    #[test]
    fn a_row_becomes_an_exact_line() {
        let line = ImportedLine::parse(&row(), Currency::GBP).expect("holds");
        assert_eq!(line.amount.amount_minor, 1533);
        assert_eq!(line.unit_price.to_string(), "2.555");
        assert_eq!(line.customer_reference.as_deref(), Some("17850"));
        assert_eq!(line.description.as_deref(), Some("LANTERN "));
        assert_eq!(line.occurred_at.to_string(), "2010-12-01T08:26:00Z");
    }

    #[test]
    fn each_fault_is_named() {
        let refused =
            |raw: RawLine<'_>| ImportedLine::parse(&raw, Currency::GBP).expect_err("refused").to_string();
        assert_eq!(refused(RawLine { quantity: "six", ..row() }), "quantity is not a whole number: \"six\"");
        assert_eq!(refused(RawLine { number: " ", ..row() }), "document number is empty");
        assert_eq!(
            refused(RawLine { currency: "EUR", ..row() }),
            "currency EUR differs from the import's GBP"
        );
        assert_eq!(refused(RawLine { currency: "XXQ", ..row() }), "currency is no ISO 4217 code: \"XXQ\"");
        assert!(refused(RawLine { occurred_at: "01/12/2010", ..row() }).starts_with("time is not"));
        assert!(refused(RawLine { unit_price: "1e3", ..row() }).starts_with("unit price"));
        assert!(refused(RawLine { unit_price: "0.0000001", ..row() }).starts_with("unit price"));
        assert_eq!(refused(RawLine { number: "C1", ..row() }), "a credit's quantity must be negative, not 6");
    }
}
