//! Who may do what: roles and the permissions they hold.

use serde::{Deserialize, Serialize};

/// Something that a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Create and change products.
    ManageProducts,
    /// See every order, not only one's own.
    ReadAllOrders,
    /// See one's own orders.
    ReadOwnOrders,
    /// See reports.
    ReadReports,
    /// See stock and its ledger.
    ReadInventory,
    /// See what consumers gave up, and send it again.
    ManageEvents,
    /// Rebuild and repair the search index.
    ManageIndex,
    /// Change stock by hand.
    ManageInventory,
    /// Say who gets webhooks, and see what was sent.
    ManageWebhooks,
    /// Set synonyms, rules and weights of the search, and put them live.
    TuneSearch,
}

/// A role of a signed-in person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything.
    Admin,
    /// Sells: products and orders.
    Vendor,
    /// Tunes the search.
    Merchandiser,
    /// Reads reports.
    Analyst,
    /// Buys.
    Shopper,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Admin, Self::Vendor, Self::Merchandiser, Self::Analyst, Self::Shopper];

    /// The role's name in tokens and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Vendor => "vendor",
            Self::Merchandiser => "merchandiser",
            Self::Analyst => "analyst",
            Self::Shopper => "shopper",
        }
    }

    /// Whether the role holds the permission. What is not listed is denied.
    pub fn holds(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Admin => true,
            Self::Vendor => matches!(
                permission,
                P::ManageProducts
                    | P::ReadAllOrders
                    | P::ReadOwnOrders
                    | P::ReadReports
                    | P::ReadInventory
                    | P::ManageInventory
            ),
            Self::Analyst => {
                matches!(permission, P::ReadAllOrders | P::ReadOwnOrders | P::ReadReports | P::ReadInventory)
            }
            Self::Merchandiser => matches!(permission, P::ReadOwnOrders | P::TuneSearch),
            Self::Shopper => matches!(permission, P::ReadOwnOrders),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shopper_sees_only_own_orders() {
        assert!(Role::Shopper.holds(Permission::ReadOwnOrders));
        assert!(!Role::Shopper.holds(Permission::ReadAllOrders));
        assert!(!Role::Shopper.holds(Permission::ManageProducts));
        assert!(!Role::Merchandiser.holds(Permission::ReadReports));
        assert!(!Role::Shopper.holds(Permission::ReadInventory));
        assert!(Role::Vendor.holds(Permission::ManageInventory));
        assert!(!Role::Analyst.holds(Permission::ManageInventory));
    }
}
