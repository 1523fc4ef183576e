//! Promotions: so many percent off an order between two times.

use jiff::Timestamp;

use crate::money::Money;
use crate::tax::split_inclusive;

/// A promotion with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// What the customer enters: capital letters, digits and hyphens.
    pub code: String,
    /// What the merchant calls it.
    pub name: String,
    /// Percent off the goods, 1 to 100.
    pub percent_off: u8,
    /// Least value of the goods, as shown to the customer.
    pub minimum: Money,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when, not included.
    pub ends_at: Timestamp,
}

impl Promotion {
    /// Whether it runs at that time and the goods, as shown before the discount, are worth enough.
    pub fn applies(&self, at: Timestamp, goods: Money) -> bool {
        self.starts_at <= at
            && at < self.ends_at
            && goods.currency == self.minimum.currency
            && goods.amount_minor >= self.minimum.amount_minor
    }
}

/// `percent_off` percent of an amount that is shown to the customer, half up. `percent_off` is at most 100, the
/// amount is not negative.
pub fn shown_discount(shown_minor: i64, percent_off: u8) -> i64 {
    let off = (i128::from(shown_minor) * i128::from(percent_off) + 50) / 100;
    i64::try_from(off).expect("at most the amount itself")
}

/// The amounts of an order's line, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinePrice {
    /// Net price of one piece, before the discount.
    pub unit_net_minor: i64,
    /// Discount of the whole line, net.
    pub discount_minor: i64,
    /// Tax on what is left.
    pub tax_minor: i64,
}

/// Prices a line of `quantity` pieces that are shown at `unit_shown_minor`, tax included.
///
/// What the customer pays is exactly the shown value less the shown discount. One piece is split into net and tax, so
/// that quantity times unit net is the line; what is left after the discount is split anew, and the discount is the
/// difference of the two nets.
pub fn price_line(
    quantity: i64,
    unit_shown_minor: i64,
    rate_basis_points: u32,
    percent_off: u8,
) -> LinePrice {
    let (unit_net_minor, unit_tax) = split_inclusive(unit_shown_minor, rate_basis_points);
    let shown = quantity * unit_shown_minor;
    let off = shown_discount(shown, percent_off);
    if off == 0 {
        return LinePrice { unit_net_minor, discount_minor: 0, tax_minor: quantity * unit_tax };
    }
    let before = quantity * unit_net_minor;
    // Many pieces, each rounded down, can be less than their sum rounded once: a discount is never negative.
    let net = split_inclusive(shown - off, rate_basis_points).0.min(before);
    LinePrice { unit_net_minor, discount_minor: before - net, tax_minor: shown - off - net }
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency;
    use proptest::prelude::*;

    use super::*;

    fn pounds(amount_minor: i64) -> Money {
        Money { amount_minor, currency: Currency::GBP }
    }

    #[test]
    fn a_promotion_has_a_window_and_a_minimum() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let promotion = Promotion {
            code: "SUMMER20".to_owned(),
            name: "Summer".to_owned(),
            percent_off: 20,
            minimum: pounds(3000),
            starts_at: at("2026-07-01T00:00:00Z"),
            ends_at: at("2026-07-15T00:00:00Z"),
        };
        assert!(promotion.applies(promotion.starts_at, pounds(3000)));
        assert!(!promotion.applies(promotion.ends_at, pounds(3000)));
        assert!(!promotion.applies(at("2026-06-30T23:59:59.999Z"), pounds(3000)));
        assert!(!promotion.applies(promotion.starts_at, pounds(2999)));
        let euros = Money { amount_minor: 9999, currency: Currency::EUR };
        assert!(!promotion.applies(promotion.starts_at, euros));
    }

    #[test]
    fn a_line_is_priced_from_what_is_shown() {
        let plain = price_line(2, 1999, 2000, 0);
        assert_eq!(plain, LinePrice { unit_net_minor: 1666, discount_minor: 0, tax_minor: 666 });
        // 39.98 shown, 20 % off is 8.00 (7.996 half up); 31.98 is 26.65 net and 5.33 tax.
        let reduced = price_line(2, 1999, 2000, 20);
        assert_eq!(reduced, LinePrice { unit_net_minor: 1666, discount_minor: 667, tax_minor: 533 });
        assert_eq!(shown_discount(10, 5), 1);
        assert_eq!(shown_discount(9, 5), 0);
    }

    proptest! {
        #[test]
        fn what_is_paid_is_shown_less_the_discount(
            quantity in 1i64..1000, unit in 0i64..10_000_000, rate in 0u32..10_000, percent in 0u8..=100
        ) {
            let line = price_line(quantity, unit, rate, percent);
            let shown = quantity * unit;
            let paid = quantity * line.unit_net_minor - line.discount_minor + line.tax_minor;
            prop_assert_eq!(paid, shown - shown_discount(shown, percent));
            prop_assert!(line.discount_minor >= 0 && line.tax_minor >= 0);
            prop_assert!(line.discount_minor <= quantity * line.unit_net_minor);
        }

        #[test]
        fn a_discount_is_the_nearest_minor_unit(shown in 0i64..1_000_000_000, percent in 0u8..=100) {
            let off = shown_discount(shown, percent);
            prop_assert!((off * 100 - shown * i64::from(percent)).abs() <= 50);
            prop_assert!((0..=shown).contains(&off));
        }
    }
}
