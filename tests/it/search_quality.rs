//! How well the search answers queries whose right answers are known: on the demonstration shop, whose judgments follow
//! from how its products were made, and by the command that people run.

use std::path::Path;

use demo::shop::Size;
use domain::ids::ProductId;
use domain::judgment::Judgment;
use search_indexer::bulk::{self, ItemResult};
use search_indexer::client::SearchClient;
use search_indexer::document::{Facts, ProductDocument};
use search_indexer::evaluation::comparison::Comparison;
use search_indexer::evaluation::{self, Evaluation, JudgedQuery};
use search_indexer::index;
use search_indexer::mapping::Analysis;
use search_indexer::query::{Ranking, SearchRequest, search};
use search_indexer::tuned::{LiveTuning, Said};
use support::{Scope, api, files, program, search_index};

const PRODUCTS: u32 = 2_000;
const SEED: u64 = 42;
const MAP: &str =
    "source = \"judged\"\nexternal_id = \"product_id\"\ntitle = [\"title\"]\ndescription = \"description\"\n";

/// The shop's catalogue in an index of the test's own, and its judgments.
async fn demonstration(scope: &Scope) -> (SearchClient, Vec<Judgment>) {
    let end = "2026-11-01T00:00:00Z".parse().expect("a time");
    let size = Size { products: PRODUCTS, ..Size::of_orders(1_000, SEED, end) };
    let catalogue = demo::catalogue::make(&size);
    let judgments = demo::queries::judgments(&size, &catalogue);
    let facts = Facts::default();
    let documents: Vec<_> =
        catalogue.products.iter().map(|made| ProductDocument::of(&made.product, &facts)).collect();
    let client = SearchClient::new(&api::search_settings(scope)).expect("valid settings");
    let made = index::ensure(&client, Analysis::English, end, [1; 4]).await.expect("an index");
    for some in documents.chunks(500) {
        let results = bulk::index(&client, client.alias(), 1, some).await.expect("answered");
        assert!(results.iter().all(|result| *result == ItemResult::Indexed), "{results:?}");
    }
    index::refresh(&client, &made.expect("a new one")).await.expect("refreshed");
    (client, judgments)
}

async fn evaluated(client: &SearchClient, queries: &[JudgedQuery], ranking: Ranking) -> Evaluation {
    let request = |said: Said<'_>| SearchRequest {
        text: said.typed.map(str::to_owned),
        ranking,
        ..SearchRequest::default()
    };
    evaluation::run(client, queries, request).await.expect("answered")
}

#[tokio::test]
async fn the_shops_ranking_is_no_worse_than_a_plain_one() {
    let scope = Scope::new().await;
    let (client, judgments) = demonstration(&scope).await;
    let queries = JudgedQuery::of(&judgments);
    let plain = evaluated(&client, &queries, Ranking::Plain).await;
    let shop = evaluated(&client, &queries, Ranking::Shop).await;
    let compared = Comparison::of(&plain, &shop, SEED);
    println!("{}", evaluation::table::summaries(&[("plain", plain.summary), ("shop", shop.summary)]));
    println!("{}", evaluation::table::comparison(&compared));
    assert_eq!(shop.summary.queries, 200);
    assert!(compared.ndcg_change >= 0.0, "{compared:?}");
    assert!(shop.summary.zero_result_rate < 0.01, "{:?}", shop.summary);
}

/// Other people's products and judgments, where they are at hand: nothing of the ranking was made for them.
#[tokio::test]
async fn a_real_catalogue_is_searched_well() {
    let Some(products) = files::data("judged_search/products.csv.gz") else {
        println!("the real catalogue is not here: not checked");
        return;
    };
    let judged = files::data("judged_search/judgments.csv").expect("judgments lie beside their products");
    let scope = Scope::new().await;
    let folder = files::folder("judged-real");
    std::fs::write(folder.join("map.toml"), MAP).expect("written");
    let products = products.to_str().expect("text");
    // Its path is not ours to write a report beside.
    std::fs::copy(products, folder.join("products.csv.gz")).expect("copied");
    for (name, arguments) in [
        ("ingest", &["import", "products", "--map", "map.toml", "products.csv.gz"][..]),
        ("search-indexer", &["rebuild"]),
    ] {
        let (is_done, _, failed) = run(&scope, &folder, name, arguments);
        assert!(is_done, "{failed}");
    }
    let arguments = ["evaluate", "--json", judged.to_str().expect("text")];
    let (is_done, told, failed) = run(&scope, &folder, "search-indexer", &arguments);
    assert!(is_done, "{failed}");
    let evaluation: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    println!("{}", evaluation["summary"]);
    assert_eq!(evaluation["summary"]["queries"], 130);
    let ndcg = evaluation["summary"]["ndcg"].as_f64().expect("a figure");
    assert!(ndcg >= 0.8, "nDCG@10 is {ndcg}");
}

/// Whether a program did what it should, what it said and what it complained of.
fn run(scope: &Scope, folder: &Path, name: &str, arguments: &[&str]) -> (bool, String, String) {
    let mut command = program::command(scope, name, folder);
    let output = command.args(arguments).current_dir(folder).output().expect("built");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn judgments_of_a_file_are_evaluated_by_a_command() {
    let scope = Scope::new().await;
    let folder = files::folder("judged");
    let csv = "product_id,title,description\n1,Leather belt,\n2,Belt,For trousers\n3,Canvas bag,\n";
    std::fs::write(folder.join("products.csv"), csv).expect("written");
    std::fs::write(folder.join("map.toml"), MAP).expect("written");
    let run = |name: &str, arguments: &[&str]| run(&scope, &folder, name, arguments);
    let judged = "query,product_id,gain\nbelt,1,0.5\nbelt,2,1\nbag,3,1\nbag,9,0.5\nhat,1,0\n";
    std::fs::write(folder.join("judged.csv"), judged).expect("written");
    let (is_done, _, failed) = run("search-indexer", &["evaluate", "judged.csv"]);
    assert!(!is_done && failed.contains("the shop has none of the 4 products"), "{failed}");

    let (is_done, _, failed) = run("ingest", &["import", "products", "--map", "map.toml", "products.csv"]);
    assert!(is_done, "{failed}");
    let projection = search_index::projection(&scope).await;
    let name = search_index::new_name(&projection, 1);
    search_index::build(&scope, &projection, &name).await.expect("built");
    let (is_done, told, failed) = run("search-indexer", &["evaluate", "judged.csv"]);
    assert!(is_done, "{failed}");
    // Both queries find their best product first; of the four products with a gain one is not in the shop.
    let row = told.lines().find(|line| line.starts_with("the shop's")).expect("a row");
    let figures: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(figures[2..], ["2", "0.8801", "1.0000", "0.7500", "0.0%"], "{told}");
    assert!(told.contains("1 of 4 products are not in the shop"), "{told}");
    assert!(told.contains("1 queries were left out"), "{told}");

    let (is_done, told, failed) = run("search-indexer", &["evaluate", "--json", "judged.csv"]);
    assert!(is_done, "{failed}");
    let read: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(read["summary"]["queries"], 2);
    assert_eq!(read["queries"][1]["query"], "belt");
    let (is_done, _, failed) = run("search-indexer", &["evaluate", "--set", "nobodys"]);
    assert!(!is_done && failed.contains("no set of judgments"), "{failed}");
    std::fs::write(folder.join("judged.csv"), "query,product_id,gain\nbelt,1,lots\n").expect("written");
    let (is_done, _, failed) = run("search-indexer", &["evaluate", "judged.csv"]);
    assert!(!is_done && failed.contains("line 2"), "{failed}");
}

#[tokio::test]
async fn hostile_words_are_only_words() {
    let scope = Scope::new().await;
    let (client, _) = demonstration(&scope).await;
    let long = "linen ".repeat(33);
    let texts = [
        "*:*",
        "_exists_:status",
        "/.*.*.*.*x/",
        "(((((",
        "\"",
        "\\",
        "AND OR NOT",
        "the of and",
        "👗👠",
        "ドレス",
        "\u{202e}sserd",
        "a",
        "!",
        "title:dress~2^9",
        "{\"match_all\":{}}",
        long.trim_end(),
        "\u{0}dress",
    ];
    for text in texts {
        let asked = SearchRequest { text: Some(text.to_owned()), limit: 100, ..SearchRequest::default() };
        let page = search(&client, &asked).await.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let ids: std::collections::BTreeSet<ProductId> = page.hits.iter().map(|hit| hit.product_id).collect();
        assert_eq!(ids.len(), page.hits.len(), "{text:?}");
    }
    let many: Vec<String> = (0..100).map(|number| format!("{number}")).collect();
    let asked =
        SearchRequest { text: Some(many.join(" ")[..200].to_owned()), limit: 10, ..SearchRequest::default() };
    search(&client, &asked).await.expect("words without number have a limit");
    let terms: Vec<String> = (0..20).map(|number| format!("w{number} x")).collect();
    let synonyms = serde_json::json!({"synonyms": [{"kind": "two_way", "terms": terms}]});
    let live = LiveTuning::new(1, serde_json::from_value(synonyms).expect("a tuning"));
    let text = format!("w0 x {}", &many.join(" ")[..180]);
    let tuned = live.apply(Said::typed(&text), None, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(tuned.variants.len(), 5);
    search(&client, &SearchRequest { text: Some(text), tuned, ..asked }).await.expect("and so have synonyms");
}
