//! Tax that is part of the price shown.

/// Splits the price of one piece, tax included, into net and tax; both add up to it. `rate_basis_points`: 2000 is
/// 20 %. The net part is rounded half up. Prices are not negative.
pub fn split_inclusive(price_minor: i64, rate_basis_points: u32) -> (i64, i64) {
    let rate = i128::from(rate_basis_points);
    let doubled = i128::from(price_minor) * 20_000 + 10_000 + rate;
    let net = i64::try_from(doubled / (2 * (10_000 + rate))).expect("net is at most the price");
    (net, price_minor - net)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_shown_has_its_tax() {
        assert_eq!(split_inclusive(1999, 2000), (1666, 333));
        assert_eq!(split_inclusive(2400, 2000), (2000, 400));
        assert_eq!(split_inclusive(2400, 0), (2400, 0));
        assert_eq!(split_inclusive(3, 10_000), (2, 1));
    }

    proptest! {
        #[test]
        fn net_and_tax_are_the_price(price in 0i64..100_000_000_000, rate in 0u32..10_000) {
            let (net, tax) = split_inclusive(price, rate);
            prop_assert_eq!(net + tax, price);
            prop_assert!(net >= 0 && tax >= 0);
            // At most half a minor unit away from the exact net.
            let exact_scaled = i128::from(price) * 10_000;
            let off = (i128::from(net) * i128::from(10_000 + rate) - exact_scaled).abs();
            prop_assert!(2 * off <= i128::from(10_000 + rate));
        }
    }
}
