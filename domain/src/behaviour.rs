//! What shoppers do: views, searches, clicks, carts and checkouts, as the lake keeps them.

use jiff::Timestamp;

use crate::experiment::Arm;
use crate::ids::{EventId, ExperimentId, OrderId, ProductId, SessionId, UserId, VariantId};
use crate::money::Money;

/// What a shopper did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BehaviourKind {
    /// Looked at a product.
    View,
    /// Searched; the query is beside it.
    Search,
    /// Took a product from a list of results; its place is beside it.
    Click,
    /// Put a variant into the cart.
    CartAdd,
    /// Took a variant out of the cart.
    CartRemove,
    /// Began the checkout.
    Checkout,
    /// Placed an order that was paid.
    Purchase,
}

impl BehaviourKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::View,
        Self::Search,
        Self::Click,
        Self::CartAdd,
        Self::CartRemove,
        Self::Checkout,
        Self::Purchase,
    ];

    /// The kind's name in the lake and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Search => "search",
            Self::Click => "click",
            Self::CartAdd => "cart_add",
            Self::CartRemove => "cart_remove",
            Self::Checkout => "checkout",
            Self::Purchase => "purchase",
        }
    }
}

/// One thing that a shopper did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BehaviourEvent {
    /// Unique; whoever has seen it is done. Its millisecond is `occurred_at`.
    pub id: EventId,
    /// When.
    pub occurred_at: Timestamp,
    /// In which visit.
    pub session_id: SessionId,
    /// The account, when the shopper was signed in.
    pub user_id: Option<UserId>,
    /// What.
    pub kind: BehaviourKind,
    /// The product of a view, click, or change of the cart.
    pub product_id: Option<ProductId>,
    /// The variant of a change of the cart.
    pub variant_id: Option<VariantId>,
    /// The words of a search, or those that led to a click.
    pub query: Option<String>,
    /// How many products a search found, if that was told.
    pub results: Option<u32>,
    /// How long the shopper waited for what a search found, in milliseconds, if that was told.
    pub waited_ms: Option<u32>,
    /// Place of a clicked result, from 1.
    pub position: Option<u16>,
    /// Pieces put into or taken out of the cart.
    pub quantity: Option<u32>,
    /// Price of one piece, or what a purchase cost.
    pub amount: Option<Money>,
    /// The order of a purchase.
    pub order_id: Option<OrderId>,
    /// The experiment that a search took part in, or that the search of a click did, as the answer told.
    pub experiment: Option<SeenExperiment>,
}

/// An experiment as a shopper met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenExperiment {
    /// Which.
    pub id: ExperimentId,
    /// The arm that answered the search, or brought the clicked hit; `None` for a search that both answered.
    pub arm: Option<Arm>,
}

impl BehaviourEvent {
    /// Something done, with nothing told beside it.
    pub fn new(id: EventId, occurred_at: Timestamp, session_id: SessionId, kind: BehaviourKind) -> Self {
        Self {
            id,
            occurred_at,
            session_id,
            user_id: None,
            kind,
            product_id: None,
            variant_id: None,
            query: None,
            results: None,
            waited_ms: None,
            position: None,
            quantity: None,
            amount: None,
            order_id: None,
            experiment: None,
        }
    }
}
