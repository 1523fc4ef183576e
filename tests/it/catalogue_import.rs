//! The catalogue importer: a second run changes nothing, a bad row costs one row, and people's work is kept.

use std::path::PathBuf;

use domain::product::{Product, ProductStatus};
use ingest::input::Layout;
use ingest::products::{ImportOptions, ImportReport};
use jiff::Timestamp;
use store::mongo::connection::Mongo;
use store::mongo::products;
use support::{Scope, files, prices, shop};

const MAP: &str = r#"
source = "catalogue"
external_id = "id"
title = ["name"]
brand = "brand"
price = { column = "price", currency = "GBP" }

[attributes]
colour = "colour"
"#;

struct Files {
    map: PathBuf,
    folder: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = files::folder("catalogue");
        let map = folder.join("map.toml");
        std::fs::write(&map, MAP).expect("written");
        Self { map, folder }
    }

    fn refused(&self) -> PathBuf {
        self.folder.join("refused.csv")
    }

    async fn import(&self, scope: &Scope, mongo: &Mongo, rows: &str) -> ImportReport {
        let file = self.folder.join("products.csv");
        std::fs::write(&file, format!("id,name,brand,price,colour\n{rows}")).expect("written");
        let options = ImportOptions {
            layout: Layout::Auto,
            map: self.map.clone(),
            refused: self.refused(),
            report: self.folder.join("report.ndjson"),
            file,
            is_dry: false,
            restart: false,
        };
        ingest::products::import(&options, &scope.postgres, mongo, |_| {}).await.expect("imports")
    }
}

async fn stored(mongo: &Mongo) -> Vec<Product> {
    products::scan(mongo, None, 100).await.expect("products")
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_a_third_only_what_differs() {
    let (scope, files) = (Scope::new().await, Files::new());
    let mongo = scope.mongo().await;
    let rows = "1,Shirt,Acme,19.99,blue\n2,Shoe,,5,\n";
    let report = files.import(&scope, &mongo, rows).await;
    assert_eq!(
        (report.tally.added, report.tally.changed, report.tally.unchanged, report.tally.rows_refused()),
        (2, 0, 0, 0)
    );
    let before = stored(&mongo).await;
    let report = files.import(&scope, &mongo, rows).await;
    assert_eq!((report.tally.added, report.tally.changed, report.tally.unchanged), (0, 0, 2));
    assert_eq!(stored(&mongo).await, before);
    let report = files.import(&scope, &mongo, "1,Shirt,Acme,18.99,blue\n2,Shoe,,5,\n").await;
    assert_eq!((report.tally.added, report.tally.changed, report.tally.unchanged), (0, 1, 1));
    let events = store::mongo::outbox::backlog(&mongo).await.expect("a count");
    assert_eq!(events, 4, "an event for each change, and one for the price");
    assert_eq!(prices::told(&scope).await, [(2, 1_899)]);
}

#[tokio::test]
async fn a_bad_row_costs_one_row_and_is_named() {
    let (scope, files) = (Scope::new().await, Files::new());
    let mongo = scope.mongo().await;
    let mut taken = shop::product("Taken");
    taken.variants[0].sku = "catalogue-3".to_owned();
    products::insert(&mongo, &taken, &shop::changed(&taken)).await.expect("inserted");
    let rows = "1,Shirt,Acme,19.99,blue\n2,,Acme,5,\n3,Collides,Acme,5,\n4,Dear,Acme,1.234,\n1,Again,Acme,5,\n\
                5,Shoe,,5,\n";
    let report = files.import(&scope, &mongo, rows).await;
    assert_eq!((report.tally.rows_read, report.tally.added, report.tally.rows_refused()), (6, 2, 4));
    let refused = std::fs::read_to_string(files.refused()).expect("a file");
    let lines: Vec<_> =
        refused.lines().skip(1).map(|line| line.split(',').next().expect("a number")).collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["3", "4", "5", "6"], "{refused}");
    assert!(refused.contains("another product has this sku"), "{refused}");
    assert!(refused.contains("is in the file already"), "{refused}");
}

#[tokio::test]
async fn a_second_import_keeps_what_people_have_changed() {
    let (scope, files) = (Scope::new().await, Files::new());
    let mongo = scope.mongo().await;
    let rows = "1,Shirt,Acme,19.99,blue\n";
    files.import(&scope, &mongo, rows).await;
    let before = stored(&mongo).await.remove(0);
    let mut edited = before.clone();
    edited.status = ProductStatus::Archived;
    edited.description = "Written by a person.".to_owned();
    edited.attributes.insert("season".to_owned(), "summer".to_owned());
    edited.version += 1;
    edited.updated_at = Timestamp::now();
    assert!(products::replace(&mongo, &before, &edited, &shop::changed(&edited)).await.expect("replaced"));
    let report = files.import(&scope, &mongo, rows).await;
    assert_eq!((report.tally.changed, report.tally.unchanged), (0, 1));
    files.import(&scope, &mongo, "1,Better shirt,Acme,19.99,blue\n").await;
    let after = stored(&mongo).await.remove(0);
    assert_eq!(after.title, "Better shirt");
    assert_eq!(after.status, ProductStatus::Archived);
    assert_eq!(after.description, "Written by a person.");
    assert_eq!(after.attributes["season"], "summer");
    assert_eq!(after.version, 3);
}

#[tokio::test]
async fn a_price_of_a_second_import_goes_into_the_history() {
    let (scope, files) = (Scope::new().await, Files::new());
    let mongo = scope.mongo().await;
    files.import(&scope, &mongo, "1,Shirt,Acme,19.99,blue\n2,Shoe,Acme,5,\n").await;
    let report = files.import(&scope, &mongo, "1,Shirt,Acme,14.99,blue\n2,Boot,Acme,5,\n").await;
    assert_eq!((report.tally.changed, report.tally.unchanged), (2, 0));
    let mut amounts = prices::history(&scope).await;
    amounts.sort_unstable();
    assert_eq!(amounts, [500, 1_499, 1_999]);
}

#[tokio::test]
async fn a_deleted_product_comes_back_as_its_next_version() {
    let (scope, files) = (Scope::new().await, Files::new());
    let mongo = scope.mongo().await;
    let rows = "1,Shirt,Acme,19.99,blue\n2,Shoe,Acme,5,\n";
    files.import(&scope, &mongo, rows).await;
    for product in stored(&mongo).await {
        assert!(products::delete(&mongo, &product, &shop::deleted(&product)).await.expect("deleted"));
    }
    assert_eq!(stored(&mongo).await, []);
    let report =
        files.import(&scope, &mongo, "1,Shirt,Acme,14.99,blue\n2,Shoe,Acme,5,\n3,Hat,Acme,7,\n").await;
    assert_eq!((report.tally.added, report.tally.changed, report.tally.rows_refused()), (3, 0, 0));
    let mut versions: Vec<_> = stored(&mongo).await.iter().map(|product| product.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 3, 3]);
    assert_eq!(prices::told(&scope).await, [], "their prices begin anew");
    assert_eq!(prices::history(&scope).await.len(), 5);
    let again =
        files.import(&scope, &mongo, "1,Shirt,Acme,14.99,blue\n2,Shoe,Acme,5,\n3,Hat,Acme,7,\n").await;
    assert_eq!((again.tally.added, again.tally.changed, again.tally.unchanged), (0, 0, 3));
    scope.standbys_caught_up().await;
    let late = std::time::Duration::from_secs(3_600);
    let findings = worker::audit::audit(&scope.postgres, &scope.mongo, late, |_| {}).await;
    let broken = findings.expect("the checks run").into_iter().filter(|found| found.violations > 0);
    assert_eq!(broken.map(|found| found.name).collect::<Vec<_>>(), [""; 0]);
}
