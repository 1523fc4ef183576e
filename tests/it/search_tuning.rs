//! A merchandiser's day: a draft, what it would change, the judged queries that stand at the gate, and the way back.

use std::time::Duration;

use domain::product::Product;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use search_indexer::projection::Projection;
use serde_json::{Value, json};
use store::mongo::products::{self, NewProduct};
use support::api::{self, Answer, Client, Who, send};
use support::search_index::{build, new_name, projection};
use support::{Scope, shop, wait};

pub(crate) const MERCHANDISER: Who = Who::Role("merchandiser");
pub(crate) const SHOPPER: Who = Who::Role("shopper");
pub(crate) const DRAFTS: &str = "/merchandising/drafts";
/// How soon every process answers by a release.
pub(crate) const LIVE_WITHIN: Duration = Duration::from_secs(10);

/// Products with these titles, in the store and in the index.
pub(crate) async fn stocked(scope: &Scope, projection: &Projection, titles: &[&str]) -> Vec<Product> {
    let product = |title: &&str| Product { category: None, ..shop::product(title) };
    let made: Vec<Product> = titles.iter().map(product).collect();
    let new: Vec<NewProduct> =
        made.iter().map(|product| NewProduct::new(product.clone(), shop::changed(product))).collect();
    products::insert_many(&projection.mongo, &new).await.expect("inserted");
    build(scope, projection, &new_name(projection, 0)).await.expect("indexed");
    made
}

pub(crate) async fn begin(client: &Client, name: &str) -> Answer {
    client.post(MERCHANDISER, DRAFTS, &name.replace(' ', "-"), &json!({"name": name})).await.expect(201)
}

pub(crate) fn path(draft: &Answer) -> String {
    format!("{DRAFTS}/{}", draft.body["id"].as_str().expect("an id"))
}

pub(crate) async fn patched(client: &Client, draft: &Answer, patch: &Value) -> Answer {
    client.patch(MERCHANDISER, &path(draft), draft.header("etag"), patch).await
}

pub(crate) async fn publish(client: &Client, draft: &Answer, body: &Value) -> Answer {
    let request = client.request(Method::POST, MERCHANDISER, &format!("{}/publish", path(draft)));
    send(request.header("if-match", draft.header("etag")).json(body)).await
}

pub(crate) async fn ask(client: &Client, path: &str, body: &Value) -> Answer {
    send(client.request(Method::POST, MERCHANDISER, path).json(body)).await
}

/// Slugs of the hits and the answer itself.
async fn searched(client: &Client, words: &str) -> (Vec<String>, Value) {
    let answer = client.get(SHOPPER, &format!("/search?q={words}&limit=10")).await.expect(200).body;
    let data = answer["data"].as_array().expect("hits");
    (data.iter().filter_map(|hit| hit["title"].as_str().map(str::to_owned)).collect(), answer)
}

pub(crate) fn rule(name: &str, words: &str, actions: Value) -> Value {
    let when = json!({"kind": "query", "matching": "contains", "words": words});
    json!({"name": name, "when": when, "actions": actions})
}

pub(crate) fn hide(product: &Product) -> Value {
    json!({"kind": "hide", "products": {"by": "products", "product_ids": [product.id]}})
}

pub(crate) async fn judge(scope: &Scope, query: &str, product: &Product, grade: i16) {
    const SQL: &str = "INSERT INTO judgments (judgment_set, query, product_id, judge, grade, judged_at) \
                       VALUES ('house', $1, $2, 'ann', $3, $4)";
    let client = scope.primary().await;
    client.execute(SQL, &[&query, &product.id.0, &grade, &Timestamp::now()]).await.expect("judged");
}

#[tokio::test]
async fn a_draft_goes_live_on_every_process_and_back() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let titles = ["Navy jumper", "Linen shirt", "Silk shirt", "Canvas bag"];
    let made = stocked(&scope, &projection, &titles).await;
    let [first, second] =
        [api::start(api::api_settings(&scope)).await, api::start(api::api_settings(&scope)).await];
    let [client, other] = [Client::new(&first), Client::new(&second)];
    client
        .post(SHOPPER, DRAFTS, "k", &json!({"name": "mine"}))
        .await
        .expect_problem(403, "permission_denied");
    assert_eq!(searched(&client, "sweater").await.0, Vec::<String>::new());

    let draft = begin(&client, "autumn").await;
    let pin = json!({"kind": "pin", "product_id": made[3].id, "position": 2});
    let banner = json!({"kind": "banner", "text": "Shirts are back", "url": "/shirts"});
    let patch = json!({
        "synonyms": [{"kind": "two_way", "terms": ["jumper", "sweater"]}],
        "rules": [rule("shirts", "shirt", json!([pin, hide(&made[1]), banner]))],
    });
    let draft = patched(&client, &draft, &patch).await.expect(200);
    assert_eq!((&draft.body["version"], &draft.body["conflicts"]), (&json!(2), &json!([])));
    let queries = json!({"queries": ["sweater", "shirt", "bag"]});
    let preview = ask(&client, &format!("{}/preview", path(&draft)), &queries).await.expect(200).body;
    assert_eq!(preview["changed"], 2);
    assert_eq!(preview["data"][0]["draft"], json!([made[0].id]));
    assert_eq!(preview["data"][1]["rules_applied"], json!(["shirts"]));
    assert_eq!(searched(&client, "sweater").await.0, Vec::<String>::new(), "a draft is not live");

    let release = publish(&client, &draft, &json!({"note": "for autumn"})).await.expect(201);
    assert_eq!(
        (&release.body["number"], &release.body["published_by"]),
        (&json!(1), &json!("role:merchandiser"))
    );
    for client in [&client, &other] {
        let found = wait::until("the release is live", LIVE_WITHIN, async || {
            let (found, _) = searched(client, "sweater").await;
            (!found.is_empty()).then_some(found)
        });
        assert_eq!(found.await, ["Navy jumper"]);
        let (found, answer) = searched(client, "shirt").await;
        assert_eq!(found, ["Silk shirt", "Canvas bag"]);
        assert_eq!(answer["query"]["rules_applied"], json!(["shirts"]));
        assert_eq!(answer["query"]["banners"], json!([{"text": "Shirts are back", "url": "/shirts"}]));
        let seen =
            (&answer["data"][1]["pinned"], &answer["data"][1]["score"], answer["data"][0].get("pinned"));
        assert_eq!(seen, (&json!(true), &Value::Null, None));
    }

    let back = ask(&client, "/merchandising/releases/1/rollback", &Value::Null).await.expect(201).body;
    assert_eq!((&back["number"], &back["restores"], &back["rules"]), (&json!(2), &json!(0), &json!([])));
    for client in [&client, &other] {
        wait::until("the way back is live", LIVE_WITHIN, async || {
            searched(client, "sweater").await.0.is_empty().then_some(())
        })
        .await;
        assert_eq!(searched(client, "shirt").await.0.len(), 2);
    }
    ask(&client, "/merchandising/releases/1/rollback", &Value::Null)
        .await
        .expect_problem(409, "release_not_live");
    let release = |number: i64| json!({"scope": "shop", "release": number, "is_rollback": number == 2});
    assert_eq!(events(&scope).await, [release(1), release(2)]);
    let releases = client.get(MERCHANDISER, "/merchandising/releases").await.expect(200).body;
    let numbers: Vec<_> =
        releases["data"].as_array().expect("a page").iter().map(|one| &one["number"]).collect();
    assert_eq!(numbers, [2, 1]);
    for api in [first, second] {
        api.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn a_release_goes_live_at_its_time_on_every_process() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let made = stocked(&scope, &projection, &["Linen shirt", "Silk shirt"]).await;
    let [first, second] =
        [api::start(api::api_settings(&scope)).await, api::start(api::api_settings(&scope)).await];
    let [client, other] = [Client::new(&first), Client::new(&second)];
    let hidden = async |name: &str, product: &Product| {
        let rules = json!({"rules": [rule(name, "shirt", json!([hide(product)]))]});
        patched(&client, &begin(&client, name).await, &rules).await.expect(200)
    };
    let [draft, late] = [hidden("sale", &made[0]).await, hidden("late", &made[1]).await];
    for wrong in ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
        publish(&client, &draft, &json!({"live_from": wrong})).await.expect_problem(400, "invalid_field");
    }
    let at = Timestamp::now() + SignedDuration::from_secs(3_600);
    let release = publish(&client, &draft, &json!({"live_from": at})).await.expect(201);
    assert_eq!(release.body["live_from"], json!(at));
    publish(&client, &late, &json!({})).await.expect_problem(409, "release_waits");
    assert_eq!(searched(&client, "shirt").await.0.len(), 2, "it waits");

    // To give it up is to go back from it; what is published then is live at once.
    ask(&client, "/merchandising/releases/1/rollback", &Value::Null).await.expect(201);
    let late = patched(&client, &late, &json!({"base_release": 2})).await.expect(200);
    publish(&client, &late, &json!({})).await.expect(201);
    assert_eq!(searched(&client, "shirt").await.0, ["Linen shirt"]);

    let again = hidden("again", &made[0]).await;
    let soon = Timestamp::now() + SignedDuration::from_secs(2);
    publish(&client, &again, &json!({"live_from": soon})).await.expect(201);
    for client in [&client, &other] {
        wait::until("the time has come", LIVE_WITHIN, async || {
            let (found, _) = searched(client, "shirt").await;
            (found == ["Silk shirt"]).then_some(())
        })
        .await;
        assert!(Timestamp::now() >= soon, "not before its time");
    }
    for api in [first, second] {
        api.stop().await.expect("stops");
    }
}

/// What the events of releases say, in their order.
async fn events(scope: &Scope) -> Vec<Value> {
    const SQL: &str = "SELECT envelope::text FROM outbox WHERE aggregate_kind = 'search_tuning' \
                       ORDER BY aggregate_version";
    let rows = scope.primary().await.query(SQL, &[]).await.expect("events");
    let data = |row: &tokio_postgres::Row| {
        let envelope: Value = serde_json::from_str(row.get(0)).expect("JSON");
        envelope["data"].clone()
    };
    rows.iter().map(data).collect()
}

/// The titles of all pages.
async fn paged(client: &Client, words: &str) -> Vec<String> {
    let mut titles = Vec::new();
    let mut path = format!("/search?q={words}&limit=2");
    for _ in 0..6 {
        let page = client.get(SHOPPER, &path).await.expect(200).body;
        let hits = page["data"].as_array().expect("hits").iter();
        titles.extend(hits.filter_map(|hit| hit["title"].as_str().map(str::to_owned)));
        let Some(cursor) = page["page"]["next_cursor"].as_str() else { break };
        path = format!("/search?q={words}&limit=2&cursor={cursor}");
    }
    titles
}

#[tokio::test]
async fn pins_stand_at_their_places_and_only_what_can_be_bought() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let titles = ["Red shirt", "Blue shirt", "Red bag", "Red belt", "Red scarf"];
    let made = stocked(&scope, &projection, &titles).await;
    // Without a price nobody can buy it.
    let mut unpriced = Product { category: None, ..shop::product("Red shirt of silk") };
    unpriced.variants[0].price = None;
    let new = [NewProduct::new(unpriced.clone(), shop::changed(&unpriced))];
    products::insert_many(&projection.mongo, &new).await.expect("inserted");
    build(&scope, &projection, &new_name(&projection, 1)).await.expect("indexed");
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let draft = begin(&client, "pins").await;
    let pin = |product: &Product, position: u8| json!({"kind": "pin", "product_id": product.id, "position": position});
    let rules = json!([rule("red", "red shirt", json!([pin(&unpriced, 1), pin(&made[1], 3)]))]);
    let draft = patched(&client, &draft, &json!({"rules": rules})).await.expect(200);
    publish(&client, &draft, &json!({})).await.expect(201);

    // Two have both words; the pinned one comes third, then those with one of the words.
    let (found, answer) = searched(&client, "red+shirt").await;
    assert_eq!(found.len(), 6);
    assert_eq!(found[2], "Blue shirt");
    assert_eq!(answer["query"]["relaxed_from"], 3);
    let pinned: Vec<_> =
        answer["data"].as_array().expect("hits").iter().map(|hit| hit.get("pinned")).collect();
    assert_eq!(
        pinned,
        [None, None, Some(&json!(true)), None, None, None],
        "what cannot be bought has no place"
    );
    let (misspelt, answer) = searched(&client, "red+shrit").await;
    assert_eq!(answer["query"]["corrected"], "red shirt");
    assert_eq!(misspelt, found, "the rule is for what is meant, too");
    let mut in_pages = paged(&client, "red+shirt").await;
    assert_eq!(paged(&client, "red+shrit").await, in_pages);
    in_pages.sort();
    let mut all = found;
    all.sort();
    assert_eq!(in_pages, all, "each once, page by page");
    let (cheapest, _) = searched(&client, "red+shirt&sort=price_asc").await;
    assert_eq!(cheapest.len(), 2, "by price nothing has a place of its own");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn what_makes_the_search_worse_is_not_published_without_a_reason() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let made = stocked(&scope, &projection, &["Linen shirt", "Silk shirt", "Canvas bag"]).await;
    judge(&scope, "linen shirt", &made[0], 3).await;
    judge(&scope, "linen shirt", &made[1], 1).await;
    judge(&scope, "bag", &made[2], 3).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let draft = begin(&client, "harm").await;
    let rules = json!([
        rule("no linen", "linen", json!([hide(&made[0])])),
        rule("no bag", "bag", json!([hide(&made[2])]))
    ]);
    let draft = patched(&client, &draft, &json!({"rules": rules})).await.expect(200);

    let evaluation =
        ask(&client, &format!("{}/evaluation", path(&draft)), &Value::Null).await.expect(200).body;
    let house = &evaluation["data"][0];
    assert_eq!((&house["set"], &house["queries"], &house["worse"]), (&json!("house"), &json!(2), &json!(2)));
    assert_eq!((&house["ndcg_before"], &house["zero_results_after"]), (&json!(1.0), &json!(0.5)));
    assert_eq!(evaluation["harms"].as_array().map(Vec::len), Some(2));
    let refused = publish(&client, &draft, &json!({"note": "let us see"})).await;
    let detail = refused.body["detail"].as_str().expect("a sentence").to_owned();
    refused.expect_problem(409, "search_gets_worse");
    assert!(detail.contains("nDCG@10 on house falls from 1.0000"), "{detail}");
    assert!(detail.contains("50.0 % of the queries of house find nothing"), "{detail}");
    assert_eq!(searched(&client, "bag").await.0, ["Canvas bag"], "nothing went live");
    let mut later = rule("no bag, one day", "bag", json!([hide(&made[2])]));
    later["schedule"] = json!({"from": "2099-01-01T00:00:00Z"});
    let later =
        patched(&client, &begin(&client, "later").await, &json!({"rules": [later]})).await.expect(200);
    publish(&client, &later, &json!({})).await.expect_problem(409, "search_gets_worse");

    publish(&client, &draft, &json!({"override_reason": " "})).await.expect_problem(400, "invalid_field");
    let release =
        publish(&client, &draft, &json!({"override_reason": "recalled by the maker"})).await.expect(201);
    assert_eq!(release.body["override_reason"], "recalled by the maker");
    assert_eq!(release.body["evaluation"][0]["ndcg_before"], 1.0);
    assert_eq!(searched(&client, "bag").await.0, Vec::<String>::new());

    let draft = begin(&client, "mend").await;
    let draft = patched(&client, &draft, &json!({"rules": []})).await.expect(200);
    let release = publish(&client, &draft, &json!({"override_reason": "not needed"})).await.expect(201);
    assert_eq!(release.body["override_reason"], Value::Null, "the judged queries had nothing against it");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn what_cannot_go_live_is_refused_with_its_place() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let made = stocked(&scope, &projection, &["Linen shirt"]).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let draft = begin(&client, "wrong").await;
    let pin = json!({"kind": "pin", "product_id": made[0].id, "position": 1});
    let past = json!({"name": "old", "when": {"kind": "always"}, "actions": [hide(&made[0])],
                      "schedule": {"until": "2020-01-01T00:00:00Z"}});
    let one_way = |from: &str, to: &str| json!({"kind": "one_way", "from": from, "to": [to]});
    for (patch, pointer, code) in [
        (
            json!({"rules": [rule("a", "shirt", json!([pin, hide(&made[0])]))]}),
            "/rules/0/actions/1",
            "conflict",
        ),
        (json!({"rules": [past]}), "/rules/0/schedule/until", "past"),
        (json!({"synonyms": [one_way("a", "b"), one_way("b", "a")]}), "/synonyms/0/to/0", "loop"),
        (json!({"rules": [rule("a", "shirt", json!([{"kind": "script", "source": "1"}]))]}), "", "invalid"),
        (json!({"tuning": {}}), "/tuning", "unknown_field"),
    ] {
        let refused = patched(&client, &draft, &patch).await.expect_problem(400, "invalid_field");
        let error = &refused.body["errors"][0];
        assert_eq!(error["code"], code, "{patch}");
        assert!(error["pointer"].as_str().expect("a place").starts_with(pointer), "{error}");
    }
    let unread = client.patch(MERCHANDISER, &path(&draft), "\"v7\"", &json!({"rules": []})).await;
    unread.expect_problem(412, "precondition_failed");
    client.get(SHOPPER, &path(&draft)).await.expect_problem(403, "permission_denied");
    client.get(MERCHANDISER, "/merchandising/drafts/x").await.expect_problem(404, "not_found");

    let other = begin(&client, "other").await;
    publish(&client, &draft, &json!({})).await.expect(201);
    publish(&client, &draft, &json!({})).await.expect_problem(409, "draft_closed");
    patched(&client, &draft, &json!({"name": "x"})).await.expect_problem(409, "draft_closed");
    publish(&client, &other, &json!({})).await.expect_problem(409, "draft_outdated");
    let other = patched(&client, &other, &json!({"base_release": 1})).await.expect(200);
    let other = publish(&client, &other, &json!({})).await.expect(201);
    assert_eq!(other.body["number"], 2);
    let given_up = begin(&client, "given up").await;
    let request = client.request(Method::DELETE, MERCHANDISER, &path(&given_up));
    send(request.header("if-match", given_up.header("etag"))).await.expect(204);
    assert_eq!(client.get(MERCHANDISER, &path(&given_up)).await.expect(200).body["state"], "discarded");
    assert_eq!(client.get(MERCHANDISER, DRAFTS).await.expect(200).body["data"], json!([]));
    api.stop().await.expect("stops");
}
