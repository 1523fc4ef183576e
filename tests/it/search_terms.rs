//! From what shoppers searched for to a merchandiser's draft; and judgments, by people and by clicks.

use std::time::Duration;

use analytics::lake::Lake;
use analytics::search_report;
use domain::behaviour::{BehaviourEvent, BehaviourKind};
use domain::ids::{EventId, ProductId, SessionId};
use domain::product::Product;
use jiff::{Timestamp, ToSpan};
use reqwest::Method;
use serde_json::{Value, json};
use store::mongo::products::{self, NewProduct};
use support::api::{self, Answer, Client, Who, send};
use support::{Scope, shop, wait};

const MERCHANDISER: Who = Who::Role("merchandiser");
const TERMS: &str = "/merchandising/search-terms";
const SETS: &str = "/merchandising/judgment-sets";
/// How soon a standby has what was committed.
const REPLAYED_WITHIN: Duration = Duration::from_secs(10);
const NOW: &str = "2026-03-02T09:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

/// A visit of a day before: each thing a second after the one before.
fn visit(number: u8, days_before: i64, done: &[BehaviourEvent]) -> Vec<BehaviourEvent> {
    let begin = now() - (24 * days_before).hours() + i64::from(number).minutes();
    let timed = |(second, event): (i64, &BehaviourEvent)| {
        let at = begin + second.seconds();
        let unique = [number, u8::try_from(second).expect("few"), 1, 1, 1, 1, 1, 1, 1, 1];
        BehaviourEvent {
            id: EventId::new(at, unique),
            occurred_at: at,
            session_id: SessionId::new(begin, [number; 10]),
            ..event.clone()
        }
    };
    (0..).zip(done).map(timed).collect()
}

fn event(kind: BehaviourKind) -> BehaviourEvent {
    BehaviourEvent::new(EventId::new(now(), [0; 10]), now(), SessionId::new(now(), [0; 10]), kind)
}

fn search(words: &str, results: u32) -> BehaviourEvent {
    BehaviourEvent {
        query: Some(words.to_owned()),
        results: Some(results),
        waited_ms: Some(50),
        ..event(BehaviourKind::Search)
    }
}

fn click(words: &str, product_id: ProductId, position: u16) -> BehaviourEvent {
    BehaviourEvent {
        query: Some(words.to_owned()),
        product_id: Some(product_id),
        position: Some(position),
        ..event(BehaviourKind::Click)
    }
}

/// Thirty visits that say `sweater` and then `jumper`; of these a few buy what they have clicked.
fn visits(product: ProductId) -> Vec<BehaviourEvent> {
    let mut events = Vec::new();
    for number in 0..30 {
        let mut done = vec![search("Sweater", 0), search("jumper", 5), click("jumper", product, 1)];
        if number < 4 {
            done.push(BehaviourEvent { product_id: Some(product), ..event(BehaviourKind::CartAdd) });
            done.push(event(BehaviourKind::Purchase));
        }
        events.extend(visit(number, 3, &done));
    }
    events
}

async fn catalogue(scope: &Scope) -> Vec<Product> {
    let made: Vec<Product> = ["Navy jumper", "Red jumper"].iter().map(|title| shop::product(title)).collect();
    let new: Vec<NewProduct> =
        made.iter().map(|product| NewProduct::new(product.clone(), shop::changed(product))).collect();
    products::insert_many(&scope.mongo().await, &new).await.expect("inserted");
    made
}

async fn counted(scope: &Scope) -> search_report::SearchReport {
    let lake = Lake::new(&scope.lake);
    let run = search_report::run(&scope.postgres, &lake, "shop", now()).await;
    run.expect("counted").expect("there are events")
}

async fn asked(client: &Client, path: &str) -> Answer {
    client.get(MERCHANDISER, path).await.expect(200)
}

#[tokio::test]
async fn what_shoppers_search_for_mends_the_search() {
    let scope = Scope::new().await;
    let made = catalogue(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let nothing = asked(&client, TERMS).await.body;
    assert_eq!((&nothing["data"], &nothing["as_of"]), (&json!([]), &Value::Null));
    let lake = Lake::new(&scope.lake);
    let run = search_report::run(&scope.postgres, &lake, "shop", now()).await;
    assert!(run.expect("counted").is_none(), "a channel without events has no report");

    let events = visits(made[0].id);
    let day = lake::behaviour::utc_day(&events[0]);
    lake::behaviour::Writer::new(&scope.lake, "shop").write_day(day, &events).expect("written");
    let report = counted(&scope).await;
    assert_eq!((report.searches, report.terms, report.judgments), (60, 2, 1));
    let again = counted(&scope).await;
    assert_eq!((again.searches, again.terms, again.judgments), (60, 2, 1), "a second run changes nothing");

    // Reports are read from a standby.
    let body = wait::until("the report is there", REPLAYED_WITHIN, async || {
        let body = asked(&client, TERMS).await.body;
        (body["data"].as_array().map(Vec::len) == Some(2)).then_some(body)
    })
    .await;
    let dates = (&body["from"], &body["to"], &body["searches"], &body["as_of"]);
    assert_eq!(dates, (&json!("2026-02-02"), &json!("2026-03-01"), &json!(60), &json!(NOW)));
    let jumper = json!({
        "term": "jumper", "searches": 30, "sessions": 30, "counted": 30, "without_results": 0, "clicked": 30,
        "visitors": 30, "reformulated": 0, "reformulated_to": null, "reformulated_to_sessions": 0,
        "top_product": made[0].id, "sales": 4, "waited_ms_p95": 50,
        "suggestion": null,
    });
    assert_eq!(body["data"][0], jumper);
    let synonym = json!({"kind": "one_way", "from": "sweater", "to": ["jumper"]});
    let suggestion = json!({"kind": "synonym", "synonym": synonym});
    assert_eq!(body["data"][1]["suggestion"], suggestion);
    for (order, first) in [("without_results", "sweater"), ("reformulated", "sweater"), ("sales", "jumper")] {
        // Each standby has it in its own time.
        let body = wait::until("the report is there", REPLAYED_WITHIN, async || {
            let body = asked(&client, &format!("{TERMS}?order={order}")).await.body;
            (body["as_of"] != Value::Null).then_some(body)
        })
        .await;
        let terms: Vec<_> =
            body["data"].as_array().expect("terms").iter().map(|term| &term["term"]).collect();
        assert_eq!(terms, [first], "{order}");
    }
    let clicks = asked(&client, &format!("{TERMS}?order=without_clicks")).await.body;
    assert_eq!(clicks["data"], json!([]));
    client.get(MERCHANDISER, &format!("{TERMS}?order=name")).await.expect_problem(400, "invalid_field");
    client.get(Who::Role("shopper"), TERMS).await.expect_problem(403, "permission_denied");

    take(&client, &synonym).await;
    api.stop().await.expect("stops");
}

/// Takes the suggestion for `sweater` into a new draft.
async fn take(client: &Client, synonym: &Value) {
    let draft =
        client.post(MERCHANDISER, "/merchandising/drafts", "k", &json!({"name": "mend"})).await.expect(201);
    let path = format!("/merchandising/drafts/{}/suggestions", draft.body["id"].as_str().expect("an id"));
    let take = async |etag: &str, terms: &Value| {
        let request = client.request(Method::POST, MERCHANDISER, &path).header("if-match", etag);
        send(request.json(&json!({"terms": terms}))).await
    };
    let refused = take("\"v1\"", &json!(["sweater", "jumper"])).await.expect_problem(400, "invalid_field");
    assert_eq!(refused.body["errors"][0]["pointer"], "/terms/1");
    let taken = take("\"v1\"", &json!(["sweater"])).await.expect(200);
    assert_eq!((&taken.body["synonyms"], &taken.body["version"]), (&json!([synonym]), &json!(2)));
    take("\"v1\"", &json!(["sweater"])).await.expect_problem(412, "precondition_failed");
    let again = take("\"v2\"", &json!(["sweater"])).await.expect(200);
    assert_eq!(again.body["version"], 2, "what the draft has is not put in again");
    take("\"v2\"", &json!([])).await.expect_problem(400, "invalid_field");
}

#[tokio::test]
async fn judgments_are_added_read_agreed_on_and_removed() {
    let scope = Scope::new().await;
    let made = catalogue(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let [navy, red] = [made[0].id, made[1].id];
    let path = format!("{SETS}/house");
    let put = async |media_type: &str, body: String| {
        let request = client.request(Method::PATCH, MERCHANDISER, &path).header("content-type", media_type);
        send(request.body(body)).await
    };
    let csv = format!(
        "query,product_id,grade,judge\nnavy jumper,{navy},3,ann\nnavy jumper,{red},1,ann\nnavy jumper,{navy},3,ben\n\
         navy jumper,{red},0,ben\n"
    );
    for _ in 0..2 {
        let added = put("text/csv", csv.clone()).await.expect(200);
        assert_eq!(added.body, json!({"judgments": 4}));
    }
    let own = json!({"judgments": [{"query": "red", "product_id": red, "grade": 2}]});
    put("application/json", own.to_string()).await.expect(200);
    let set = asked(&client, SETS).await.body["data"][0].clone();
    let agreement = set["agreement"].as_f64().expect("two judges");
    assert!((0.8..1.0).contains(&agreement), "{agreement}");
    let expected = json!({"name": "house", "queries": 2, "judgments": 5, "judges": ["ann", "ben", "role:merchandiser"],
                          "agreement": agreement});
    assert_eq!(set, expected);

    let mut seen = Vec::new();
    let mut next = format!("{path}?limit=2");
    for _ in 0..4 {
        let page = asked(&client, &next).await.body;
        let judgments = page["data"].as_array().expect("a page").iter();
        seen.extend(judgments.map(|judgment| (judgment["query"].clone(), judgment["judge"].clone())));
        let Some(cursor) = page["page"]["next_cursor"].as_str() else { break };
        next = format!("{path}?limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 5, "each once, page by page");
    let of_query = asked(&client, &format!("{path}?query=red")).await.body;
    assert_eq!(
        (&of_query["data"][0]["grade"], of_query["data"].as_array().map(Vec::len)),
        (&json!(2), Some(1))
    );

    refusals(&client, navy).await;
    let remove = async |query: &str| {
        send(client.request(Method::DELETE, MERCHANDISER, &format!("{path}{query}"))).await
    };
    remove(&format!("?query=navy+jumper&product_id={red}&judge=ben")).await.expect(204);
    remove("?query=nothing").await.expect_problem(404, "not_found");
    assert_eq!(asked(&client, SETS).await.body["data"][0]["judgments"], 4);
    remove("").await.expect(204);
    assert_eq!(asked(&client, SETS).await.body["data"], json!([]));
    api.stop().await.expect("stops");
}

/// Nothing of a body that is wrong somewhere is kept.
async fn refusals(client: &Client, product: ProductId) {
    let judgment = |field: &str, value: Value| {
        let mut judgment = json!({"query": "bag", "product_id": product, "grade": 1});
        judgment[field] = value;
        judgment
    };
    let good = judgment("grade", json!(2));
    for (bad, pointer) in [
        (judgment("grade", json!(4)), "/judgments/1/grade"),
        (judgment("query", json!(" ")), "/judgments/1/query"),
        (judgment("judge", json!("")), "/judgments/1/judge"),
        (judgment("product_id", json!("0190a000-0000-7000-8000-000000000000")), "/judgments/1/product_id"),
        (judgment("product_id", json!("x")), "/judgments/1/product_id"),
        (good.clone(), "/judgments/1/product_id"),
        (judgment("gain", json!(1)), "/judgments/1/gain"),
    ] {
        let body = json!({"judgments": [good, bad]});
        let request = client.request(Method::PATCH, MERCHANDISER, &format!("{SETS}/other")).json(&body);
        let refused = send(request).await.expect_problem(400, "invalid_field");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{bad}");
    }
    let put = async |set: &str| {
        let body = json!({"judgments": [good]});
        send(client.request(Method::PATCH, MERCHANDISER, &format!("{SETS}/{set}")).json(&body)).await
    };
    put("clicks").await.expect_problem(400, "invalid_field");
    put("No_Name").await.expect_problem(404, "not_found");
    let many = json!({"judgments": vec![good.clone(); 1_001]});
    let many = client.request(Method::PATCH, MERCHANDISER, &format!("{SETS}/other")).json(&many);
    send(many).await.expect_problem(400, "body_too_complex");
    let empty =
        client.request(Method::PATCH, MERCHANDISER, &format!("{SETS}/other")).json(&json!({"judgments": []}));
    send(empty).await.expect_problem(400, "invalid_field");
    let text = client
        .request(Method::PATCH, MERCHANDISER, &format!("{SETS}/other"))
        .header("content-type", "text/plain");
    send(text.body("x")).await.expect_problem(415, "unsupported_media_type");
    assert_eq!(asked(client, SETS).await.body["data"].as_array().map(Vec::len), Some(1));
}
