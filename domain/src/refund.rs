//! Refunds: money given back for lines of an order.

use jiff::Timestamp;

use crate::ids::{PaymentId, RefundId};
use crate::shop_order::ShopOrderLine;

/// What is given back of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundLine {
    /// The order's line.
    pub line_number: i32,
    /// Pieces, from 1.
    pub quantity: i64,
    /// Net of tax, after the line's discount, in minor units.
    pub net_minor: i64,
    /// Tax on it.
    pub tax_minor: i64,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The id.
    pub id: RefundId,
    /// When the money went back.
    pub occurred_at: Timestamp,
    /// The captured payment that it comes from.
    pub payment_id: PaymentId,
    /// Such as `too_small`.
    pub reason: String,
    /// What it gives back; at least one line.
    pub lines: Vec<RefundLine>,
}

impl Refund {
    /// What goes back to the customer, in minor units.
    pub fn amount_minor(&self) -> i64 {
        self.lines.iter().map(|line| line.net_minor + line.tax_minor).sum()
    }
}

/// What `quantity` pieces of a line give back when `given_back` pieces went back before: every piece the same, rounded
/// down, and the last piece what is left, so that the whole line gives back exactly what was paid for it. `None` when
/// the line does not have that many pieces left.
pub fn line_refund(
    line_number: i32,
    line: &ShopOrderLine,
    given_back: i64,
    quantity: i64,
) -> Option<RefundLine> {
    if quantity < 1 || given_back < 0 || given_back + quantity > line.quantity {
        return None;
    }
    let share = |paid: i64| {
        let piece = paid / line.quantity;
        let is_last = given_back + quantity == line.quantity;
        if is_last { paid - piece * given_back } else { piece * quantity }
    };
    let net_minor = share(line.amount_minor() - line.discount_minor);
    Some(RefundLine { line_number, quantity, net_minor, tax_minor: share(line.tax_minor) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::ids::{ProductId, VariantId};

    fn line(quantity: i64, unit_net_minor: i64, discount_minor: i64, tax_minor: i64) -> ShopOrderLine {
        ShopOrderLine {
            product_id: ProductId(Uuid::nil()),
            variant_id: VariantId(Uuid::nil()),
            sku: String::new(),
            description: String::new(),
            quantity,
            unit_net_minor,
            discount_minor,
            tax_minor,
        }
    }

    #[test]
    fn the_last_piece_takes_the_rest() {
        let line = line(3, 100, 1, 59);
        let back = |given, quantity| {
            line_refund(1, &line, given, quantity).map(|back| (back.net_minor, back.tax_minor))
        };
        assert_eq!(back(0, 1), Some((99, 19)));
        assert_eq!(back(1, 1), Some((99, 19)));
        assert_eq!(back(2, 1), Some((101, 21)));
        assert_eq!(back(0, 3), Some((299, 59)));
        assert_eq!(back(0, 4), None);
        assert_eq!(back(3, 1), None);
        assert_eq!(back(0, 0), None);
    }

    proptest! {
        #[test]
        fn a_line_gives_back_what_was_paid_and_never_more(
            parts in proptest::collection::vec(1i64..5, 1..8),
            unit in 0i64..1_000_000,
            discount_share in 0i64..=100,
            tax in 0i64..1_000_000,
        ) {
            let quantity: i64 = parts.iter().sum();
            let line = line(quantity, unit, quantity * unit * discount_share / 100, tax);
            let paid_net = line.amount_minor() - line.discount_minor;
            let (mut pieces, mut net, mut taxed) = (0, 0, 0);
            for part in parts {
                let back = line_refund(1, &line, pieces, part).expect("pieces are left");
                prop_assert!(back.net_minor >= 0 && back.tax_minor >= 0);
                pieces += part;
                net += back.net_minor;
                taxed += back.tax_minor;
                prop_assert!(net <= paid_net && taxed <= line.tax_minor);
            }
            prop_assert_eq!((net, taxed), (paid_net, line.tax_minor));
            prop_assert!(line_refund(1, &line, pieces, 1).is_none());
        }
    }
}
