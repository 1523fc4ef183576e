//! The sessions of a small shop.

use std::collections::BTreeMap;

use domain::ids::uuid_v7_time;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::trade::{Day, Trade};
use crate::{catalogue, customers, promotions};

struct Watched {
    size: Size,
    days: Vec<(Day, Vec<BehaviourEvent>)>,
    registered: HashMap<domain::ids::UserId, Timestamp>,
    launched: HashMap<ProductId, Timestamp>,
}

fn watched(orders: u32, words: &str) -> Watched {
    let size = Size::of_orders(orders, 11, "2026-11-21T20:30:00Z".parse().expect("a time"));
    let (catalogue, customers) = (catalogue::make(&size), customers::make(&size));
    let promotions = promotions::make(&size);
    let assortment = Assortment::new(&size, &catalogue);
    let judgments: Vec<_> = assortment
        .items()
        .iter()
        .map(|item| Judgment {
            query: words.to_owned(),
            product_id: item.product.product.id,
            grade: 3,
            judge: "construction".to_owned(),
            judged_at: size.end,
        })
        .collect();
    let behaviour = Behaviour::new(&size, &assortment, &customers, &judgments);
    let trade = Trade::new(&size, &assortment, &customers, &promotions).expect("a shop with trade");
    let days = trade.map(|day| {
        let events = behaviour.of_day(day.date, &day.orders);
        (day, events)
    });
    let days: Vec<_> = days.collect();
    let registered = customers.all().iter().map(|customer| (customer.id, customer.registered_at()));
    let launched = catalogue.products.iter().map(|product| (product.product.id, product.prices[0].at));
    Watched { size, days, registered: registered.collect(), launched: launched.collect() }
}

#[test]
fn events_are_of_their_day_and_in_order() {
    let watched = watched(1_000, "frock");
    let mut count = 0;
    for (day, events) in &watched.days {
        count += events.len();
        assert!(events.is_sorted_by_key(|event| (event.occurred_at, event.id)));
        for event in events {
            assert_eq!(uuid_v7_time(event.id.0), Some(event.occurred_at));
            assert_eq!(event.occurred_at.to_zoned(TimeZone::UTC).date(), day.date);
            assert!(watched.size.start() <= event.occurred_at && event.occurred_at < watched.size.end);
            if let Some(product_id) = event.product_id {
                assert!(watched.launched[&product_id] <= event.occurred_at, "seen before its launch");
            }
            if let Some(user_id) = event.user_id {
                assert!(
                    watched.registered[&user_id] <= event.occurred_at,
                    "signed in before the account was made"
                );
            }
        }
    }
    let off = count as f64 / f64::from(watched.size.events);
    assert!((0.97..1.1).contains(&off), "{count} events");
}

#[test]
fn a_paid_order_ends_the_session_that_leads_to_it() {
    let watched = watched(1_000, "frock");
    let mut purchases = 0;
    for (day, events) in &watched.days {
        let mut sessions = BTreeMap::<_, Vec<&BehaviourEvent>>::new();
        for event in events {
            sessions.entry(event.session_id).or_default().push(event);
        }
        let bought: HashMap<_, _> = sessions
            .values()
            .flatten()
            .filter(|event| event.kind == BehaviourKind::Purchase)
            .map(|event| (event.order_id.expect("a purchase has an order"), *event))
            .collect();
        let paid = |order: &&ShopOrder| matches!(order.status, OrderStatus::Paid | OrderStatus::Completed);
        let paid: Vec<_> = day.orders.iter().filter(paid).collect();
        assert_eq!(bought.len(), paid.len());
        purchases += paid.len();
        for order in paid {
            let purchase = bought[&order.id];
            assert_eq!(purchase.occurred_at, order.created_at());
            assert_eq!(purchase.user_id, Some(order.user_id));
            assert_eq!(purchase.amount.map(|amount| amount.amount_minor), Some(order.total_minor()));
            let session = &sessions[&purchase.session_id];
            let has = |kind, line: &domain::shop_order::ShopOrderLine| {
                session.iter().any(|event| {
                    event.kind == kind
                        && event.product_id == Some(line.product_id)
                        && event.variant_id.is_none_or(|variant_id| variant_id == line.variant_id)
                        && event.occurred_at <= purchase.occurred_at
                })
            };
            assert!(session.iter().any(|event| event.kind == BehaviourKind::Checkout));
            for line in &order.lines {
                assert!(has(BehaviourKind::View, line) && has(BehaviourKind::CartAdd, line));
            }
        }
    }
    assert!(purchases > 950);
}

#[test]
fn most_sessions_buy_nothing_and_most_carts_are_left() {
    let watched = watched(2_000, "frock");
    let events = || watched.days.iter().flat_map(|(_, events)| events);
    let with = |kind| {
        let mut sessions: Vec<_> =
            events().filter(|event| event.kind == kind).map(|event| event.session_id).collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions.len() as f64
    };
    let mut sessions: Vec<_> = events().map(|event| event.session_id).collect();
    sessions.sort_unstable();
    sessions.dedup();
    let conversion = with(BehaviourKind::Purchase) / sessions.len() as f64;
    assert!((0.06..0.10).contains(&conversion), "{conversion}");
    let left = 1.0 - with(BehaviourKind::Purchase) / with(BehaviourKind::CartAdd);
    assert!((0.66..0.75).contains(&left), "{left} of the carts are left");
    let count = |kind| events().filter(|event| event.kind == kind).count();
    for kind in BehaviourKind::ALL {
        assert!(count(kind) > 50, "{}", kind.name());
    }
    let judged = events().filter(|event| event.query.as_deref() == Some("frock")).count();
    assert!(judged > count(BehaviourKind::Search) / 3);
}

#[test]
fn a_day_can_be_made_on_its_own() {
    let (first, second) = (watched(200, "frock"), watched(200, "frock"));
    for day in [0, 300, 730] {
        assert_eq!(first.days[day].1, second.days[day].1);
    }
    let silent = Size { events: 0, ..first.size };
    let (catalogue, customers) = (catalogue::make(&silent), customers::make(&silent));
    let assortment = Assortment::new(&silent, &catalogue);
    let behaviour = Behaviour::new(&silent, &assortment, &customers, &[]);
    let (day, _) = &first.days[400];
    assert!(behaviour.of_day(day.date, &day.orders).is_empty());
}
