use std::collections::{BTreeMap, BTreeSet};

use domain::ids::ProductId;
use domain::money::Currency;
use jiff::ToSpan;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::catalogue;

fn size(reviews: u32) -> Size {
    let size = Size::of_orders(1_000, 4, "2026-11-21T09:00:00Z".parse().unwrap());
    Size { products: 200, reviews, ..size }
}

fn user(number: u64) -> UserId {
    UserId(random::id(Timestamp::from_second(1_600_000_000).unwrap(), &mut random::stream(1, "user", number)))
}

/// An order a day, of two products, by customers who come again.
fn orders(size: &Size, catalogue: &Catalogue, count: u64) -> Vec<ShopOrder> {
    let order = |number: u64| {
        let mut stream = random::stream(size.seed, "test-order", number);
        let at = size.start() + i64::try_from(number % 700 * 24 + number % 13).unwrap().hours();
        let line = |stream: &mut SmallRng| {
            let product = &catalogue.products[stream.random_range(0..catalogue.products.len())].product;
            let variant = &product.variants[stream.random_range(0..product.variants.len())];
            ShopOrderLine {
                product_id: product.id,
                variant_id: variant.id,
                sku: variant.sku.clone(),
                description: product.title.clone(),
                quantity: 1,
                unit_net_minor: 1_000,
                discount_minor: 0,
                tax_minor: 200,
            }
        };
        ShopOrder {
            id: OrderId(random::id(at, &mut stream)),
            number: number.to_string(),
            status: if number.is_multiple_of(10) { OrderStatus::Cancelled } else { OrderStatus::Completed },
            user_id: user(number % 97),
            country: "GB".into(),
            currency: Currency::GBP,
            promotion_code: None,
            shipping_minor: 0,
            shipping_tax_minor: 0,
            lines: vec![line(&mut stream), line(&mut stream)],
            payments: Vec::new(),
            refunds: Vec::new(),
            version: 1,
        }
    };
    (0..count).map(order).collect()
}

fn reviews(size: &Size, catalogue: &Catalogue, orders: &[ShopOrder]) -> Vec<Review> {
    let mut reviews = Reviews::new(size, catalogue);
    orders.iter().for_each(|order| reviews.observe(order));
    reviews.finish()
}

#[test]
fn reviews_are_of_what_was_bought() {
    let size = size(1_000);
    let mut catalogue = catalogue::make(&size);
    let orders = orders(&size, &catalogue, 3_000);
    let made = reviews(&size, &catalogue, &orders);
    assert_eq!(made.len(), 1_000, "as many as asked for");
    assert_eq!(made, reviews(&size, &catalogue, &orders), "two runs are equal");
    let backwards: Vec<_> = orders.iter().rev().cloned().collect();
    assert_eq!(made, reviews(&size, &catalogue, &backwards), "the order of the orders does not matter");
    assert!(made.is_sorted_by(|first, second| first.id < second.id));
    let pairs: BTreeSet<_> = made.iter().map(|review| (review.product_id, review.user_id)).collect();
    assert_eq!(pairs.len(), made.len(), "one review per product and customer");
    let by_id: BTreeMap<_, _> = orders.iter().map(|order| (order.id, order)).collect();
    for review in &made {
        assert!(review.created_at < size.end && (1..=5).contains(&review.rating));
        assert!(!review.title.is_empty() && review.text.ends_with('.') && review.text.len() < 1_000);
        assert!(
            !["THIS", "GARMENT", "HAVE", "BRAND"].iter().any(|word| review.text.contains(word)),
            "{}",
            review.text
        );
        let Some(order) = review.order_id.map(|id| by_id[&id]) else { continue };
        assert!(order.status == OrderStatus::Completed && order.user_id == review.user_id);
        assert!(order.lines.iter().any(|line| line.product_id == review.product_id));
        assert!(review.created_at > order.created_at() + 71.hours());
    }
    let verified = made.iter().filter(|review| review.order_id.is_some()).count();
    assert!((930..1_000).contains(&verified), "{verified}");
    assert!(made.iter().any(|review| review.helpful_votes > 5));
    rate(&mut catalogue, &made);
    let counted: u32 = catalogue.products.iter().map(|made| made.product.rating.count).sum();
    let approved = made.iter().filter(|review| review.status == ReviewStatus::Approved).count();
    assert_eq!(counted as usize, approved);
    assert!(approved > 900 && approved < 1_000, "{approved}");
}

#[test]
fn nothing_is_kept_when_nothing_is_asked_for() {
    let size = size(0);
    let catalogue = catalogue::make(&size);
    assert!(reviews(&size, &catalogue, &orders(&size, &catalogue, 50)).is_empty());
}

#[test]
fn who_sent_it_back_for_its_size_says_so() {
    let size = size(100);
    let catalogue = catalogue::make(&size);
    let sized = |made: &&DemoProduct| made.product.variants.iter().all(|it| it.options["size"] != "One Size");
    let made = catalogue.products.iter().find(sized).unwrap();
    let mut stream = random::stream(1, "words", 0);
    let fit = text::Fit::of(made, Some(Complaint::TooSmall), &mut stream);
    for _ in 0..50 {
        let (_, text) = text::words(made, 0, 2, fit, &mut stream);
        assert!(text.contains("small"), "{text}");
    }
}

proptest! {
    #[test]
    fn a_mean_is_exact_and_half_up(ratings in proptest::collection::vec(1u8..=5, 1..200)) {
        let size = size(0);
        let mut catalogue = catalogue::make(&Size { products: 1, ..size });
        let id: ProductId = catalogue.products[0].product.id;
        let review = |rating: &u8| Review {
            id: ReviewId(random::id(size.end, &mut random::stream(1, "id", 0))),
            product_id: id,
            user_id: user(1),
            order_id: None,
            rating: *rating,
            title: String::new(),
            text: String::new(),
            status: ReviewStatus::Approved,
            helpful_votes: 0,
            created_at: size.end,
        };
        let reviews: Vec<_> = ratings.iter().map(review).collect();
        rate(&mut catalogue, &reviews);
        let sum: u32 = ratings.iter().map(|rating| u32::from(*rating)).sum();
        let exact = Decimal::from(sum) / Decimal::from(ratings.len());
        let half_up = exact.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        prop_assert_eq!(catalogue.products[0].product.rating.average, Some(half_up));
        prop_assert_eq!(catalogue.products[0].product.rating.count as usize, ratings.len());
    }
}
