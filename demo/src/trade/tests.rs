//! A small shop, row by row.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::ids::{OrderId, ProductId, UserId, VariantId, uuid_v7_time};
use domain::order::OrderStatus;
use domain::payment::PaymentOutcome;
use domain::stock::MovementCause;
use domain::tax::split_inclusive;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::*;
use crate::shop::Catalogue;
use crate::{catalogue, customers, promotions};

struct Shop {
    size: Size,
    catalogue: Catalogue,
    customers: Customers,
    promotions: Vec<Promotion>,
    days: Vec<Day>,
    stock: Vec<StockLevel>,
}

fn shop_of(size: Size) -> Shop {
    let (catalogue, customers, promotions) =
        (catalogue::make(&size), customers::make(&size), promotions::make(&size));
    let assortment = Assortment::new(&size, &catalogue);
    let mut trade = Trade::new(&size, &assortment, &customers, &promotions).expect("a shop with trade");
    let days: Vec<_> = trade.by_ref().collect();
    let stock = trade.into_stock();
    drop(assortment);
    Shop { size, catalogue, customers, promotions, days, stock }
}

fn shop(orders: u32, seed: u64) -> Shop {
    shop_of(Size::of_orders(orders, seed, "2026-11-21T20:30:00Z".parse().expect("a time")))
}

fn orders(shop: &Shop) -> impl Iterator<Item = &ShopOrder> {
    shop.days.iter().flat_map(|day| &day.orders)
}

fn movements(shop: &Shop) -> impl Iterator<Item = &StockMovement> {
    shop.days.iter().flat_map(|day| &day.movements)
}

#[test]
fn equal_seeds_make_equal_shops() {
    let (first, second, other) = (shop(300, 5), shop(300, 5), shop(300, 6));
    assert_eq!(first.days, second.days);
    assert_eq!(first.stock, second.stock);
    assert_ne!(first.days, other.days);
}

#[test]
fn a_shop_without_orders_has_stock() {
    let shop = shop(0, 1);
    assert_eq!(orders(&shop).count(), 0);
    assert!(!shop.stock.is_empty());
}

#[test]
fn a_shop_needs_customers_and_products() {
    let size = Size::of_orders(100, 1, "2026-11-21T20:30:00Z".parse().expect("a time"));
    let catalogue = catalogue::make(&size);
    let nobody = customers::make(&Size { customers: 0, ..size });
    let assortment = Assortment::new(&size, &catalogue);
    assert_eq!(Trade::new(&size, &assortment, &nobody, &[]).err(), Some(NoTrade::NoCustomers));
    let nothing = Catalogue { categories: Vec::new(), products: Vec::new() };
    let assortment = Assortment::new(&size, &nothing);
    let customers = customers::make(&size);
    assert_eq!(Trade::new(&size, &assortment, &customers, &[]).err(), Some(NoTrade::NothingOnSale));
}

#[test]
fn orders_are_whole_and_in_order() {
    let shop = shop(2_000, 1);
    let (start, end) = (shop.size.start(), shop.size.end);
    let all: Vec<_> = orders(&shop).collect();
    assert_eq!(all.len(), 2_000);
    assert!(all.is_sorted_by_key(|order| order.created_at()));
    assert!(all.windows(2).all(|pair| pair[0].number < pair[1].number));
    let registered: HashMap<UserId, _> =
        shop.customers.all().iter().map(|customer| (customer.id, customer)).collect();
    for day in &shop.days {
        for order in &day.orders {
            let at = order.created_at();
            assert_eq!(at.to_zoned(TimeZone::UTC).date(), day.date);
            assert!(start < at && at < end);
            let customer = registered[&order.user_id];
            assert!(customer.registered_at() < at);
            assert_eq!(customer.country.code, order.country);
            assert!(!order.lines.is_empty() && order.total_minor() > 0);
            assert!(order.number.len() >= 8 && order.number.starts_with('S'));
        }
    }
    let mut ids: Vec<_> = all
        .iter()
        .flat_map(|order| {
            let payments = order.payments.iter().map(|payment| payment.id.0);
            payments.chain(order.refunds.iter().map(|refund| refund.id.0)).chain([order.id.0])
        })
        .chain(movements(&shop).map(|movement| movement.id.0))
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "ids are unique");
}

#[test]
fn an_order_costs_what_was_shown() {
    let shop = shop(2_000, 2);
    let products: HashMap<ProductId, _> =
        shop.catalogue.products.iter().map(|product| (product.product.id, product)).collect();
    let assortment = Assortment::new(&shop.size, &shop.catalogue);
    let items: HashMap<ProductId, _> =
        assortment.items().iter().map(|item| (item.product.product.id, item)).collect();
    let mut with_promotion = 0;
    for order in orders(&shop) {
        let at = order.created_at();
        let mut shown = 0;
        for line in &order.lines {
            let product = products[&line.product_id];
            assert!(product.prices[0].at <= at, "launched before it is sold");
            assert!(product.retired_at.is_none_or(|retired_at| at < retired_at + 24.hours()));
            let variant = product.product.variants.iter().find(|variant| variant.id == line.variant_id);
            assert_eq!(variant.map(|variant| &variant.sku), Some(&line.sku));
            let price = items[&line.product_id].price_at(at);
            assert!(product.prices.iter().any(|step| step.price_minor == price && step.at <= at));
            let is_zero_rated =
                product.traits.department == "kids" && matches!(order.country.as_str(), "GB" | "IE");
            assert_eq!(is_zero_rated, line.tax_minor == 0, "{line:?}");
            shown += price * line.quantity;
            let rate = 10_000 * line.tax_minor / (line.amount_minor() - line.discount_minor).max(1);
            assert!(is_zero_rated || (1_700..=2_500).contains(&rate), "{rate}");
        }
        let shipping = order.shipping_minor + order.shipping_tax_minor;
        let paid = order.total_minor() - shipping;
        let promotion = order.promotion_code.as_ref().map(|code| {
            shop.promotions.iter().find(|promotion| promotion.code == *code).expect("a promotion there is")
        });
        match promotion {
            None => assert_eq!((paid, order.discount_minor()), (shown, 0)),
            Some(promotion) => {
                with_promotion += 1;
                assert!(promotion.starts_at <= at && at < promotion.ends_at);
                assert!(shown >= promotion.minimum.amount_minor && order.discount_minor() > 0);
                let off = (shown - paid) * 100 - shown * i64::from(promotion.percent_off);
                assert!(off.abs() <= 50 * order.lines.len() as i64, "half a penny a line");
            }
        }
        assert_eq!(shipping, if paid < 5_000 { 399 } else { 0 });
        if order.country == "GB" {
            assert_eq!(split_inclusive(shipping, 2000), (order.shipping_minor, order.shipping_tax_minor));
        }
    }
    assert!((20..800).contains(&with_promotion), "{with_promotion}");
}

#[test]
fn money_is_taken_once_and_never_given_back_twice() {
    let shop = shop(5_000, 3);
    let end = shop.size.end;
    let mut statuses = BTreeMap::<_, u32>::new();
    for order in orders(&shop) {
        *statuses.entry(order.status.name()).or_default() += 1;
        let captured: Vec<_> =
            order.payments.iter().filter(|payment| payment.outcome == PaymentOutcome::Captured).collect();
        let is_paid = matches!(order.status, OrderStatus::Paid | OrderStatus::Completed);
        assert_eq!(captured.len(), usize::from(is_paid));
        for payment in &order.payments {
            assert!(order.created_at() < payment.occurred_at && payment.occurred_at < end);
            assert_eq!(payment.amount_minor, order.total_minor());
        }
        let age = end.duration_since(order.created_at()).as_secs();
        match order.status {
            OrderStatus::PendingPayment => assert!(age < 1_900, "only the last minutes"),
            OrderStatus::Paid => assert!(age < 8 * 86_400, "not delivered yet"),
            OrderStatus::Completed => assert!(age > 86_400 / 4),
            OrderStatus::Cancelled => assert!(age >= 1_800),
        }
        let changes = match order.status {
            OrderStatus::PendingPayment => 0,
            OrderStatus::Paid | OrderStatus::Cancelled => 1,
            OrderStatus::Completed => 2,
        };
        assert_eq!(order.version, 1 + changes + order.refunds.len() as i64);
        assert!(order.refunds.is_empty() || order.status == OrderStatus::Completed);
        let mut back = vec![(0, 0, 0); order.lines.len()];
        for refund in &order.refunds {
            assert_eq!(refund.payment_id, captured[0].id);
            assert!(refund.occurred_at > captured[0].occurred_at + 72.hours() && refund.occurred_at < end);
            for line in &refund.lines {
                let sum = &mut back[line.line_number as usize - 1];
                *sum = (sum.0 + line.quantity, sum.1 + line.net_minor, sum.2 + line.tax_minor);
            }
        }
        assert!(order.refunds.is_sorted_by_key(|refund| refund.occurred_at));
        for (line, (pieces, net, tax)) in order.lines.iter().zip(back) {
            let paid = (line.quantity, line.amount_minor() - line.discount_minor, line.tax_minor);
            assert!(pieces <= paid.0 && net <= paid.1 && tax <= paid.2);
            assert!(pieces < paid.0 || (net, tax) == (paid.1, paid.2), "all pieces, all money");
        }
    }
    let cancelled = statuses["cancelled"];
    assert!((60..180).contains(&cancelled), "{statuses:?}");
    assert!(statuses["paid"] > 5 && statuses["completed"] > 4_500, "{statuses:?}");
}

#[test]
fn the_ledger_adds_up() {
    let shop = shop(5_000, 4);
    let mut there = HashMap::<(VariantId, String), i64>::new();
    let mut sold = HashMap::<(OrderId, VariantId), i64>::new();
    let mut transfers = HashMap::<Timestamp, i64>::new();
    let mut causes = BTreeMap::<_, u32>::new();
    let mut last = (shop.size.start(), Uuid::nil());
    for day in &shop.days {
        for movement in &day.movements {
            assert_eq!(uuid_v7_time(movement.id.0), Some(movement.occurred_at));
            assert_eq!(movement.occurred_at.to_zoned(TimeZone::UTC).date(), day.date);
            assert!(movement.occurred_at < shop.size.end && movement.delta != 0);
            let now = (movement.occurred_at, movement.id.0);
            assert!(now > last, "by time and id");
            last = now;
            let level = there.entry((movement.variant_id, movement.warehouse.clone())).or_default();
            *level += movement.delta;
            assert_eq!(*level, movement.on_hand_after);
            assert!(*level >= 0);
            *causes.entry(movement.cause.name()).or_default() += 1;
            if let Some(order_id) = movement.order_id {
                *sold.entry((order_id, movement.variant_id)).or_default() -= movement.delta;
            }
            if movement.cause == MovementCause::Transfer {
                *transfers.entry(movement.occurred_at).or_default() += movement.delta;
            }
            let is_of_order = matches!(movement.cause, MovementCause::Sale | MovementCause::Return);
            assert_eq!(is_of_order, movement.order_id.is_some());
        }
    }
    assert_eq!(causes.len(), 6, "every cause: {causes:?}");
    assert!(transfers.values().all(|sum| *sum == 0));
    for level in &shop.stock {
        let key = (level.variant_id, level.warehouse.clone());
        assert_eq!(there.remove(&key), Some(level.on_hand));
        assert!(0 <= level.reserved && level.reserved <= level.on_hand && level.version > 0);
    }
    assert!(there.is_empty(), "every movement is of a level");
    for order in orders(&shop) {
        let is_paid = matches!(order.status, OrderStatus::Paid | OrderStatus::Completed);
        for (place, line) in (1..).zip(&order.lines) {
            let back = order.refunds.iter().flat_map(|refund| &refund.lines);
            let back: i64 = back.filter(|back| back.line_number == place).map(|back| back.quantity).sum();
            let sold = sold.remove(&(order.id, line.variant_id)).unwrap_or(0);
            let taken = if is_paid { line.quantity } else { 0 };
            assert!(taken - back <= sold && sold <= taken, "what came back may be on its way to the shelf");
        }
    }
    assert!(sold.is_empty(), "every sale is of an order's line");
}

#[test]
fn open_orders_keep_their_pieces_reserved() {
    let shop = shop(5_000, 4);
    // The same shop, cut short two minutes after some order.
    let at = orders(&shop).nth(4_000).expect("an order").created_at();
    let size = Size { end: at + 1.second(), ..shop.size };
    let cut = shop_of(size);
    let open: i64 = orders(&cut)
        .filter(|order| order.status == OrderStatus::PendingPayment)
        .flat_map(|order| &order.lines)
        .map(|line| line.quantity)
        .sum();
    assert_eq!(cut.stock.iter().map(|level| level.reserved).sum::<i64>(), open);
    assert!(orders(&cut).all(|order| order.created_at() < size.end));
    assert!(movements(&cut).all(|movement| movement.occurred_at < size.end));
}

#[test]
fn customers_buy_and_send_back_as_they_do() {
    let shop = shop(20_000, 8);
    let completed: Vec<_> = orders(&shop).filter(|order| order.status == OrderStatus::Completed).collect();
    let lines: usize = orders(&shop).map(|order| order.lines.len()).sum();
    let mean = lines as f64 / 20_000.0;
    assert!((2.1..2.5).contains(&mean), "{mean} lines in an order");
    let old: Vec<_> =
        completed.iter().filter(|order| order.created_at() < shop.size.end - 1_000.hours()).collect();
    let pieces: i64 = old.iter().flat_map(|order| &order.lines).map(|line| line.quantity).sum();
    let back: i64 = old
        .iter()
        .flat_map(|order| &order.refunds)
        .flat_map(|refund| &refund.lines)
        .map(|line| line.quantity)
        .sum();
    let rate = back as f64 / pieces as f64;
    assert!((0.15..0.35).contains(&rate), "{rate} of the pieces come back");
    let mut sales = HashMap::<_, u32>::new();
    for line in orders(&shop).flat_map(|order| &order.lines) {
        *sales.entry(line.product_id).or_default() += 1;
    }
    let mut sales: Vec<_> = sales.into_values().collect();
    sales.sort_unstable_by(|a, b| b.cmp(a));
    let best: u32 = sales[..sales.len() / 10].iter().sum();
    assert!(f64::from(best) > 0.3 * lines as f64, "{best} of {lines} are of the best tenth");
    assert!(sales[0] < lines as u32 / 10);
    let empty = shop.stock.iter().filter(|level| level.on_hand == 0).count();
    let share = empty as f64 / shop.stock.len() as f64;
    assert!((0.002..0.35).contains(&share), "{share} of the levels are out of stock");
}

#[test]
fn baskets_are_of_one_taste() {
    let shop = shop(5_000, 9);
    let departments: HashMap<ProductId, &str> = shop
        .catalogue
        .products
        .iter()
        .map(|product| (product.product.id, product.traits.department))
        .collect();
    let tastes: HashMap<UserId, usize> = shop
        .customers
        .all()
        .iter()
        .map(|customer| (customer.id, usize::from(customer.taste.department)))
        .collect();
    let (mut own, mut all) = (0, 0);
    for order in orders(&shop) {
        let favourite = crate::assortment::DEPARTMENTS[tastes[&order.user_id]];
        all += order.lines.len();
        own += order.lines.iter().filter(|line| departments[&line.product_id] == favourite).count();
    }
    assert!(own as f64 > 0.7 * all as f64, "{own} of {all}");
    let variants: HashSet<_> =
        orders(&shop).flat_map(|order| &order.lines).map(|line| line.variant_id).collect();
    assert!(variants.len() > 300);
}
