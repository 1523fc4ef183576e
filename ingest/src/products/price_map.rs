//! Where a price is, in which currency and unit: nothing is guessed.

use domain::field_error::FieldError;
use domain::money::{Currency, Money, exponent};
use rust_decimal::Decimal;
use serde::Deserialize;

/// Where a price is, as written in a map.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceMap {
    /// Column of the amount.
    pub column: String,
    /// Currency of every price.
    #[serde(default)]
    currency: Option<Currency>,
    /// Column of an ISO 4217 code.
    #[serde(default)]
    pub currency_column: Option<String>,
    /// What the amount counts.
    #[serde(default)]
    unit: Unit,
}

/// What an amount counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    /// Pounds, euros: a decimal number.
    #[default]
    Major,
    /// Pence, cents: a whole number.
    Minor,
}

/// A price's columns, found in a header.
#[derive(Debug, Clone)]
pub(super) struct BoundPrice {
    amount: Option<usize>,
    currency: Option<Currency>,
    currency_column: Option<usize>,
    unit: Unit,
}

impl PriceMap {
    /// What is wrong with the map itself.
    pub(super) fn fault(&self) -> Option<&'static str> {
        (self.currency.is_some() == self.currency_column.is_some())
            .then_some("a price needs either a currency or a currency_column")
    }

    pub(super) fn bind<E>(
        &self,
        find: impl Fn(&String) -> Result<Option<usize>, E>,
    ) -> Result<BoundPrice, E> {
        Ok(BoundPrice {
            amount: find(&self.column)?,
            currency: self.currency,
            currency_column: self.currency_column.as_ref().map(&find).transpose()?.flatten(),
            unit: self.unit,
        })
    }
}

impl BoundPrice {
    /// Whether the file has it.
    pub(super) fn is_there(&self) -> bool {
        self.amount.is_some()
    }

    /// The price; `None` when the row has none. `pointer` names the field for an error.
    pub(super) fn read(&self, row: &[String], pointer: &str) -> Result<Option<Money>, FieldError> {
        let text = |column: Option<usize>| super::column_map::text(row, column);
        let Some(written) = text(self.amount) else {
            return Ok(None);
        };
        let invalid = |detail: String| FieldError::new(pointer, "invalid", detail);
        let currency = match (self.currency, text(self.currency_column)) {
            (Some(currency), _) => currency,
            (None, Some(code)) => {
                Currency::from_code(code).ok_or_else(|| invalid(format!("{code:?} is no ISO 4217 code")))?
            }
            (None, None) => return Err(invalid(format!("{written:?} has no currency"))),
        };
        let wrong = || invalid(format!("{written:?} is no price"));
        if self.unit == Unit::Minor {
            let amount_minor = written.parse().map_err(|_| wrong())?;
            return Ok(Some(Money { amount_minor, currency }));
        }
        let exact = Decimal::from_str_exact(written).map_err(|_| wrong())?;
        let digits = exponent(currency);
        if exact.normalize().scale() > digits {
            return Err(invalid(format!("{written:?} has more than {digits} digits after the point")));
        }
        Money::from_exact(exact, currency).map(Some).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(map: &str, cells: [&str; 2]) -> Result<Option<i64>, String> {
        let map: PriceMap = toml::from_str(map).expect("a map");
        assert_eq!(map.fault(), None);
        let bound = map.bind(|name| Ok::<_, ()>(["amount", "code"].iter().position(|known| known == name)));
        let row = cells.map(str::to_owned);
        let price = bound.expect("bound").read(&row, "/price").map_err(|error| error.detail)?;
        Ok(price.map(|money| money.amount_minor))
    }

    #[test]
    fn a_price_is_exact_in_its_unit() {
        let pounds = "column = \"amount\"\ncurrency = \"GBP\"";
        assert_eq!(read(pounds, ["19.99", ""]), Ok(Some(1999)));
        assert_eq!(read(pounds, ["19.990", ""]), Ok(Some(1999)));
        assert_eq!(read(pounds, ["", ""]), Ok(None));
        assert!(read(pounds, ["1.999", ""]).is_err_and(|text| text.contains("2 digits")));
        assert!(read(pounds, ["1e2", ""]).is_err());
        let own = "column = \"amount\"\ncurrency_column = \"code\"\nunit = \"minor\"";
        assert_eq!(read(own, ["1999", "JPY"]), Ok(Some(1999)));
        assert!(read(own, ["19.99", "GBP"]).is_err());
        assert!(read(own, ["1999", "XYZW"]).is_err_and(|text| text.contains("ISO 4217")));
        assert!(read(own, ["1999", ""]).is_err_and(|text| text.contains("no currency")));
    }

    #[test]
    fn a_currency_is_said_once() {
        let map = |text: &str| toml::from_str::<PriceMap>(text).expect("a map").fault();
        assert!(map("column = \"amount\"").is_some());
        assert!(map("column = \"amount\"\ncurrency = \"GBP\"\ncurrency_column = \"code\"").is_some());
    }
}
