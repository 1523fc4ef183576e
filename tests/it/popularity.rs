//! What was sold lately is counted once a day, and documents of the index take it up.

use domain::ids::ProductId;
use domain::order::OrderStatus;
use domain::shop_order::ShopOrder;
use jiff::Timestamp;
use search_indexer::client::SearchClient;
use search_indexer::projection::Projection;
use support::shop_orders::{self, order};
use support::{Scope, api, shop};
use tokio_postgres::Client;
use uuid::Uuid;
use worker::popularity;

const NOW: &str = "2026-03-31T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

/// Sells pieces of two products in one order.
fn sale(number: &str, at: &str, sold: [(ProductId, i64); 2]) -> ShopOrder {
    let mut order = order(number, at, 7, &sold.map(|(_, quantity)| (quantity, 1_000)));
    for (line, (product, _)) in order.lines.iter_mut().zip(sold) {
        line.product_id = product;
    }
    order
}

async fn counted(postgres: &Client) -> Vec<(Uuid, i64)> {
    const SQL: &str = "SELECT product_id, units FROM product_popularity ORDER BY product_id";
    let rows = postgres.query(SQL, &[]).await.expect("rows");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn paid_orders_of_thirty_days_count() {
    let scope = Scope::new().await;
    let postgres = scope.primary().await;
    let [first, second, third] = [1, 2, 3].map(|number| ProductId(Uuid::from_u128(number)));
    for order in [
        sale("1", "2026-03-30T12:00:00Z", [(first, 2), (second, 1)]),
        sale("2", "2026-03-02T12:00:00Z", [(first, 3), (first, 4)]),
        sale("3", "2026-03-01T11:59:59Z", [(first, 50), (third, 50)]),
        sale("4", "2026-03-31T12:00:00Z", [(first, 60), (third, 60)]),
        ShopOrder {
            status: OrderStatus::Cancelled,
            ..sale("5", "2026-03-20T12:00:00Z", [(first, 70), (third, 70)])
        },
        ShopOrder {
            status: OrderStatus::Paid,
            ..sale("6", "2026-03-20T12:00:00Z", [(second, 5), (second, 5)])
        },
    ] {
        shop_orders::write(&postgres, &order).await;
    }
    for _ in 0..2 {
        assert_eq!(popularity::count(&scope.postgres, now()).await.expect("counted"), 2);
        assert_eq!(counted(&postgres).await, [(first.0, 9), (second.0, 11)]);
    }
    let after_the_second = "2026-04-05T00:00:00Z".parse().expect("a time");
    assert_eq!(popularity::count(&scope.postgres, after_the_second).await.expect("counted"), 3);
    assert_eq!(counted(&postgres).await, [(first.0, 62), (second.0, 11), (third.0, 60)]);
    let a_year_later = "2027-03-31T12:00:00Z".parse().expect("a time");
    assert_eq!(popularity::count(&scope.postgres, a_year_later).await.expect("counted"), 0);
    assert!(counted(&postgres).await.is_empty());
}

#[tokio::test]
async fn documents_know_what_was_sold_and_what_is_sold_out() {
    let scope = Scope::new().await;
    let postgres = scope.primary().await;
    let client = SearchClient::new(&api::search_settings(&scope)).expect("valid settings");
    let projection = Projection { client, pools: scope.pools(), mongo: scope.mongo().await };
    let products = ["Plenty", "Sold out", "Promised", "Not counted"].map(shop::product);
    shop_orders::write(
        &postgres,
        &sale("1", "2026-03-30T12:00:00Z", [(products[0].id, 2), (products[0].id, 3)]),
    )
    .await;
    popularity::count(&scope.postgres, now()).await.expect("counted");
    for code in ["leeds", "york"] {
        const WAREHOUSE: &str = "INSERT INTO warehouses (code, name, country) VALUES ($1, $1, 'GB')";
        postgres.execute(WAREHOUSE, &[&code]).await.expect("a warehouse");
    }
    for (product, warehouse, on_hand, reserved) in [
        (0, "leeds", 0_i64, 0_i64),
        (0, "york", 3, 2),
        (1, "leeds", 0, 0),
        (1, "york", 0, 0),
        (2, "leeds", 4, 4),
    ] {
        const STOCK: &str = "INSERT INTO stock (variant_id, warehouse, sku, on_hand, reserved) \
                             VALUES ($1, $2, $3, $4, $5)";
        let variant = &products[product].variants[0];
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&variant.id.0, &warehouse, &variant.sku, &on_hand, &reserved];
        postgres.execute(STOCK, &values).await.expect("stock");
    }
    let documents = projection.documents(&products).await.expect("read");
    let seen: Vec<_> = documents
        .iter()
        .map(|document| (document.title.as_str(), document.in_stock, document.buyable, document.popularity))
        .collect();
    let expected = [
        ("Plenty", true, true, 5),
        ("Sold out", false, false, 0),
        ("Promised", false, false, 0),
        ("Not counted", true, true, 0),
    ];
    assert_eq!(seen, expected);
    assert!(projection.documents(&[]).await.expect("read").is_empty());
}
