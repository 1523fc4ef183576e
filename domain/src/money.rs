//! Money: integer minor units with an ISO 4217 currency. No float comes near it.

pub use iso_currency::Currency;
use iso_currency::IntoEnumIterator;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// An amount of one currency, in minor units (pence, cents).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units: 1999 of GBP is 19.99 pounds.
    pub amount_minor: i64,
    /// ISO 4217 code.
    pub currency: Currency,
}

/// What a computation of money can fail at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit 64 bits of minor units.
    #[error("the amount does not fit")]
    Overflow,
    /// The amount is no whole number of minor units.
    #[error("the amount has parts of a minor unit")]
    Parts,
}

impl Money {
    /// An exact decimal amount in major units, rounded half up (away from zero) to minor units.
    pub fn from_exact(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let minor = amount.checked_mul(minor_units_per_major(currency)).ok_or(MoneyError::Overflow)?;
        let rounded = minor.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        let amount_minor = rounded.try_into().map_err(|_| MoneyError::Overflow)?;
        Ok(Self { amount_minor, currency })
    }

    /// A decimal amount in major units that is a whole number of minor units; never rounded.
    pub fn from_whole(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let minor = amount.checked_mul(minor_units_per_major(currency)).ok_or(MoneyError::Overflow)?;
        if !minor.is_integer() {
            return Err(MoneyError::Parts);
        }
        let amount_minor = minor.try_into().map_err(|_| MoneyError::Overflow)?;
        Ok(Self { amount_minor, currency })
    }
}

/// Digits after the point in the currency's minor unit: 2 for GBP, 0 for JPY.
pub fn exponent(currency: Currency) -> u32 {
    currency.exponent().map_or(0, u32::from)
}

/// Every currency there is.
pub fn currencies() -> impl Iterator<Item = Currency> {
    Currency::iter()
}

fn minor_units_per_major(currency: Currency) -> Decimal {
    Decimal::from(10u64.pow(exponent(currency)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_minor_unit_goes_away_from_zero() {
        let minor = |text: &str| {
            Money::from_exact(text.parse().expect("decimal"), Currency::GBP).map(|money| money.amount_minor)
        };
        assert_eq!(minor("0.005"), Ok(1));
        assert_eq!(minor("-0.005"), Ok(-1));
        assert_eq!(minor("0.00499"), Ok(0));
        assert_eq!(minor("19.99"), Ok(1999));
        assert_eq!(minor("99999999999999999999"), Err(MoneyError::Overflow));
    }

    #[test]
    fn a_whole_amount_is_never_rounded() {
        let whole = |text: &str, currency| {
            let amount = Decimal::from_str_exact(text).expect("decimal");
            Money::from_whole(amount, currency).map(|money| money.amount_minor)
        };
        assert_eq!(whole("19.990", Currency::GBP), Ok(1999));
        assert_eq!(whole("0.005", Currency::GBP), Err(MoneyError::Parts));
        assert_eq!(whole("19.99", Currency::JPY), Err(MoneyError::Parts));
        assert_eq!(whole("99999999999999999999", Currency::GBP), Err(MoneyError::Overflow));
    }

    #[test]
    fn a_currency_has_its_own_exponent() {
        let yen = Money::from_exact("12.5".parse().expect("decimal"), Currency::JPY).expect("fits");
        assert_eq!(yen.amount_minor, 13);
    }
}
