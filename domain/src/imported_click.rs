//! Rows of an imported click history: what a row must be to become an event of behaviour.

use std::fmt::Write;

use jiff::Timestamp;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::behaviour::{BehaviourEvent, BehaviourKind};
use crate::ids::{EventId, ProductId, SessionId, UserId};
use crate::imported_order::plain_time;
use crate::money::{Currency, Money, MoneyError};

/// Never changes: every id of every imported event follows from it.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_83e1_2b57_4d0a_9c4e_51d7_a0b3_f926);
/// Length of a UUID as text, with its hyphens.
const UUID_LENGTH: usize = 36;

/// A row as a file gives it: text, not yet checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawClick<'a> {
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub event_time: &'a str,
    /// `view`, `cart`, `remove_from_cart` or `purchase`.
    pub event_type: &'a str,
    /// Number of the product.
    pub product_id: &'a str,
    /// Number of its category: not kept.
    pub category_id: &'a str,
    /// Path of its category, perhaps empty: not kept.
    pub category_code: &'a str,
    /// Its brand, perhaps empty: not kept.
    pub brand: &'a str,
    /// Price of one piece, in major units.
    pub price: &'a str,
    /// Number of the shopper; perhaps empty.
    pub user_id: &'a str,
    /// The visit, mostly a UUID.
    pub user_session: &'a str,
}

/// What a history's rows mean.
#[derive(Debug, Clone, Copy)]
pub struct ClickRules {
    channel: Uuid,
    currency: Currency,
}

/// A row that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedClick {
    /// The same for equal rows of a channel, and for them only.
    pub row: Uuid,
    /// The event of the first such row.
    pub event: BehaviourEvent,
}

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedClick {
    /// A needed field is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// Not a time.
    #[error("event_time is not YYYY-MM-DD HH:MM:SS UTC: {0:?}")]
    Time(String),
    /// Not a kind of event.
    #[error("event_type is not view, cart, remove_from_cart or purchase: {0:?}")]
    Kind(String),
    /// Not a price.
    #[error("price is not a decimal number from 0 on: {0:?}")]
    Price(String),
    /// Not a price in the import's currency.
    #[error("price {price:?} is no amount of {currency}: {reason}")]
    Amount {
        /// What the row says.
        price: String,
        /// ISO 4217 code.
        currency: &'static str,
        /// Why.
        reason: MoneyError,
    },
}

impl ClickRules {
    /// Those of a channel whose prices are in one currency.
    pub fn new(channel: &str, currency: Currency) -> Self {
        Self { channel: Uuid::new_v5(&NAMESPACE, channel.as_bytes()), currency }
    }

    /// Checks a row. Its ids are those of the channel: the product and the shopper of another one are others.
    pub fn parse(&self, raw: &RawClick<'_>) -> Result<ImportedClick, RefusedClick> {
        let occurred_at = time(raw.event_time)?;
        let kind = kind(raw.event_type)?;
        let product = needed("product_id", raw.product_id)?;
        let session = needed("user_session", raw.user_session)?;
        let user = raw.user_id.trim();
        let row = self.row(raw);
        let is_cart = matches!(kind, BehaviourKind::CartAdd | BehaviourKind::CartRemove);
        let event = BehaviourEvent {
            user_id: (!user.is_empty()).then(|| UserId(self.named("user", user))),
            product_id: Some(ProductId(self.named("product", product))),
            // A row is one piece: the format has no column of pieces.
            quantity: is_cart.then_some(1),
            amount: Some(self.amount(raw.price)?),
            ..BehaviourEvent::new(event_id(row, 0), occurred_at, self.session_id(session), kind)
        };
        Ok(ImportedClick { row, event })
    }

    /// Fields with their lengths: no two rows give the same text.
    fn row(&self, raw: &RawClick<'_>) -> Uuid {
        let fields = [
            raw.event_time,
            raw.event_type,
            raw.product_id,
            raw.category_id,
            raw.category_code,
            raw.brand,
            raw.price,
            raw.user_id,
            raw.user_session,
        ];
        let mut text = String::with_capacity(256);
        text.push_str("row\n");
        for field in fields {
            write!(text, "{}:{field}", field.len()).expect("a text takes everything");
        }
        Uuid::new_v5(&self.channel, text.as_bytes())
    }

    fn session_id(&self, text: &str) -> SessionId {
        SessionId(whole_uuid(text).unwrap_or_else(|| self.named("session", text)))
    }

    fn named(&self, what: &str, text: &str) -> Uuid {
        Uuid::new_v5(&self.channel, format!("{what}\n{text}").as_bytes())
    }

    fn amount(&self, text: &str) -> Result<Money, RefusedClick> {
        let price = Decimal::from_str_exact(text.trim()).ok().filter(|price| *price >= Decimal::ZERO);
        let price = price.ok_or_else(|| RefusedClick::Price(text.to_owned()))?;
        Money::from_whole(price, self.currency).map_err(|reason| RefusedClick::Amount {
            price: text.to_owned(),
            currency: self.currency.code(),
            reason,
        })
    }
}

impl ImportedClick {
    /// Makes it the event of an equal row that comes after `ordinal` others.
    pub fn repeat(&mut self, ordinal: u32) {
        self.event.id = event_id(self.row, ordinal);
    }
}

/// A UUID as rows write it, with hyphens. What is left of one that was cut short is none.
pub fn whole_uuid(text: &str) -> Option<Uuid> {
    (text.len() == UUID_LENGTH).then(|| Uuid::try_parse(text).ok()).flatten()
}

fn event_id(row: Uuid, ordinal: u32) -> EventId {
    EventId(Uuid::new_v5(&row, &ordinal.to_be_bytes()))
}

fn needed<'a>(name: &'static str, text: &'a str) -> Result<&'a str, RefusedClick> {
    let text = text.trim();
    if text.is_empty() { Err(RefusedClick::Empty(name)) } else { Ok(text) }
}

fn time(text: &str) -> Result<Timestamp, RefusedClick> {
    let at = text.strip_suffix(" UTC").and_then(plain_time).filter(|at| at.as_second() >= 0);
    at.ok_or_else(|| RefusedClick::Time(text.to_owned()))
}

fn kind(text: &str) -> Result<BehaviourKind, RefusedClick> {
    match text {
        "view" => Ok(BehaviourKind::View),
        "cart" => Ok(BehaviourKind::CartAdd),
        "remove_from_cart" => Ok(BehaviourKind::CartRemove),
        "purchase" => Ok(BehaviourKind::Purchase),
        _ => Err(RefusedClick::Kind(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "72d76fde-8bb3-4e00-8c23-a032dfed738c";

    fn row() -> RawClick<'static> {
        RawClick {
            event_time: "2019-10-01 00:00:07 UTC",
            event_type: "view",
            product_id: "44600062",
            category_id: "2103807459595387724",
            category_code: "",
            brand: "shiseido",
            price: "35.79",
            user_id: "541312140",
            user_session: SESSION,
        }
    }

    fn parse(raw: &RawClick<'_>) -> Result<ImportedClick, RefusedClick> {
        ClickRules::new("clicks", Currency::USD).parse(raw)
    }

    fn event(raw: &RawClick<'_>) -> BehaviourEvent {
        parse(raw).expect("holds").event
    }

    #[test]
    fn a_row_becomes_an_event() {
        let event = event(&row());
        assert_eq!(event.occurred_at.to_string(), "2019-10-01T00:00:07Z");
        assert_eq!(event.session_id.to_string(), SESSION);
        assert_eq!(event.amount, Some(Money { amount_minor: 3579, currency: Currency::USD }));
        assert_eq!((event.kind, event.quantity, event.order_id), (BehaviourKind::View, None, None));
        let ids = [event.id.0, event.product_id.expect("there").0, event.user_id.expect("there").0];
        assert!(ids.iter().all(|id| id.get_version_num() == 5), "{ids:?}");
    }

    #[test]
    fn each_kind_is_known() {
        for (event_type, kind, quantity) in [
            ("view", BehaviourKind::View, None),
            ("cart", BehaviourKind::CartAdd, Some(1)),
            ("remove_from_cart", BehaviourKind::CartRemove, Some(1)),
            ("purchase", BehaviourKind::Purchase, None),
        ] {
            let event = event(&RawClick { event_type, ..row() });
            assert_eq!((event.kind, event.quantity), (kind, quantity), "{event_type}");
            assert!(event.product_id.is_some() && event.amount.is_some(), "{event_type}");
        }
    }

    #[test]
    fn what_may_be_missing_or_odd_is_kept() {
        let anonymous = event(&RawClick { user_id: "", brand: "", category_id: "", ..row() });
        assert_eq!(anonymous.user_id, None);
        let free = event(&RawClick { price: "0.00", ..row() });
        assert_eq!(free.amount.map(|amount| amount.amount_minor), Some(0));
        let plain = event(&RawClick { price: "33.200", ..row() });
        assert_eq!(plain.amount.map(|amount| amount.amount_minor), Some(3320));
        let odd = |user_session| event(&RawClick { user_session, ..row() }).session_id;
        assert_eq!(odd("visit 7").0.get_version_num(), 5);
        assert_eq!(odd("visit 7"), odd("visit 7"));
        assert_ne!(odd("visit 7"), odd(&SESSION[..35]));
        assert_ne!(odd(&SESSION.replace('-', "")).to_string(), SESSION, "as written only with hyphens");
    }

    #[test]
    fn each_fault_is_named() {
        let refused = |raw: RawClick<'_>| parse(&raw).expect_err("refused").to_string();
        for event_time in
            ["", "2019-10-01 00:00:00", "2019-10-01T00:00:00Z", "2019-13-01 00:00:00 UTC", "2019-10-01 UTC"]
        {
            let told = refused(RawClick { event_time, ..row() });
            assert_eq!(told, format!("event_time is not YYYY-MM-DD HH:MM:SS UTC: {event_time:?}"));
        }
        let told = refused(RawClick { event_type: "wishlist", ..row() });
        assert_eq!(told, "event_type is not view, cart, remove_from_cart or purchase: \"wishlist\"");
        assert_eq!(refused(RawClick { product_id: " ", ..row() }), "product_id is empty");
        assert_eq!(refused(RawClick { user_session: "", ..row() }), "user_session is empty");
        for price in ["", "free", "-0.01", "1e3", "1,50"] {
            let told = refused(RawClick { price, ..row() });
            assert_eq!(told, format!("price is not a decimal number from 0 on: {price:?}"));
        }
        let told = refused(RawClick { price: "1.005", ..row() });
        assert_eq!(told, "price \"1.005\" is no amount of USD: the amount has parts of a minor unit");
        assert!(refused(RawClick { price: "999999999999999999", ..row() }).ends_with("does not fit"));
    }

    #[test]
    fn an_id_follows_from_the_channel_the_row_and_its_place_among_equal_ones() {
        let first = parse(&row()).expect("holds");
        assert_eq!(parse(&row()).expect("holds"), first);
        let mut again = first.clone();
        again.repeat(0);
        assert_eq!(again, first);
        again.repeat(1);
        assert_ne!(again.event.id, first.event.id);
        let shifted = RawClick { category_code: "s", brand: "hiseido", ..row() };
        assert_ne!(parse(&shifted).expect("holds").row, first.row);
        let elsewhere = ClickRules::new("others", Currency::USD).parse(&row()).expect("holds").event;
        assert_ne!(elsewhere.id, first.event.id);
        assert_ne!(elsewhere.product_id, first.event.product_id);
        assert_ne!(elsewhere.user_id, first.event.user_id);
    }

    #[test]
    fn the_ids_of_before_are_those_of_today() {
        let event = event(&row());
        let ids = [event.id.0, event.product_id.expect("there").0, event.user_id.expect("there").0];
        let expected = [
            "cf8d5811-c53f-5928-ab6f-64dfad78bbb3",
            "db2a8c39-74a5-51f7-82de-1a31649b8ee4",
            "fc51f049-4e15-5754-b7a6-743b0e5ee8ff",
        ];
        assert_eq!(ids.map(|id| id.to_string()), expected);
    }
}
