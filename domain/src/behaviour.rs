//! What shoppers do: views, searches, clicks, carts and checkouts, as the broker carries them and the lake keeps them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::experiment::Arm;
use crate::field_error::FieldError;
use crate::ids::{EventId, ExperimentId, OrderId, ProductId, SessionId, UserId, VariantId};
use crate::money::Money;

/// Most events that are told at once.
pub const BATCH_MAX: usize = 500;
/// Longest words of a search, in characters.
pub const QUERY_LENGTH_MAX: usize = 200;
/// Most pieces of one change of a cart.
pub const QUANTITY_MAX: u32 = 10_000;
/// What is older is not told any more: its reports are read.
pub const AGE_MAX: SignedDuration = SignedDuration::from_hours(24 * 7);
/// How far ahead a clock may be.
pub const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What a shopper did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviourEvent {
    /// Unique; whoever has seen it is done.
    pub id: EventId,
    /// When.
    pub occurred_at: Timestamp,
    /// In which visit.
    pub session_id: SessionId,
    /// The account, when the shopper was signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What.
    pub kind: BehaviourKind,
    /// The product of a view, click, or change of the cart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<ProductId>,
    /// The variant of a change of the cart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<VariantId>,
    /// The words of a search, or those that led to a click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// How many products a search found, if that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<u32>,
    /// How long the shopper waited for what a search found, in milliseconds, if that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u32>,
    /// Place of a clicked result, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u16>,
    /// Pieces put into or taken out of the cart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Price of one piece, or what a purchase cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The order of a purchase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The experiment that a search took part in, or that the search of a click did, as the answer told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<SeenExperiment>,
}

/// Events of one channel that were told together: one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviourBatch {
    /// Where they happened.
    pub channel: String,
    /// At most [`BATCH_MAX`].
    pub events: Vec<BehaviourEvent>,
}

/// An experiment as a shopper met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenExperiment {
    /// Which.
    pub id: ExperimentId,
    /// The arm that answered the search, or brought the clicked hit; `None` for a search that both answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

    /// What is wrong with it when it is told at `now`; pointers are within the event.
    pub fn check(&self, now: Timestamp) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut refuse = |is_wrong: bool, field: &str, code: &'static str, detail: &str| {
            if is_wrong {
                errors.push(FieldError::new(format!("/{field}"), code, detail));
            }
        };
        let kind = self.kind;
        let is_cart = matches!(kind, BehaviourKind::CartAdd | BehaviourKind::CartRemove);
        let has_product = is_cart || matches!(kind, BehaviourKind::View | BehaviourKind::Click);
        let age = now.duration_since(self.occurred_at);
        refuse(age > AGE_MAX, "occurred_at", "out_of_range", "at most 7 days ago");
        refuse(age < -AHEAD_MAX, "occurred_at", "out_of_range", "not in the future");
        refuse(has_product && self.product_id.is_none(), "product_id", "required", "which product");
        refuse(kind == BehaviourKind::Click && self.position.is_none(), "position", "required", "its place");
        refuse(self.position == Some(0), "position", "out_of_range", "from 1");
        refuse(is_cart && self.quantity.is_none(), "quantity", "required", "how many pieces");
        let is_countable = |quantity| (1..=QUANTITY_MAX).contains(&quantity);
        refuse(self.quantity.is_some_and(|it| !is_countable(it)), "quantity", "out_of_range", "1 to 10,000");
        let is_purchase = kind == BehaviourKind::Purchase;
        refuse(is_purchase && self.order_id.is_none(), "order_id", "required", "which order");
        refuse(self.amount.is_some_and(|it| it.amount_minor < 0), "amount", "out_of_range", "not below 0");
        let query = self.query.as_deref();
        let is_empty = query.is_none_or(|words| words.trim().is_empty());
        refuse(kind == BehaviourKind::Search && is_empty, "query", "required", "the words");
        let is_long = query.is_some_and(|words| words.chars().count() > QUERY_LENGTH_MAX);
        refuse(is_long, "query", "too_long", "at most 200 characters");
        let is_found = matches!(kind, BehaviourKind::Search | BehaviourKind::Click);
        let is_elsewhere = self.experiment.is_some() && !is_found;
        refuse(is_elsewhere, "experiment", "invalid", "searches and clicks take part in experiments");
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    fn event(kind: BehaviourKind) -> BehaviourEvent {
        BehaviourEvent::new(EventId::new(at(0), [1; 10]), at(0), SessionId::new(at(0), [2; 10]), kind)
    }

    fn whole(kind: BehaviourKind) -> BehaviourEvent {
        BehaviourEvent {
            product_id: Some(ProductId::new(at(0), [3; 10])),
            query: Some("navy jumper".to_owned()),
            position: Some(1),
            quantity: Some(2),
            order_id: Some(OrderId::new(at(0), [4; 10])),
            ..event(kind)
        }
    }

    fn wrong(event: &BehaviourEvent) -> Vec<(String, &'static str)> {
        event.check(at(0)).into_iter().map(|error| (error.pointer, error.code)).collect()
    }

    #[test]
    fn each_kind_says_what_it_is_about() {
        for (kind, required) in [
            (BehaviourKind::View, &["/product_id"][..]),
            (BehaviourKind::Search, &["/query"]),
            (BehaviourKind::Click, &["/product_id", "/position"]),
            (BehaviourKind::CartAdd, &["/product_id", "/quantity"]),
            (BehaviourKind::CartRemove, &["/product_id", "/quantity"]),
            (BehaviourKind::Checkout, &[]),
            (BehaviourKind::Purchase, &["/order_id"]),
        ] {
            assert_eq!(wrong(&whole(kind)), []);
            let expected: Vec<_> = required.iter().map(|field| ((*field).to_owned(), "required")).collect();
            assert_eq!(wrong(&event(kind)), expected, "{kind:?}");
        }
    }

    #[test]
    fn numbers_words_and_times_have_limits() {
        let click = whole(BehaviourKind::Click);
        let one = |event: BehaviourEvent| wrong(&event).pop().map(|(field, code)| format!("{field} {code}"));
        let told = |occurred_at| BehaviourEvent { occurred_at, ..click.clone() };
        for (event, expected) in [
            (BehaviourEvent { position: Some(0), ..click.clone() }, Some("/position out_of_range")),
            (BehaviourEvent { quantity: Some(10_001), ..click.clone() }, Some("/quantity out_of_range")),
            (BehaviourEvent { query: Some("é".repeat(201)), ..click.clone() }, Some("/query too_long")),
            (BehaviourEvent { query: Some("é".repeat(200)), ..click.clone() }, None),
            (told(at(300)), None),
            (told(at(301)), Some("/occurred_at out_of_range")),
            (told(at(-7 * 86_400)), None),
            (told(at(-7 * 86_400 - 1)), Some("/occurred_at out_of_range")),
        ] {
            assert_eq!(one(event).as_deref(), expected);
        }
        let seen = SeenExperiment { id: ExperimentId::new(at(0), [5; 10]), arm: Some(Arm::Control) };
        let view = BehaviourEvent { experiment: Some(seen), ..whole(BehaviourKind::View) };
        assert_eq!(one(view).as_deref(), Some("/experiment invalid"));
    }

    #[test]
    fn a_batch_is_carried_as_it_was_told() {
        let events = BehaviourKind::ALL
            .map(|kind| if kind == BehaviourKind::View { event(kind) } else { whole(kind) });
        let batch = BehaviourBatch { channel: "shop".to_owned(), events: events.into() };
        let text = serde_json::to_string(&batch).expect("JSON");
        assert_eq!(serde_json::from_str::<BehaviourBatch>(&text).expect("a batch"), batch);
        assert!(text.contains(r#""kind":"cart_add""#) && !text.contains("null"), "{text}");
    }
}
