//! Where orders are sent, and the tax there.

/// A country that the shop delivers to.
#[derive(Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: &'static str,
    /// Value added tax on clothes, in basis points.
    pub rate_basis_points: u32,
    /// Tax on children's clothes, in basis points: none in the United Kingdom and in Ireland.
    pub kids_rate_basis_points: u32,
    /// Places of the warehouses in `stock::WAREHOUSES`, nearest first.
    pub nearest: [usize; 3],
    /// Fewest and most days from payment to delivery.
    pub delivery_days: (i64, i64),
}

/// The countries with the share of customers that live there: assumed, a British shop that also sells abroad. The
/// tax rates are the standard rates of 2024 to 2026.
pub const COUNTRIES: [(&Country, f64); 6] = [
    (&country("GB", 2000, 0, [0, 1, 2], (1, 4)), 0.85),
    (&country("IE", 2300, 0, [1, 0, 2], (2, 5)), 0.05),
    (&country("DE", 1900, 1900, [2, 0, 1], (3, 6)), 0.04),
    (&country("FR", 2000, 2000, [2, 0, 1], (3, 6)), 0.03),
    (&country("NL", 2100, 2100, [2, 0, 1], (2, 4)), 0.02),
    (&country("ES", 2100, 2100, [2, 0, 1], (4, 7)), 0.01),
];

const fn country(
    code: &'static str,
    rate_basis_points: u32,
    kids_rate_basis_points: u32,
    nearest: [usize; 3],
    delivery_days: (i64, i64),
) -> Country {
    Country { code, rate_basis_points, kids_rate_basis_points, nearest, delivery_days }
}

impl Country {
    /// Tax on clothes of a department.
    pub fn rate_of(&self, is_for_kids: bool) -> u32 {
        if is_for_kids { self.kids_rate_basis_points } else { self.rate_basis_points }
    }
}
