//! What importers read, what they tell before they write, and what they go on with.

use std::io::Write;
use std::path::{Path, PathBuf};

use domain::money::Currency;
use domain::product::Product;
use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::input::Layout;
use ingest::orders::OrderFormat;
use ingest::products::{Beginning, ImportError, ImportOptions, ImportReport};
use jiff::Timestamp;
use serde_json::Value;
use store::mongo::connection::Mongo;
use store::mongo::products;
use store::pg::advisory_lock::{self, Right};
use store::pg::import_runs::{self, NewRun};
use support::{Scope, files};

const MAP: &str = "source = \"formats\"\nexternal_id = \"id\"\ntitle = [\"name\"]\nbrand = \"maker.name\"\n\
                   price = { column = \"price\", currency = \"EUR\" }\n";

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = files::folder("formats");
        std::fs::write(folder.join("map.toml"), MAP).expect("written");
        Self(folder)
    }

    fn options(&self, name: &str, bytes: &[u8]) -> ImportOptions {
        let file = self.0.join(name);
        std::fs::write(&file, bytes).expect("written");
        ImportOptions {
            file,
            layout: Layout::Auto,
            map: self.0.join("map.toml"),
            refused: self.0.join("refused.csv"),
            report: self.0.join("report.ndjson"),
            is_dry: false,
            restart: false,
        }
    }

    fn report(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.0.join("report.ndjson")).expect("a report");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

async fn import(scope: &Scope, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    ingest::products::import(options, &scope.postgres, &scope.mongo().await, |_| {}).await
}

async fn stored(mongo: &Mongo) -> Vec<Product> {
    products::scan(mongo, None, 100).await.expect("products")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("in memory")
}

#[tokio::test]
async fn every_format_gives_the_same_products() {
    let (scope, folder) = (Scope::new().await, Folder::new());
    let mongo = scope.mongo().await;
    let csv = "\u{feff}id,name,maker.name,price\r\n1,Shirt,Acme,19.99\r\n2,Shoe,,5\r\n";
    let ndjson = "{\"id\": 1, \"name\": \"Shirt\", \"maker\": {\"name\": \"Acme\", \"since\": 1950}, \
                  \"price\": 19.99}\n\
                  \n{\"id\": \"2\", \"name\": \"Shoe\", \"price\": 5}\n";
    let first = import(&scope, &folder.options("a.csv", csv.as_bytes())).await.expect("imports");
    assert_eq!((first.tally.added, first.tally.rows_refused()), (2, 0));
    let before = stored(&mongo).await;
    let (head, tail) = ndjson.split_at(40);
    for (name, bytes) in [
        ("a.ndjson", ndjson.as_bytes().to_vec()),
        ("a.csv.gz", gzip(csv.as_bytes())),
        ("a.csv.zst", zstd(csv.as_bytes())),
        ("a.ndjson.zst", [zstd(head.as_bytes()), zstd(tail.as_bytes())].concat()),
        ("a.ndjson.gz", [gzip(head.as_bytes()), gzip(tail.as_bytes())].concat()),
    ] {
        let again = import(&scope, &folder.options(name, &bytes)).await.expect(name);
        assert_eq!((again.tally.unchanged, again.tally.rows_read), (2, 2), "{name}: {:?}", folder.report());
    }
    assert_eq!(stored(&mongo).await, before);
}

#[tokio::test]
async fn what_is_no_file_of_products_is_told() {
    let (scope, folder) = (Scope::new().await, Folder::new());
    let empty = import(&scope, &folder.options("empty.csv", b"")).await.expect_err("empty").to_string();
    assert!(empty.contains("empty"), "{empty}");
    let header = import(&scope, &folder.options("header.csv", b"id,name,maker.name,price\n")).await;
    assert_eq!(header.expect("imports").tally.rows_read, 0);
    let other = import(&scope, &folder.options("other.csv", b"id,colour\n")).await.expect_err("no column");
    assert!(other.to_string().contains("\"name\""), "{other}");
    let text: String =
        (0..12_000).map(|number| format!("{number},Thing {number},,{}\n", number * 7_919)).collect();
    let whole = zstd(format!("id,name,maker.name,price\n{text}").as_bytes());
    let cut = import(&scope, &folder.options("cut.zst", &whole[..whole.len() - 100])).await.expect("imports");
    assert!(cut.damage.expect("it is cut").contains("zstd file is cut"));
    let rest = import(&scope, &folder.options("whole.zst", &whole)).await.expect("imports");
    assert_eq!((rest.damage, rest.tally.added + cut.tally.added), (None, 12_000));
    let mut options = folder.options("full.csv", b"id,name,maker.name,price\n9999,A,,1\n");
    options.report = "/dev/full".into();
    if options.report.exists() {
        let full = import(&scope, &options).await.expect_err("the disk is full").to_string();
        assert!(full.contains("/dev/full"), "{full}");
    }
}

#[tokio::test]
async fn a_dry_run_tells_the_difference_and_writes_nothing() {
    const RUNS: &str = "SELECT count(*) FROM import_runs";
    let (scope, folder) = (Scope::new().await, Folder::new());
    let mongo = scope.mongo().await;
    let rows = "id,name,maker.name,price\n1,Shirt,Acme,19.99\n2,Shoe,,5\n";
    import(&scope, &folder.options("a.csv", rows.as_bytes())).await.expect("imports");
    let state = async || {
        let runs: i64 = scope.primary().await.query_one(RUNS, &[]).await.expect("counts").get(0);
        (stored(&mongo).await, store::mongo::outbox::backlog(&mongo).await.expect("a count"), runs)
    };
    let before = state().await;
    let changed = "id,name,maker.name,price\n1,Better shirt,,18.99\n2,Shoe,,5\n3,Hat,,7\n4,Dear,,free\n";
    let options = ImportOptions { is_dry: true, ..folder.options("b.csv", changed.as_bytes()) };
    let dry = import(&scope, &options).await.expect("tells");
    assert_eq!(state().await, before);
    assert_eq!((dry.tally.added, dry.tally.changed, dry.tally.unchanged), (1, 1, 1));
    assert_eq!((dry.tally.rows_refused(), dry.first.len()), (1, 3));
    let told = folder.report();
    assert_eq!(
        told[0]["changes"][0],
        serde_json::json!({"field": "title", "old": "Shirt", "new": "Better shirt"})
    );
    assert_eq!(told[0]["changes"][1], serde_json::json!({"field": "brand", "old": "Acme", "new": null}));
    assert_eq!(told[0]["changes"][2]["new"], "1899 EUR");
    assert_eq!((&told[1]["line"], &told[1]["outcome"]), (&Value::from(4), &Value::from("added")));
    assert_eq!((&told[2]["id"], &told[2]["outcome"]), (&Value::Null, &Value::from("refused")));
    let real = import(&scope, &ImportOptions { is_dry: false, ..options }).await.expect("imports");
    assert_eq!(real.tally, dry.tally);
    assert_eq!(folder.report(), told);
}

#[tokio::test]
async fn many_changes_are_written_at_once_and_a_taken_sku_costs_one_row() {
    let (scope, folder) = (Scope::new().await, Folder::new());
    let mongo = scope.mongo().await;
    let file = |price: u32| {
        (0..90).fold("id,name,maker.name,price\n".to_owned(), |text, id| {
            text + &format!("{id},Thing,,{price}\n")
        })
    };
    import(&scope, &folder.options("a.csv", file(1).as_bytes())).await.expect("imports");
    let dearer = import(&scope, &folder.options("a.csv", file(2).as_bytes())).await.expect("imports");
    assert_eq!((dearer.tally.changed, dearer.tally.unchanged), (90, 0));
    let products = stored(&mongo).await;
    assert!(products.iter().all(|product| product.version == 2));
    let events = store::mongo::outbox::backlog(&mongo).await.expect("a count");
    assert_eq!(events, 270, "90 are new, 90 changed, 90 prices changed");
    let own = "{\"external_id\": \"x\", \"title\": \"Thief\", \"variants\": [{\"sku\": \"formats-7\"}]}\n\
               {\"external_id\": \"y\", \"title\": \"Cup\", \"attributes\": {\"colour\": \"red\"}, \"variants\": \
               [{\"sku\": \"CUP-M\", \"options\": {\"size\": \"M\"}, \"price\": {\"amount_minor\": 250, \
               \"currency\": \"EUR\"}}, {\"sku\": \"CUP-L\"}]}\n";
    let map = files::checkout().join("ingest/maps/entrepot.toml");
    let dry = ImportOptions { map, is_dry: true, ..folder.options("own.ndjson", own.as_bytes()) };
    for options in [dry.clone(), ImportOptions { is_dry: false, ..dry }] {
        let report = import(&scope, &options).await.expect("imports");
        assert_eq!((report.tally.added, report.tally.refused.get("taken")), (1, Some(&1)));
    }
    let cup = stored(&mongo).await.into_iter().find(|product| product.title == "Cup").expect("the cup");
    assert_eq!((cup.variants.len(), cup.variants[0].options["size"].as_str()), (2, "M"));
    assert_eq!((cup.attributes["colour"].as_str(), cup.variants[1].price), ("red", None));
}

#[tokio::test]
async fn another_file_of_the_same_name_begins_anew_and_two_at_once_are_refused() {
    let (scope, folder) = (Scope::new().await, Folder::new());
    let options = folder.options("a.csv", b"id,name,maker.name,price\n1,Shirt,,1\n");
    let client = scope.primary().await;
    let at = Timestamp::now();
    let run = domain::ids::ImportRunId::new(at, rand::random());
    let other = [7; 32];
    let run = NewRun {
        id: run,
        kind: "products",
        channel: "formats",
        file_name: "a.csv",
        fingerprint: Some(&other),
        at,
    };
    import_runs::begin(&client, run).await.expect("begun");
    let report = import(&scope, &options).await.expect("imports");
    assert!(
        matches!(report.beginning, Beginning::NotResumed { reason, .. } if reason.contains("changed")),
        "{:?}",
        report.beginning
    );
    assert_eq!(import(&scope, &options).await.expect("imports").beginning, Beginning::Anew);
    assert!(advisory_lock::take(&client, Right::ImportProducts("formats")).await.expect("asked"));
    assert!(matches!(import(&scope, &options).await, Err(ImportError::Busy(source)) if source == "formats"));
}

#[tokio::test]
async fn orders_come_by_a_map_and_a_dry_run_tells_what_they_would_add() {
    const COUNTS: &str = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM import_runs), \
                          (SELECT count(*) FROM channels)";
    let scope = Scope::new().await;
    let folder = files::folder("orders");
    let ndjson = concat!(
        r#"{"order": {"number": "A-1", "placed_at": "2024-01-31T14:05:00+01:00", "currency": "EUR"}, "#,
        r#""item": {"sku": "S-1", "name": "Shirt"}, "quantity": 2, "unit_price": 39.900}"#,
        "\n",
        r#"{"order": {"number": "A-1", "placed_at": "2024-01-31T14:05:00+01:00"}, "#,
        r#""item": {"sku": "S-2"}, "quantity": 1, "unit_price": 5}"#,
        "\n",
        r#"{"order": {"number": "A-2", "placed_at": "yesterday"}, "item": {"sku": "S"}, "#,
        r#""quantity": 1, "unit_price": 5}"#,
        "\nno object\n",
    );
    let file = folder.join("orders.ndjson.zst");
    std::fs::write(&file, zstd(ndjson.as_bytes())).expect("written");
    let options = ingest::orders::ImportOptions {
        file,
        format: OrderFormat::Ndjson,
        map: Some(Path::new("ingest/maps/orders-ndjson.toml").to_owned()),
        channel: "mapped".to_owned(),
        currency: Currency::GBP,
        refused: folder.join("refused.csv"),
        report: folder.join("report.ndjson"),
        is_dry: true,
    };
    let map = files::checkout().join(options.map.as_ref().expect("a map"));
    let options = ingest::orders::ImportOptions { map: Some(map), ..options };
    let state = async || {
        let row = scope.primary().await.query_one(COUNTS, &[]).await.expect("counts");
        [0, 1, 2].map(|column| row.get::<_, i64>(column))
    };
    let before = state().await;
    let dry = ingest::orders::import(&scope.postgres, &options, |_| {}).await.expect("tells");
    assert_eq!(state().await, before);
    assert_eq!((dry.merged.documents_added, dry.merged.lines_added, dry.rows_refused()), (1, 2, 2));
    let real = ingest::orders::ImportOptions { is_dry: false, ..options };
    let done = ingest::orders::import(&scope.postgres, &real, |_| {}).await.expect("imports");
    assert_eq!(done.merged, dry.merged);
    let report = std::fs::read_to_string(folder.join("report.ndjson")).expect("a report");
    let lines: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = lines.iter().map(|line| (line["line"].as_u64(), line["code"].as_str())).collect();
    assert_eq!(told, [(Some(3), Some("time")), (Some(4), Some("no JSON object")), (Some(1), None)]);
    assert_eq!((&lines[2]["id"], &lines[2]["lines_added"]), (&Value::from("A-1"), &Value::from(2)));
    let total = "SELECT total_minor, currency, created_at FROM orders WHERE channel = 'mapped'";
    let row = scope.primary().await.query_one(total, &[]).await.expect("one order");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (8_480, "EUR"));
    assert_eq!(row.get::<_, Timestamp>(2).to_string(), "2024-01-31T13:05:00Z");
    let again = ingest::orders::ImportOptions { is_dry: true, ..real };
    let known = ingest::orders::import(&scope.postgres, &again, |_| {}).await.expect("tells").merged;
    assert_eq!((known.documents_added, known.documents_changed, known.lines_known), (0, 0, 2));
}
