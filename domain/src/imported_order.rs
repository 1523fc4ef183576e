//! Lines of an imported order history: what a row must be to become an order line.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
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
    /// As [`LineRules::time`] says.
    pub occurred_at: &'a str,
    /// Price of one piece.
    pub unit_price: &'a str,
    /// Customer.
    pub customer: &'a str,
    /// Country.
    pub country: &'a str,
    /// ISO 4217 code; empty: the import's own currency.
    pub currency: &'a str,
    /// `sale`, `credit` or `adjustment`; empty: a sale. Read only when the rules say so.
    pub kind: &'a str,
}

/// What a history's rows mean: nothing is guessed.
#[derive(Debug, Clone, PartialEq)]
pub struct LineRules {
    /// Currency of every document.
    pub currency: Currency,
    /// How times are written.
    pub time: TimeRule,
    /// What tells a document's kind.
    pub kind: KindRule,
}

/// How times are written.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeRule {
    /// `YYYY-MM-DD HH:MM:SS`, UTC as written.
    Plain,
    /// RFC 3339, with its offset.
    Rfc3339,
    /// strftime directives; the zone is that of times without an offset.
    Pattern {
        /// Such as `%d/%m/%Y %H:%M`.
        pattern: String,
        /// Without it the pattern has an offset.
        zone: Option<TimeZone>,
    },
}

/// What tells a document's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindRule {
    /// Its number: see [`kind_of`].
    Number,
    /// A field.
    Written,
}

impl LineRules {
    /// The rules of UCI Online Retail.
    pub fn online_retail(currency: Currency) -> Self {
        Self { currency, time: TimeRule::Plain, kind: KindRule::Number }
    }
}

/// A row that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLine {
    /// Document number as written.
    pub number: String,
    /// Kind of its document.
    pub kind: OrderKind,
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
    #[error("time is not {expected}: {found:?}")]
    Time {
        /// How it should be written.
        expected: String,
        /// What the row says.
        found: String,
    },
    /// Not a kind of document.
    #[error("kind is not sale, credit or adjustment: {0:?}")]
    Kind(String),
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
    /// Checks a row against the history's rules.
    pub fn parse(raw: &RawLine<'_>, rules: &LineRules) -> Result<Self, RefusedLine> {
        let number = needed("document number", raw.number)?;
        let sku = needed("product code", raw.sku)?;
        check_currency(raw.currency, rules.currency)?;
        let kind = match rules.kind {
            KindRule::Number => kind_of(&number),
            KindRule::Written => parse_kind(raw.kind)?,
        };
        let quantity =
            raw.quantity.trim().parse::<i64>().map_err(|_| RefusedLine::Quantity(raw.quantity.to_owned()))?;
        if kind == OrderKind::Credit && quantity >= 0 {
            return Err(RefusedLine::CreditSign(quantity));
        }
        let unit_price = parse_price(raw.unit_price)?;
        let exact = unit_price.checked_mul(Decimal::from(quantity)).ok_or(RefusedLine::Overflow)?;
        Ok(Self {
            number,
            kind,
            sku,
            description: optional("description", raw.description, DESCRIPTION_LENGTH_MAX)?,
            quantity,
            occurred_at: parse_time(raw.occurred_at, &rules.time)?,
            unit_price,
            customer_reference: optional("customer", raw.customer, TEXT_LENGTH_MAX)?
                .map(|customer| customer.strip_suffix(".0").map(str::to_owned).unwrap_or(customer)),
            country: optional("country", raw.country, TEXT_LENGTH_MAX)?,
            amount: Money::from_exact(exact, rules.currency).map_err(|_| RefusedLine::Overflow)?,
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

fn parse_kind(text: &str) -> Result<OrderKind, RefusedLine> {
    match text.trim() {
        "" => Ok(OrderKind::Sale),
        name => OrderKind::from_name(name).ok_or_else(|| RefusedLine::Kind(name.to_owned())),
    }
}

fn parse_time(text: &str, rule: &TimeRule) -> Result<Timestamp, RefusedLine> {
    let written = text.trim();
    let at = match rule {
        TimeRule::Plain => plain_time(written),
        TimeRule::Rfc3339 => written.parse().ok(),
        TimeRule::Pattern { pattern, zone: None } => Timestamp::strptime(pattern, written).ok(),
        TimeRule::Pattern { pattern, zone: Some(zone) } => DateTime::strptime(pattern, written)
            .and_then(|civil| civil.to_zoned(zone.clone()))
            .map(|zoned| zoned.timestamp())
            .ok(),
    };
    at.filter(|at| at.as_second() >= 0).ok_or_else(|| {
        let expected = match rule {
            TimeRule::Plain => "YYYY-MM-DD HH:MM:SS",
            TimeRule::Rfc3339 => "RFC 3339 with an offset",
            TimeRule::Pattern { pattern, .. } => pattern,
        };
        RefusedLine::Time { expected: expected.to_owned(), found: text.to_owned() }
    })
}

/// Digits at their places: a history has half a million of them.
pub(crate) fn plain_time(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let is_apart = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
    if is_apart.iter().any(|&(place, separator)| bytes[place] != separator) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = &bytes[from..to];
        let is_number = digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| digits.iter().fold(0_i16, |number, digit| number * 10 + i16::from(digit - b'0')))
    };
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let (year, month, day) = (number(0, 4)?, small(5)?, small(8)?);
    let civil = DateTime::new(year, month, day, small(11)?, small(14)?, small(17)?, 0).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
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
            kind: "credit",
        }
    }

    fn parse(raw: &RawLine<'_>) -> Result<ImportedLine, RefusedLine> {
        ImportedLine::parse(raw, &LineRules::online_retail(Currency::GBP))
    }

    #[test]
    fn a_row_becomes_an_exact_line() {
        let line = parse(&row()).expect("holds");
        assert_eq!(line.amount.amount_minor, 1533);
        assert_eq!(line.unit_price.to_string(), "2.555");
        assert_eq!(line.customer_reference.as_deref(), Some("17850"));
        assert_eq!(line.description.as_deref(), Some("LANTERN "));
        assert_eq!(line.occurred_at.to_string(), "2010-12-01T08:26:00Z");
    }

    #[test]
    fn each_fault_is_named() {
        let refused = |raw: RawLine<'_>| parse(&raw).expect_err("refused").to_string();
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

    #[test]
    fn times_are_read_as_the_rules_say() {
        let at = |text: &str, time: TimeRule| {
            let rules = LineRules { time, ..LineRules::online_retail(Currency::GBP) };
            let line = ImportedLine::parse(&RawLine { occurred_at: text, ..row() }, &rules);
            line.map(|line| line.occurred_at.to_string()).map_err(|refusal| refusal.to_string())
        };
        let seconds = "2021-07-01T10:00:00Z".to_owned();
        assert_eq!(at("2021-07-01T12:00:00+02:00", TimeRule::Rfc3339), Ok(seconds.clone()));
        let paris = TimeZone::get("Europe/Paris").ok();
        let pattern = |text: &str, zone: &Option<TimeZone>| TimeRule::Pattern {
            pattern: text.to_owned(),
            zone: zone.clone(),
        };
        assert_eq!(at("01/07/2021 12:00", pattern("%d/%m/%Y %H:%M", &paris)), Ok(seconds.clone()));
        assert_eq!(at("20210701 120000 +0200", pattern("%Y%m%d %H%M%S %z", &None)), Ok(seconds));
        let refused = at("07/31/2021 12:00", pattern("%d/%m/%Y %H:%M", &paris)).expect_err("no such month");
        assert_eq!(refused, "time is not %d/%m/%Y %H:%M: \"07/31/2021 12:00\"");
        for wrong in
            ["2021-02-29 10:00:00", "2021-07-01 24:00:00", "2021-07-01T10:00:00", "2021-7-01 10:00:00"]
        {
            assert!(at(wrong, TimeRule::Plain).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_kind_is_read_where_it_is_written() {
        let rules = LineRules { kind: KindRule::Written, ..LineRules::online_retail(Currency::GBP) };
        let kind = |kind: &str, quantity: &str| {
            let line = ImportedLine::parse(&RawLine { number: "A-1", kind, quantity, ..row() }, &rules);
            line.map(|line| line.kind).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(kind("", "1"), Ok(OrderKind::Sale));
        assert_eq!(kind("credit", "-1"), Ok(OrderKind::Credit));
        assert_eq!(kind("credit", "1"), Err("a credit's quantity must be negative, not 1".to_owned()));
        assert!(kind("gift", "1").is_err());
    }
}
