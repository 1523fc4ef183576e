//! Money: integer minor units with an ISO 4217 currency. No float comes near it.

pub use iso_currency::Currency;
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

/// What sums of money can fail at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Two currencies cannot be added.
    #[error("{0:?} and {1:?} cannot be added")]
    CurrencyMismatch(Currency, Currency),
    /// The result does not fit 64 bits of minor units.
    #[error("the amount does not fit")]
    Overflow,
}

impl Money {
    /// The sum, if the currencies are the same and it fits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        let amount_minor = self.amount_minor.checked_add(other.amount_minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount_minor, ..self })
    }

    /// An exact decimal amount in major units, rounded half up (away from zero) to minor units.
    pub fn from_exact(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let minor = amount.checked_mul(minor_units_per_major(currency)).ok_or(MoneyError::Overflow)?;
        let rounded = minor.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        let amount_minor = rounded.try_into().map_err(|_| MoneyError::Overflow)?;
        Ok(Self { amount_minor, currency })
    }
}

/// Digits after the point in the currency's minor unit: 2 for GBP, 0 for JPY.
pub fn exponent(currency: Currency) -> u32 {
    currency.exponent().map_or(0, u32::from)
}

fn minor_units_per_major(currency: Currency) -> Decimal {
    Decimal::from(10u64.pow(exponent(currency)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn a_currency_has_its_own_exponent() {
        let yen = Money::from_exact("12.5".parse().expect("decimal"), Currency::JPY).expect("fits");
        assert_eq!(yen.amount_minor, 13);
    }

    proptest! {
        #[test]
        fn addition_never_wraps(left: i64, right: i64) {
            let money = |amount_minor| Money { amount_minor, currency: Currency::EUR };
            let sum = money(left).checked_add(money(right));
            match left.checked_add(right) {
                Some(exact) => prop_assert_eq!(sum, Ok(money(exact))),
                None => prop_assert_eq!(sum, Err(MoneyError::Overflow)),
            }
        }
    }
}
