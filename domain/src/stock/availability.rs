//! Whether a variant can be bought, over all warehouses, and when that is news.

/// So many pieces or fewer are few.
pub const LOW_AT: i64 = 5;

/// How much of a variant is left to sell in all warehouses together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Availability {
    /// Enough.
    InStock,
    /// [`LOW_AT`] pieces or fewer.
    Low,
    /// Nothing.
    Out,
}

/// A border that was crossed: what somebody wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Crossing {
    /// The last piece is gone.
    RanOut,
    /// Few pieces are left of many.
    BecameLow,
    /// There is something again after there was nothing.
    CameBack,
}

impl Availability {
    /// What so many pieces that are left to sell mean.
    pub fn of(available: i64) -> Self {
        match available {
            ..=0 => Self::Out,
            1..=LOW_AT => Self::Low,
            _ => Self::InStock,
        }
    }

    /// The name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::InStock => "in_stock",
            Self::Low => "low",
            Self::Out => "out",
        }
    }

    /// The availability of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::InStock, Self::Low, Self::Out].into_iter().find(|availability| availability.name() == name)
    }

    /// The border between this and what it became; `None` when nobody needs to know. That few pieces are many again is
    /// no news.
    pub fn crossing(self, after: Self) -> Option<Crossing> {
        match (self, after) {
            (Self::Out, Self::Low | Self::InStock) => Some(Crossing::CameBack),
            (Self::Low | Self::InStock, Self::Out) => Some(Crossing::RanOut),
            (Self::InStock, Self::Low) => Some(Crossing::BecameLow),
            (Self::Low, Self::Low | Self::InStock)
            | (Self::InStock, Self::InStock)
            | (Self::Out, Self::Out) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_are_few_and_six_are_enough() {
        let of = [-1, 0, 1, 5, 6].map(Availability::of);
        use Availability::{InStock, Low, Out};
        assert_eq!(of, [Out, Out, Low, Low, InStock]);
        for availability in [InStock, Low, Out] {
            assert_eq!(Availability::from_name(availability.name()), Some(availability));
        }
        assert_eq!(Availability::from_name("plenty"), None);
    }

    #[test]
    fn a_border_is_told_by_where_it_leads() {
        use Availability::{InStock, Low, Out};
        assert_eq!(InStock.crossing(Low), Some(Crossing::BecameLow));
        for before in [InStock, Low] {
            assert_eq!(before.crossing(Out), Some(Crossing::RanOut));
        }
        for after in [InStock, Low] {
            assert_eq!(Out.crossing(after), Some(Crossing::CameBack));
        }
        assert_eq!(Low.crossing(InStock), None);
        for same in [InStock, Low, Out] {
            assert_eq!(same.crossing(same), None);
        }
    }
}
