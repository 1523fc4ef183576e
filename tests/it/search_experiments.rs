//! A draft beside what is live, until shoppers have told which of them is better.

use analytics::experiment_report::{self, ExperimentReport};
use analytics::lake::Lake;
use domain::behaviour::{BehaviourEvent, BehaviourKind, SeenExperiment};
use domain::experiment::{Arm, Counts, Outcome};
use domain::ids::{EventId, ExperimentId, ProductId, SessionId};
use jiff::{Timestamp, ToSpan};
use reqwest::Method;
use serde_json::{Value, json};
use support::api::{self, Answer, Client, send};
use support::search_index::projection;
use support::{Scope, wait};

use crate::search_tuning::{
    LIVE_WITHIN, MERCHANDISER, SHOPPER, ask, begin, hide, judge, patched, publish, rule, stocked,
};

const EXPERIMENTS: &str = "/merchandising/experiments";

fn session(number: u8) -> SessionId {
    SessionId::new(Timestamp::UNIX_EPOCH, [number; 10])
}

async fn start(client: &Client, draft: &Answer, more: &Value) -> Answer {
    let mut body = json!({"draft_id": draft.body["id"], "name": "try it", "method": "split"});
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    ask(client, EXPERIMENTS, &body).await
}

/// What a visit is answered.
async fn answered(client: &Client, visit: SessionId, query: &str) -> Answer {
    let request = client.request(Method::GET, SHOPPER, &format!("/search?{query}"));
    send(request.header("x-session-id", visit.to_string())).await.expect(200)
}

fn seen(answer: &Answer) -> Option<SeenExperiment> {
    let told = answer.body["query"].get("experiment")?;
    let id = told["id"].as_str()?.parse().expect("an id");
    Some(SeenExperiment { id, arm: told["arm"].as_str().map(|name| Arm::from_name(name).expect("an arm")) })
}

/// Something that a visit does in a second after now.
fn event(kind: BehaviourKind, visit: u8, second: u8, experiment: SeenExperiment) -> BehaviourEvent {
    let at = Timestamp::now() + i64::from(second).seconds();
    let id = EventId::new(at, [visit, second, 1, 1, 1, 1, 1, 1, 1, 1]);
    let query = Some("sweater".to_owned());
    BehaviourEvent {
        query,
        experiment: Some(experiment),
        ..BehaviourEvent::new(id, at, session(visit), kind)
    }
}

fn clicked(visit: u8, product_id: ProductId, experiment: SeenExperiment) -> BehaviourEvent {
    let product_id = Some(product_id);
    BehaviourEvent { product_id, position: Some(1), ..event(BehaviourKind::Click, visit, 5, experiment) }
}

fn told(scope: &Scope, events: &[BehaviourEvent]) {
    let mut days: Vec<_> = events.iter().map(lake::behaviour::utc_day).collect();
    days.dedup();
    for day in days {
        let of_day: Vec<_> =
            events.iter().filter(|event| lake::behaviour::utc_day(event) == day).cloned().collect();
        lake::behaviour::Writer::new(&scope.lake, "shop").write_day(day, &of_day).expect("written");
    }
}

async fn looked_at(scope: &Scope, hours_later: i64) -> Option<ExperimentReport> {
    let now = Timestamp::now() + hours_later.hours();
    experiment_report::run(&scope.postgres, &Lake::new(&scope.lake), now).await.expect("counted")
}

#[tokio::test]
async fn shoppers_say_which_tuning_is_better() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let made = stocked(&scope, &projection, &["Navy jumper", "Linen shirt"]).await;
    let [first, second] =
        [api::start(api::api_settings(&scope)).await, api::start(api::api_settings(&scope)).await];
    let [client, other] = [Client::new(&first), Client::new(&second)];
    let pin = json!({"kind": "pin", "product_id": made[0].id, "position": 1});
    let tuning = json!({
        "synonyms": [{"kind": "two_way", "terms": ["jumper", "sweater"]}],
        "rules": [rule("pin", "linen shirt", json!([pin]))],
    });
    let draft = patched(&client, &begin(&client, "words").await, &tuning).await.expect(200);
    let begun = start(&client, &draft, &json!({})).await.expect(201);
    assert_eq!((&begun.body["days_max"], &begun.body["share_percent"]), (&json!(28), &json!(100)));
    start(&client, &draft, &json!({})).await.expect_problem(409, "experiment_runs");
    publish(&client, &draft, &json!({})).await.expect_problem(409, "experiment_runs");
    patched(&client, &draft, &json!({"name": "else"})).await.expect_problem(409, "experiment_runs");

    wait::until("every process knows", LIVE_WITHIN, async || {
        seen(&answered(&other, session(0), "q=sweater").await)
    })
    .await;
    let mut events = Vec::new();
    for visit in 0..120 {
        let answer =
            answered(if visit % 2 == 0 { &client } else { &other }, session(visit), "q=sweater").await;
        let experiment = seen(&answer).expect("all visits take part");
        let is_treated = experiment.arm == Some(Arm::Treatment);
        assert_eq!(answer.body["data"].as_array().map(Vec::len), Some(usize::from(is_treated)));
        assert_eq!(answer.header("cache-control"), "private, no-cache");
        corrected_words_are_answered_by_arm(&client, visit, is_treated).await;
        events.push(event(BehaviourKind::Search, visit, 1, experiment));
        if is_treated {
            events.push(clicked(visit, made[0].id, experiment));
        }
    }
    let anybody = client.get(SHOPPER, "/search?q=sweater").await.expect(200);
    assert_eq!((seen(&anybody), &anybody.body["data"]), (None, &json!([])), "who has no visit takes no part");
    assert!(anybody.headers.get_all("vary").iter().any(|value| value == "x-session-id"));
    let request = client.request(Method::GET, SHOPPER, "/search?q=a").header("x-session-id", "me");
    send(request).await.expect_problem(400, "invalid_header");

    told(&scope, &events);
    let soon = looked_at(&scope, 0).await.expect("one runs");
    assert_eq!(soon.figures.counts, Counts::default(), "visits are watched for an hour");
    let early = looked_at(&scope, 24).await.expect("one runs");
    let counts = early.figures.counts;
    assert_eq!((counts.control.visits + counts.treatment.visits, counts.undecided), (120, 0));
    assert_eq!((counts.control.successes, counts.treatment.successes), (0, counts.treatment.visits));
    assert!(early.figures.p_value < 0.05 && early.outcome.is_none(), "what is better is so for a week");
    let late = looked_at(&scope, 24 * 8).await.expect("one runs");
    assert_eq!(late.outcome, Some(Outcome::TreatmentBetter));
    assert_eq!(looked_at(&scope, 24 * 9).await, None);

    let path = format!("{EXPERIMENTS}/{}", begun.body["id"].as_str().expect("an id"));
    let shown = client.get(MERCHANDISER, &path).await.expect(200).body;
    let end = (&shown["end"]["outcome"], &shown["end"]["by"]);
    assert_eq!(end, (&json!("treatment_better"), &json!("stop-rule")));
    assert_eq!(shown["figures"]["treatment"]["successes"], counts.treatment.visits);
    let listed = client.get(MERCHANDISER, EXPERIMENTS).await.expect(200).body;
    assert_eq!(listed["data"], json!([shown]));
    publish(&client, &draft, &json!({})).await.expect(201);
    for client in [&client, &other] {
        wait::until("all are answered by the draft", LIVE_WITHIN, async || {
            let answer = answered(client, session(1), "q=sweater").await;
            (seen(&answer).is_none() && answer.body["data"][0]["title"] == "Navy jumper").then_some(())
        })
        .await;
    }
    for api in [first, second] {
        api.stop().await.expect("stops");
    }
}

/// Each arm has answers of its own, also where what is typed is the same to both.
async fn corrected_words_are_answered_by_arm(client: &Client, visit: u8, is_treated: bool) {
    let corrected = answered(client, session(visit), "q=linen+shrit").await;
    let first = if is_treated { "Navy jumper" } else { "Linen shirt" };
    assert_eq!(corrected.body["data"][0]["title"], first);
}

/// Titles and arms of the hits of each page.
async fn pages(client: &Client, visit: SessionId, query: &str) -> (Vec<String>, Vec<Value>) {
    let (mut titles, mut arms, mut cursor) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..10 {
        let answer = answered(client, visit, &format!("{query}{cursor}")).await.body;
        for hit in answer["data"].as_array().expect("hits") {
            titles.push(hit["title"].as_str().expect("a title").to_owned());
            arms.push(hit["arm"].clone());
        }
        let Some(next) = answer["page"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    (titles, arms)
}

#[tokio::test]
async fn what_shoppers_like_less_ends_at_once() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    stocked(&scope, &projection, &["Linen shirt", "Silk shirt", "Wool shirt"]).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    // They match equally well: whichever is first is what is liked, and buried.
    let liked = client.get(SHOPPER, "/search?q=shirt").await.expect(200).body["data"][0]["id"].clone();
    let liked_id: ProductId = liked.as_str().expect("an id").parse().expect("an id");
    let bury = json!({"kind": "bury", "products": {"by": "products", "product_ids": [liked]}, "percent": 1});
    let rules = json!({"rules": [rule("no linen", "shirt", json!([bury]))]});
    let draft = patched(&client, &begin(&client, "no linen").await, &rules).await.expect(200);
    start(&client, &draft, &json!({"method": "interleaved"})).await.expect(201);

    let (mut events, mut firsts) = (Vec::new(), std::collections::HashSet::new());
    for visit in 0..90 {
        let answer = answered(&client, session(visit), "q=shirt").await;
        let experiment = seen(&answer).expect("all visits take part");
        assert_eq!(experiment.arm, None, "both have answered");
        let hits = answer.body["data"].as_array().expect("hits");
        assert_eq!(hits.len(), 3);
        firsts.insert(hits[0]["arm"].to_string());
        let hit = hits.iter().find(|hit| hit["id"] == liked).expect("found");
        let arm = Arm::from_name(hit["arm"].as_str().expect("an arm"));
        events.push(event(BehaviourKind::Search, visit, 1, experiment));
        events.push(clicked(visit, liked_id, SeenExperiment { arm, ..experiment }));
    }
    assert_eq!(firsts.len(), 2, "either is first in some visits");
    let (titles, arms) = pages(&client, session(7), "q=shirt&limit=1").await;
    let whole = pages(&client, session(7), "q=shirt").await;
    assert_eq!((&titles, &arms), (&whole.0, &whole.1), "pages follow each other");
    let by_price = answered(&client, session(7), "q=shirt&sort=price_asc").await;
    assert_eq!(seen(&by_price), None, "only the order by relevance is compared");

    let page = answered(&client, session(7), "q=shirt&limit=1").await.body;
    let next = format!("q=shirt&limit=1&cursor={}", page["page"]["next_cursor"].as_str().expect("more"));
    told(&scope, &events);
    let report = looked_at(&scope, 2).await.expect("one runs");
    assert_eq!(report.outcome, Some(Outcome::ControlBetter), "{:?}", report.figures);
    wait::until("the experiment is over", LIVE_WITHIN, async || {
        seen(&answered(&client, session(7), "q=shirt").await).is_none().then_some(())
    })
    .await;
    let rest = answered(&client, session(7), &next).await.body;
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(1), "who is in the midst of a list goes on");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn an_experiment_passes_the_gate_and_ends_with_what_it_is_compared_with() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let made = stocked(&scope, &projection, &["Linen shirt", "Silk shirt"]).await;
    judge(&scope, "shirt", &made[0], 3).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let weights = json!({"weights": {"title": 110}});
    let draft = patched(&client, &begin(&client, "live").await, &weights).await.expect(200);
    publish(&client, &draft, &json!({})).await.expect(201);

    let rules = json!({"rules": [rule("no linen", "shirt", json!([hide(&made[0])]))]});
    let draft = patched(&client, &begin(&client, "no linen").await, &rules).await.expect(200);
    start(&client, &draft, &json!({})).await.expect_problem(409, "search_gets_worse");
    let wrong = json!({"name": "", "share_percent": 0, "days_max": 91, "override_reason": " "});
    let refused = start(&client, &draft, &wrong).await.expect_problem(400, "invalid_field");
    assert_eq!(refused.body["errors"].as_array().map(Vec::len), Some(4));
    let unknown = json!({"draft_id": ExperimentId::new(Timestamp::now(), [1; 10]).0});
    start(&client, &draft, &unknown).await.expect_problem(404, "not_found");
    let by_shopper = client.request(Method::POST, SHOPPER, EXPERIMENTS);
    let body = json!({"draft_id": draft.body["id"], "name": "mine", "method": "split"});
    send(by_shopper.json(&body)).await.expect_problem(403, "permission_denied");

    let why = json!({"override_reason": "to see whether anybody minds", "share_percent": 10});
    let begun = start(&client, &draft, &why).await.expect(201).body;
    assert_eq!(begun["evaluation"][0]["set"], "house");
    ask(&client, "/merchandising/releases/1/rollback", &Value::Null).await.expect(201);
    let path = format!("{EXPERIMENTS}/{}", begun["id"].as_str().expect("an id"));
    let ended = client.get(MERCHANDISER, &path).await.expect(200).body;
    let end = (&ended["end"]["outcome"], &ended["end"]["by"]);
    assert_eq!(end, (&json!("stopped"), &json!("role:merchandiser")));
    start(&client, &draft, &why).await.expect_problem(409, "draft_outdated");
    let again = ask(&client, &format!("{path}/stop"), &Value::Null).await.expect(200).body;
    assert_eq!(again, ended, "one that has ended stays as it ended");

    let draft = patched(&client, &draft, &json!({"base_release": 2})).await.expect(200);
    let begun = start(&client, &draft, &why).await.expect(201).body;
    let path = format!("{EXPERIMENTS}/{}", begun["id"].as_str().expect("an id"));
    let ended = ask(&client, &format!("{path}/stop"), &Value::Null).await.expect(200).body;
    assert_eq!(ended["end"]["outcome"], "stopped");
    assert_eq!(looked_at(&scope, 0).await, None);
    api.stop().await.expect("stops");
}
