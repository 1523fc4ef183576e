//! What we send to the search engine is understood by OpenSearch and by Elasticsearch, and means the same on
//! both.

use std::collections::BTreeSet;

use domain::ids::{ProductId, VariantId};
use domain::money::{Currency, Money};
use domain::product::{Product, ProductStatus, Rating, Variant};
use jiff::Timestamp;
use search_indexer::bulk::{self, ItemResult};
use search_indexer::client::SearchClient;
use search_indexer::consume;
use search_indexer::document::{Facts, ProductDocument};
use search_indexer::error::SearchError;
use search_indexer::index;
use search_indexer::mapping::{Analysis, index_body};
use search_indexer::query::{FacetValue, SearchRequest, Sort, search};
use search_indexer::settings::SearchSettings;
use serde_json::json;

mod pages;
mod vectors;

const PRODUCT_COUNT: u8 = 25;

#[tokio::test]
async fn opensearch_understands_the_index() {
    wire_contract(&support::stack().opensearch_url, Analysis::English).await;
}

#[tokio::test]
async fn elasticsearch_understands_the_index() {
    wire_contract(&support::stack().elasticsearch_url, Analysis::Standard).await;
}

#[tokio::test]
async fn the_elasticsearch_before_understands_the_index() {
    wire_contract(&support::stack().elasticsearch_8_url, Analysis::Standard).await;
}

/// Everything that the shop asks of an engine. Each call uses indexes of its own and removes them.
async fn wire_contract(url: &str, analysis: Analysis) {
    let client = client(url);
    let first = an_index_is_made_once(&client, analysis).await;
    a_newer_ticket_wins(&client, url).await;
    a_removal_needs_the_newest_ticket(&client).await;
    an_unknown_field_is_refused(url, &first).await;
    the_catalogue_is_indexed(&client, &first).await;
    text_finds_words_only(&client).await;
    other_words_find_what_is_meant(&client, analysis).await;
    a_part_of_the_words_is_enough_when_few_have_most(&client).await;
    filters_narrow(&client).await;
    facets_count_all_matches(&client).await;
    pages::have_no_gap_and_no_repeat(&client).await;
    pages::go_on_as_the_list_was(&client, url, &first).await;
    requests_outside_the_limits_are_refused(&client).await;
    the_alias_switches_in_one_step(&client, &first, analysis).await;
    the_end_of_filling_is_told_from_a_switch(&client, analysis).await;
    for name in index::aliases(&client).await.expect("aliases").all {
        index::delete(&client, &name).await.expect("deleted");
    }
    an_index_of_before_gets_the_new_fields(url, analysis).await;
    an_index_of_another_analysis_goes_on(url).await;
}

/// A client with indexes of its own.
fn client(url: &str) -> SearchClient {
    let index_prefix = format!("wire-{}", uuid::Uuid::new_v4().simple());
    let settings = SearchSettings { url: url.to_owned(), index_prefix, vectors: None };
    SearchClient::new(&settings).expect("settings are valid")
}

async fn an_index_is_made_once(client: &SearchClient, analysis: Analysis) -> String {
    assert!(client.ping().await.is_err_and(|error| error.is_unavailable()));
    let early = search(client, &request()).await.expect_err("there is no index");
    assert!(early.is_unavailable(), "{early:?}");
    let documents = [document(1)];
    let alias = client.alias();
    let results = bulk::index(client, alias, 1, &documents).await.expect("answered");
    assert!(matches!(results[..], [ItemResult::Retryable(_)]), "{results:?}");

    let (left, right) = tokio::join!(
        index::ensure(client, analysis, Timestamp::now(), [1; 4]),
        index::ensure(client, analysis, Timestamp::now(), [2; 4]),
    );
    let made: Vec<String> = [left, right].into_iter().filter_map(|made| made.expect("ensured")).collect();
    let aliases = index::aliases(client).await.expect("aliases");
    assert_eq!(made.len(), 1, "one of two wins: {made:?}");
    assert_eq!(aliases.all, made);
    assert_eq!(aliases.current.as_ref(), made.first());
    assert_eq!(aliases.next, None);
    client.ping().await.expect("there is an index");
    let again = index::ensure(client, analysis, Timestamp::now(), [3; 4]).await.expect("ensured");
    assert_eq!(again, None);
    made.into_iter().next().expect("one")
}

async fn a_newer_ticket_wins(client: &SearchClient, url: &str) {
    let alias = client.alias();
    let newer = of(&Product { title: "Newer".into(), ..product(100) });
    let older = of(&Product { title: "Older".into(), ..product(100) });
    for (ticket, document, expected) in [
        (20, &newer, ItemResult::Indexed),
        (10, &older, ItemResult::Superseded),
        (20, &older, ItemResult::Superseded),
    ] {
        let results = bulk::index(client, alias, ticket, std::slice::from_ref(document)).await;
        assert_eq!(results.expect("answered"), [expected]);
    }
    let id = newer.product_id;
    let held = reqwest::get(format!("{url}/{alias}/_doc/{id}")).await.expect("answered");
    let held: serde_json::Value = held.json().await.expect("JSON");
    assert_eq!(held["_source"]["content_hash"], newer.content_hash);
    let gone = ProductDocument::gone(id, Timestamp::now());
    let results = bulk::index(client, alias, 30, &[gone]).await.expect("answered");
    assert_eq!(results, [ItemResult::Indexed]);
}

async fn a_removal_needs_the_newest_ticket(client: &SearchClient) {
    let alias = client.alias();
    let id = product(60).id;
    let results = bulk::index(client, alias, 70, &[document(60)]).await.expect("answered");
    assert_eq!(results, [ItemResult::Indexed]);
    for (ticket, removed) in [(60, 0), (70, 0), (80, 1), (90, 0)] {
        let answered = bulk::remove(client, alias, ticket, &[id, product(61).id]).await;
        assert_eq!(answered.expect("answered"), removed, "with ticket {ticket}");
    }
}

/// An index that a version made which knew neither stock nor sales refuses today's documents, until it is told of their
/// fields.
async fn an_index_of_before_gets_the_new_fields(url: &str, analysis: Analysis) {
    let client = client(url);
    let name = index::new_name(client.alias(), Timestamp::now(), [7; 4]);
    let mut body = index_body(analysis);
    body["aliases"] = json!({(client.alias()): {"is_write_index": true}});
    let fields = body["mappings"]["properties"].as_object_mut().expect("fields");
    for field in ["in_stock", "popularity", "deleted_at"] {
        fields.remove(field).expect("a field of today");
    }
    let made =
        reqwest::Client::new().put(format!("{url}/{name}")).json(&body).send().await.expect("answered");
    assert_eq!(made.status().as_u16(), 200);
    let refused = bulk::index(&client, client.alias(), 1, &[document(1)]).await.expect("answered");
    assert!(matches!(refused[..], [ItemResult::Refused(_)]), "{refused:?}");
    for _ in 0..2 {
        consume::add_fields(&client).await.expect("the fields are added");
    }
    let taken = bulk::index(&client, client.alias(), 2, &[document(1)]).await.expect("answered");
    assert_eq!(taken, [ItemResult::Indexed]);
    index::delete(&client, &name).await.expect("deleted");
}

/// An index that a version made whose analysis was another one: it takes today's documents and is searched, if plainly.
async fn an_index_of_another_analysis_goes_on(url: &str) {
    let client = client(url);
    let name = index::new_name(client.alias(), Timestamp::now(), [8; 4]);
    let mut body = index_body(Analysis::Standard);
    body["settings"]["analysis"] = json!({"analyzer": {"catalogue": {"type": "standard"}}});
    body["aliases"] = json!({(client.alias()): {"is_write_index": true}});
    let text = json!({"type": "text", "analyzer": "catalogue"});
    let both = json!({"type": "keyword", "fields": {"text": text}});
    let fields = body["mappings"]["properties"].as_object_mut().expect("fields");
    for field in ["title_head", "spelling", "review_text"] {
        fields.remove(field).expect("a field of today");
    }
    for (field, mapping) in [
        ("title", &text),
        ("description", &text),
        ("attribute_text", &text),
        ("brand", &both),
        ("category", &both),
    ] {
        fields[field] = mapping.clone();
    }
    let made =
        reqwest::Client::new().put(format!("{url}/{name}")).json(&body).send().await.expect("answered");
    assert_eq!(made.status().as_u16(), 200);
    let asked = SearchRequest { text: Some("shirt".to_owned()), ..request() };
    assert_eq!(search(&client, &asked).await.expect("before its fields are added").hits.len(), 0);
    consume::add_fields(&client).await.expect("the fields are added");
    let taken = bulk::index(&client, client.alias(), 1, &[document(1)]).await.expect("answered");
    assert_eq!(taken, [ItemResult::Indexed]);
    index::refresh(&client, &name).await.expect("refreshed");
    assert_eq!(search(&client, &asked).await.expect("answered").hits.len(), 1);
    index::delete(&client, &name).await.expect("deleted");
}

async fn an_unknown_field_is_refused(url: &str, name: &str) {
    let address = format!("{url}/{name}/_doc/unknown?version=1&version_type=external");
    let body = json!({"product_id": "unknown", "colour_of_the_week": "blue"});
    let answer = reqwest::Client::new().put(address).json(&body).send().await.expect("answered");
    assert_eq!(answer.status().as_u16(), 400);
    let text = answer.text().await.expect("text");
    assert!(text.contains("strict_dynamic_mapping_exception"), "{text}");
}

async fn the_catalogue_is_indexed(client: &SearchClient, name: &str) {
    let mut documents: Vec<ProductDocument> = (0..PRODUCT_COUNT).map(document).collect();
    for (number, status) in [(50, ProductStatus::Draft), (51, ProductStatus::Archived)] {
        documents.push(of(&Product { status, ..product(number) }));
    }
    documents.push(ProductDocument::gone(product(52).id, Timestamp::now()));
    let alias = client.alias();
    let results = bulk::index(client, alias, 40, &documents).await.expect("answered");
    assert!(results.iter().all(|result| *result == ItemResult::Indexed), "{results:?}");
    index::refresh(client, name).await.expect("refreshed");
}

async fn text_finds_words_only(client: &SearchClient) {
    for (text, expected) in [
        ("navy shirt", everything()),
        ("SKU-7", [7].into()),
        ("num ber7", [7].into()),
        ("nothing-like-it", [].into()),
        ("title:* OR status:draft", [].into()),
    ] {
        let asked = SearchRequest { text: Some(text.to_owned()), ..request() };
        assert_finds(client, asked, expected).await;
    }
    let asked = SearchRequest { text: Some("navy".to_owned()), limit: 1, ..request() };
    let page = search(client, &asked).await.expect("answered");
    assert!(page.hits[0].score.is_some_and(|score| score > 0.0));
}

async fn other_words_find_what_is_meant(client: &SearchClient, analysis: Analysis) {
    // Only a stemmer knows the plural; without it the word is corrected.
    let by_plural = (analysis == Analysis::Standard).then_some("shirt");
    for (text, corrected) in [("shirts", by_plural), ("nvay Shirt", Some("navy shirt")), ("navy shirt", None)]
    {
        let asked = SearchRequest { text: Some(text.to_owned()), ..request() };
        let page = search(client, &asked).await.expect("answered");
        assert_eq!(
            (page.hits.len(), page.corrected.as_deref()),
            (usize::from(PRODUCT_COUNT), corrected),
            "{text}"
        );
        assert_eq!(page.relaxed_from, None);
    }
    let misspelt = SearchRequest { text: Some("nvay".to_owned()), limit: 100, ..request() };
    let at_once = search(client, &misspelt).await.expect("answered").hits;
    assert_eq!(pages::in_pages(client, &misspelt, 4).await, at_once, "every page is of the corrected words");
}

async fn a_part_of_the_words_is_enough_when_few_have_most(client: &SearchClient) {
    let text = Some("shirt zzzz yyyy xxxx".to_owned());
    let asked = SearchRequest { text, limit: 100, ..request() };
    let page = search(client, &asked).await.expect("answered");
    assert_eq!((page.hits.len(), page.relaxed_from), (usize::from(PRODUCT_COUNT), Some(0)));
    assert_eq!(pages::in_pages(client, &asked, 4).await, page.hits);
    // One has both words, all the others have one of them.
    let asked = SearchRequest { text: Some("navy number7".to_owned()), ..asked };
    let page = search(client, &asked).await.expect("answered");
    assert_eq!((page.hits.len(), page.relaxed_from), (usize::from(PRODUCT_COUNT), Some(1)));
    assert_eq!(page.hits[0].product_id, product(7).id);
    assert_eq!(pages::in_pages(client, &asked, 4).await, page.hits);
    // Of three words two are enough, one is not.
    let asked = SearchRequest { text: Some("navy number7 zzzz".to_owned()), ..asked };
    let page = search(client, &asked).await.expect("answered");
    assert_eq!((page.hits[0].product_id, page.relaxed_from), (product(7).id, Some(1)));
    let cheapest = SearchRequest { sort: Sort::PriceAsc, ..asked };
    let page = search(client, &cheapest).await.expect("answered");
    assert_eq!((page.hits.len(), page.relaxed_from), (1, None), "by price only what has most of the words");
}

async fn filters_narrow(client: &SearchClient) {
    let odd: BTreeSet<u8> = everything().into_iter().filter(|number| number % 2 == 1).collect();
    let category = |path: &str| SearchRequest { category: Some(path.to_owned()), ..request() };
    let brand = SearchRequest { brand: Some("PUMA".into()), ..request() };
    let attributes =
        [("colour", "navy blue"), ("size", "m")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let attributes = SearchRequest { attributes: attributes.into(), ..request() };
    let price = SearchRequest { price_min_minor: Some(500), price_max_minor: Some(700), ..request() };
    let not_buyable = SearchRequest { buyable: Some(false), ..request() };
    for (asked, expected) in [
        (request(), everything()),
        (category("apparel"), everything()),
        (category("apparel/odd"), odd.clone()),
        (brand, odd),
        (attributes, everything()),
        (price, [5, 6, 7].into()),
        (not_buyable, [0].into()),
    ] {
        assert_finds(client, asked, expected).await;
    }
}

async fn facets_count_all_matches(client: &SearchClient) {
    let asked = SearchRequest { limit: 1, ..request() };
    let facets = search(client, &asked).await.expect("answered").facets;
    let count = |values: &[FacetValue], value: &str| {
        values.iter().find(|facet| facet.value == value).map(|facet| facet.count)
    };
    assert_eq!(count(&facets.category, "apparel"), Some(25));
    assert_eq!(count(&facets.category, "apparel/odd"), Some(12));
    assert_eq!(count(&facets.brand, "Puma"), Some(12));
    assert_eq!(count(&facets.brand, "Nike"), Some(13));

    let size = [("size".to_owned(), "m".to_owned())];
    let chosen =
        SearchRequest { brand: Some("Puma".into()), attributes: size.into(), rating_min: Some(4), ..asked };
    let page = search(client, &SearchRequest { limit: 100, ..chosen }).await.expect("answered");
    assert_eq!(page.hits.len(), 12);
    let facets = page.facets;
    assert_eq!(count(&facets.brand, "Nike"), Some(13), "what else there is of the facet itself");
    assert_eq!(
        (count(&facets.category, "apparel/odd"), count(&facets.category, "apparel/even")),
        (Some(12), None)
    );
    let names: Vec<_> = facets.attributes.iter().map(|facet| facet.name.as_str()).collect();
    assert_eq!(names, ["colour", "size"]);
    assert_eq!(count(&facets.attributes[0].values, "Navy Blue"), Some(12));
    let prices: Vec<_> = facets.price.iter().map(|price| (price.from_minor, price.count)).collect();
    assert_eq!(prices, [(0, 2), (500, 3), (1_000, 5), (2_000, 2)]);
    let ratings: Vec<_> = facets.rating.iter().map(|rating| (rating.at_least, rating.count)).collect();
    assert_eq!(ratings, [(4, 12), (3, 12), (2, 12), (1, 12)]);
}

async fn assert_finds(client: &SearchClient, asked: SearchRequest, expected: BTreeSet<u8>) {
    let page = search(client, &asked).await.expect("answered");
    let found: BTreeSet<ProductId> = page.hits.iter().map(|hit| hit.product_id).collect();
    let expected: BTreeSet<ProductId> = expected.into_iter().map(|number| product(number).id).collect();
    assert_eq!(found, expected, "{asked:?}");
}

fn everything() -> BTreeSet<u8> {
    (0..PRODUCT_COUNT).collect()
}

async fn requests_outside_the_limits_are_refused(client: &SearchClient) {
    let place = json!({"corrected": null, "strictness": "strict", "after": ["x", 1]});
    let garbled = SearchRequest { place: serde_json::from_value(place).ok(), ..request() };
    assert!(garbled.place.is_some());
    for asked in [SearchRequest { limit: 101, ..request() }, garbled] {
        let refused = search(client, &asked).await;
        assert!(matches!(refused, Err(SearchError::Refused { status: 400, .. })), "{refused:?}");
    }
}

async fn the_alias_switches_in_one_step(client: &SearchClient, first: &str, analysis: Analysis) {
    // Later than any index of the first steps, whatever the clock says.
    let later = Timestamp::now() + jiff::SignedDuration::from_secs(60);
    let second = index::new_name(client.alias(), later, [9; 4]);
    index::create(client, &second, analysis).await.expect("created");
    index::begin_filling(client, &second).await.expect("filling");
    let aliases = index::aliases(client).await.expect("aliases");
    assert_eq!((aliases.current.as_deref(), aliases.next.as_deref()), (Some(first), Some(second.as_str())));

    let next = client.next_alias();
    let results = bulk::index(client, &next, 50, &[document(3)]).await.expect("answered");
    assert_eq!(results, [ItemResult::Indexed]);
    index::refresh(client, &second).await.expect("refreshed");
    assert_eq!(search(client, &request()).await.expect("answered").hits.len(), usize::from(PRODUCT_COUNT));
    index::switch(client, &second).await.expect("switched");
    let hits = search(client, &request()).await.expect("answered").hits;
    assert_eq!(hits.iter().map(|hit| hit.product_id).collect::<Vec<_>>(), [product(3).id]);
    let aliases = index::aliases(client).await.expect("aliases");
    assert_eq!((aliases.current.as_deref(), aliases.next), (Some(second.as_str()), None));
    assert_eq!(aliases.all, [first.to_owned(), second]);

    // Who knew the next index from before the switch is told to look again, and loses nothing.
    let results = bulk::index(client, &next, 60, &[document(4)]).await.expect("answered");
    assert!(matches!(results[..], [ItemResult::Retryable(_)]), "{results:?}");
    let missing = index::new_name(client.alias(), later, [10; 4]);
    assert!(index::switch(client, &missing).await.is_err());
    let unchanged = index::aliases(client).await.expect("aliases");
    assert_eq!(unchanged.current, aliases.current);
}

/// What a failed rebuild asks before it removes its index.
async fn the_end_of_filling_is_told_from_a_switch(client: &SearchClient, analysis: Analysis) {
    let later = Timestamp::now() + jiff::SignedDuration::from_secs(120);
    let [used, unused] = [11, 12].map(|random| index::new_name(client.alias(), later, [random; 4]));
    for name in [&used, &unused] {
        index::create(client, name, analysis).await.expect("created");
    }
    index::begin_filling(client, &used).await.expect("filling");
    index::switch(client, &used).await.expect("switched");
    assert!(!index::end_filling(client, &used).await.expect("answered"), "it is in use");
    index::begin_filling(client, &unused).await.expect("filling");
    assert!(index::end_filling(client, &unused).await.expect("answered"));
    let aliases = index::aliases(client).await.expect("aliases");
    assert_eq!((aliases.current.as_deref(), aliases.next), (Some(used.as_str()), None));
    index::delete(client, &unused).await.expect("deleted");
    assert!(!index::end_filling(client, &unused).await.expect("answered"), "it is gone");
}

fn request() -> SearchRequest {
    SearchRequest { limit: 100, ..SearchRequest::default() }
}

fn document(number: u8) -> ProductDocument {
    of(&product(number))
}

fn of(product: &Product) -> ProductDocument {
    ProductDocument::of(product, &Facts::default())
}

/// Product `n` costs n pounds, is newer than n - 1 and has the SKU `SKU-n`; number 0 has no price.
fn product(number: u8) -> Product {
    let created_at = Timestamp::from_second(1_700_000_000 + i64::from(number)).expect("in range");
    let price = Money { amount_minor: i64::from(number) * 100, currency: Currency::GBP };
    let is_odd = number % 2 == 1;
    Product {
        id: ProductId::new(created_at, [number; 10]),
        source: None,
        external_id: None,
        slug: format!("shirt-{number}"),
        title: "Shirt".into(),
        description: format!("Worn every day, number{number}."),
        brand: Some(if is_odd { "Puma" } else { "Nike" }.to_owned()),
        category: Some(if is_odd { "apparel/odd" } else { "apparel/even" }.to_owned()),
        attributes: [("colour".to_owned(), "Navy Blue".to_owned())].into(),
        images: Vec::new(),
        variants: vec![Variant {
            id: VariantId::new(created_at, [number; 10]),
            sku: format!("SKU-{number}"),
            options: [("size".to_owned(), "M".to_owned())].into(),
            price: (number > 0).then_some(price),
        }],
        rating: Rating { average: "4.5".parse().ok(), count: 2 },
        status: ProductStatus::Active,
        version: 1,
        created_at,
        updated_at: created_at,
    }
}
