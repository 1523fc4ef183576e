//! Behaviour events as clients tell them.

use domain::behaviour::{BehaviourEvent, BehaviourKind, SeenExperiment};
use domain::ids::{EventId, OrderId, ProductId, SessionId, UserId, VariantId};
use domain::money::Money;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::product_json::MoneyJson;

/// What a shopper did.
#[derive(Debug, ToSchema)]
#[schema(as = BehaviourKind, rename_all = "snake_case")]
pub enum KindJson {
    /// Looked at `product_id`.
    View,
    /// Searched for `query`; `results` and `waited_ms` beside it.
    Search,
    /// Took `product_id` at `position` from the results of `query`.
    Click,
    /// Put `quantity` of `product_id` into the cart.
    CartAdd,
    /// Took `quantity` of `product_id` out of the cart.
    CartRemove,
    /// Began the checkout.
    Checkout,
    /// Has paid `order_id`. No report of money reads it: orders tell their own.
    Purchase,
}

/// The experiment of a search, as its answer told it.
#[derive(Debug, ToSchema)]
#[schema(as = ToldExperiment)]
pub struct ToldExperimentJson {
    /// `query.experiment.id` of the answer.
    pub id: Uuid,
    /// `query.experiment.arm` of the answer, or the `arm` of the hit.
    #[schema(value_type = Option<crate::routes::search::search_page_json::ArmJson>)]
    pub arm: Option<()>,
}

/// Something that a shopper did.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewEvent)]
#[serde(deny_unknown_fields)]
pub struct NewEventJson {
    /// Made by the client, the same when it tells the event again.
    #[schema(value_type = Uuid)]
    event_id: EventId,
    /// When, by the client's clock: at most 7 days ago. The same when it tells the event again.
    occurred_at: Timestamp,
    /// The visit.
    #[schema(value_type = Uuid)]
    session_id: SessionId,
    /// What.
    #[schema(value_type = KindJson)]
    kind: BehaviourKind,
    /// The product of a view, a click, or a change of the cart.
    #[schema(value_type = Option<Uuid>)]
    product_id: Option<ProductId>,
    /// The variant of a change of the cart.
    #[schema(value_type = Option<Uuid>)]
    variant_id: Option<VariantId>,
    /// Words of a search, or of the one that led to a click.
    #[schema(max_length = 200)]
    query: Option<String>,
    /// How many products a search found.
    results: Option<u32>,
    /// How long the shopper waited for it, in milliseconds.
    waited_ms: Option<u32>,
    /// Place of a clicked result, from 1.
    #[schema(minimum = 1)]
    position: Option<u16>,
    /// Pieces put into or taken out of the cart.
    #[schema(minimum = 1, maximum = 10_000)]
    quantity: Option<u32>,
    /// Price of one piece, or what a purchase cost.
    #[schema(value_type = Option<MoneyJson>)]
    amount: Option<Money>,
    /// The order of a purchase.
    #[schema(value_type = Option<Uuid>)]
    order_id: Option<OrderId>,
    /// The experiment that a search took part in, or that the search of a click did.
    #[schema(value_type = Option<ToldExperimentJson>)]
    experiment: Option<SeenExperiment>,
}

impl NewEventJson {
    /// The event of an account, by a clock that is ahead of the client's by `skew`.
    pub(super) fn into_event(self, user_id: Option<UserId>, skew: SignedDuration) -> BehaviourEvent {
        BehaviourEvent {
            id: self.event_id,
            // A time that does not exist stays as it was told, and is refused for its age.
            occurred_at: self.occurred_at.checked_add(skew).unwrap_or(self.occurred_at),
            session_id: self.session_id,
            user_id,
            kind: self.kind,
            product_id: self.product_id,
            variant_id: self.variant_id,
            query: self.query,
            results: self.results,
            waited_ms: self.waited_ms,
            position: self.position,
            quantity: self.quantity,
            amount: self.amount,
            order_id: self.order_id,
            experiment: self.experiment,
        }
    }
}
