//! Concrete indexes and the aliases that point at them.
//!
//! Everyone searches and writes through the alias `{prefix}-products`. While a rebuild fills a new index, the
//! alias `{prefix}-products-next` points at it and consumers write to both. After the switch the alias
//! `{prefix}-products-previous` points at the index that was replaced, and consumers go on writing to it, so
//! that the shop can go back to it at once.

use std::collections::BTreeMap;

use elasticsearch::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{BULK_TIMEOUT, Request, SearchClient};
use crate::error::SearchError;
use crate::mapping::{Analysis, index_body};
use crate::vectors::Form;

/// What our aliases point at now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    /// The index that is searched.
    pub current: Option<String>,
    /// The index that a rebuild is filling.
    pub next: Option<String>,
    /// The index that was searched before, kept to go back to.
    pub previous: Option<String>,
    /// Every concrete index of ours, oldest first: names sort by the time of their making.
    pub all: Vec<String>,
}

/// A new name for a concrete index: `{alias}-{yyyymmddhhmmss}-{random}`.
pub fn new_name(alias: &str, now: Timestamp, random: [u8; 4]) -> String {
    format!("{alias}-{}-{:08x}", now.strftime("%Y%m%d%H%M%S"), u32::from_be_bytes(random))
}

/// Makes an empty index that nobody points at yet; one with vectors when they are on.
pub async fn create(client: &SearchClient, name: &str, analysis: Analysis) -> Result<(), SearchError> {
    let body = index_body(analysis);
    let Some(vectors) = client.vectors() else {
        return create_with(client, name, body).await;
    };
    let mut reasons = Vec::new();
    for form in Form::ALL {
        match create_with(client, name, vectors.added_to(body.clone(), form)).await {
            Err(SearchError::Refused { reason, .. }) => reasons.push(reason),
            made => return made,
        }
    }
    let reason = format!("vectors are on and the engine has no field for them: {}", reasons.join("; "));
    Err(SearchError::Refused { status: 400, reason })
}

async fn create_with(client: &SearchClient, name: &str, body: Value) -> Result<(), SearchError> {
    let request = Request::json(Method::Put, name.to_owned(), body);
    client.send(Request { timeout: BULK_TIMEOUT, ..request }).await.map(drop)
}

/// What the aliases point at. Ask after the events to be written were received: see [`crate::projection`].
pub async fn aliases(client: &SearchClient) -> Result<Aliases, SearchError> {
    let path = format!("{}*/_alias", client.alias());
    let answer = client.answer(Request::new(Method::Get, path)).await?;
    match answer.status {
        200 => Ok(read_aliases(client, &answer.body)),
        404 => Ok(Aliases::default()),
        status => Err(SearchError::from_answer(status, &answer.body)),
    }
}

/// Makes sure that the alias points at an index, an empty one when there was none; gives its name when it is
/// new. Of two that try at once one wins: an alias has one index to write to, so the second is refused.
pub async fn ensure(
    client: &SearchClient,
    analysis: Analysis,
    now: Timestamp,
    random: [u8; 4],
) -> Result<Option<String>, SearchError> {
    if aliases(client).await?.current.is_some() {
        return Ok(None);
    }
    let name = new_name(client.alias(), now, random);
    create(client, &name, analysis).await?;
    let Err(error) = update_aliases(client, vec![add_current(client, &name)]).await else {
        return Ok(Some(name));
    };
    // An answer that was lost may have been a success: the new index goes only when another is in use.
    match aliases(client).await?.current {
        Some(current) if current == name => Ok(Some(name)),
        Some(_) => delete(client, &name).await.map(|()| None),
        None => Err(error),
    }
}

/// Points the alias of the index being filled at `name`: from now on consumers write to it too.
pub async fn begin_filling(client: &SearchClient, name: &str) -> Result<(), SearchError> {
    let next = client.next_alias();
    update_aliases(client, vec![json!({"add": {"index": name, "alias": next}})]).await
}

/// Points the alias at `name` and at nothing else, ends the filling of it, and makes the index that was in
/// use the previous one, in one step that all readers see at once. An index that does not exist (any longer)
/// is an error, and nothing is changed.
pub async fn switch(client: &SearchClient, name: &str) -> Result<(), SearchError> {
    update_aliases(client, switch_actions(client, &aliases(client).await?, name)).await
}

fn switch_actions(client: &SearchClient, now: &Aliases, name: &str) -> Vec<Value> {
    let mut actions = vec![add_current(client, name)];
    if let Some(replaced) = now.current.as_deref().filter(|current| *current != name) {
        let previous = client.previous_alias();
        actions.push(json!({"remove": {"index": replaced, "alias": client.alias()}}));
        if let Some(older) = &now.previous {
            actions.push(json!({"remove": {"index": older, "alias": previous}}));
        }
        actions.push(json!({"add": {"index": replaced, "alias": previous}}));
    }
    if now.next.as_deref() == Some(name) {
        actions.push(json!({"remove": {"index": name, "alias": client.next_alias(), "must_exist": true}}));
    }
    actions
}

/// Ends the filling of `name` without using it, in one step: a switch to it whose answer was lost either came
/// before, or cannot come any more. `false` when it is not being filled (any longer).
pub async fn end_filling(client: &SearchClient, name: &str) -> Result<bool, SearchError> {
    let remove = json!({"remove": {"index": name, "alias": client.next_alias(), "must_exist": true}});
    let request = Request::json(Method::Post, "_aliases".to_owned(), json!({"actions": [remove]}));
    let answer = client.answer(Request { timeout: BULK_TIMEOUT, ..request }).await?;
    match answer.status {
        200 => Ok(true),
        400 | 404 => Ok(false),
        status => Err(SearchError::from_answer(status, &answer.body)),
    }
}

/// What a concrete index keeps beside its documents; `Null` when it keeps nothing.
pub async fn meta(client: &SearchClient, name: &str) -> Result<Value, SearchError> {
    let body = client.send(Request::new(Method::Get, format!("{name}/_mapping"))).await?;
    Ok(body[name]["mappings"]["_meta"].clone())
}

/// The fields of a concrete index with their mappings, by name.
pub async fn fields(client: &SearchClient, name: &str) -> Result<Value, SearchError> {
    let mut body = client.send(Request::new(Method::Get, format!("{name}/_mapping"))).await?;
    Ok(body[name]["mappings"]["properties"].take())
}

/// Keeps `meta`, an object, in the place of what the index kept before.
pub async fn set_meta(client: &SearchClient, name: &str, meta: Value) -> Result<(), SearchError> {
    let request = Request::json(Method::Put, format!("{name}/_mapping"), json!({"_meta": meta}));
    client.send(Request { timeout: BULK_TIMEOUT, ..request }).await.map(drop)
}

/// Makes everything written so far visible to searches.
pub async fn refresh(client: &SearchClient, name: &str) -> Result<(), SearchError> {
    let request = Request::new(Method::Post, format!("{name}/_refresh"));
    client.send(Request { timeout: BULK_TIMEOUT, ..request }).await.map(drop)
}

/// Removes a concrete index; one that is gone already is no error.
pub async fn delete(client: &SearchClient, name: &str) -> Result<(), SearchError> {
    let request = Request::new(Method::Delete, name.to_owned());
    let answer = client.answer(Request { timeout: BULK_TIMEOUT, ..request }).await?;
    match answer.status {
        200 | 404 => Ok(()),
        status => Err(SearchError::from_answer(status, &answer.body)),
    }
}

fn add_current(client: &SearchClient, name: &str) -> Value {
    json!({"add": {"index": name, "alias": client.alias(), "is_write_index": true}})
}

async fn update_aliases(client: &SearchClient, actions: Vec<Value>) -> Result<(), SearchError> {
    let request = Request::json(Method::Post, "_aliases".to_owned(), json!({"actions": actions}));
    client.send(Request { timeout: BULK_TIMEOUT, ..request }).await.map(drop)
}

fn read_aliases(client: &SearchClient, body: &Value) -> Aliases {
    let Some(indexes) = body.as_object() else {
        return Aliases::default();
    };
    let ours: BTreeMap<&str, &Value> = indexes
        .iter()
        .map(|(name, index)| (name.as_str(), index))
        .filter(|(name, _)| is_concrete(client.alias(), name))
        .collect();
    let behind = |alias: &str| {
        let found = ours.iter().find(|(_, index)| index["aliases"].get(alias).is_some());
        found.map(|(name, _)| (*name).to_owned())
    };
    Aliases {
        current: behind(client.alias()),
        next: behind(&client.next_alias()),
        previous: behind(&client.previous_alias()),
        all: ours.keys().map(|name| (*name).to_owned()).collect(),
    }
}

/// Whether `name` is one that [`new_name`] makes: another prefix may begin with ours.
fn is_concrete(alias: &str, name: &str) -> bool {
    let rest = name.strip_prefix(alias).and_then(|rest| rest.strip_prefix('-'));
    let Some((time, random)) = rest.and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    time.len() == 14
        && time.bytes().all(|byte| byte.is_ascii_digit())
        && random.len() == 8
        && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SearchSettings;

    fn client() -> SearchClient {
        let settings =
            SearchSettings { url: "http://127.0.0.1:1".into(), index_prefix: "shop".into(), vectors: None };
        SearchClient::new(&settings).expect("valid")
    }

    #[test]
    fn names_sort_by_time_and_are_recognised() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let first = new_name("shop-products", at(1_700_000_000), [0xff; 4]);
        let second = new_name("shop-products", at(1_700_000_001), [0; 4]);
        assert_eq!(first, "shop-products-20231114221320-ffffffff");
        assert!(first < second);
        assert!(is_concrete("shop-products", &first));
        for other in ["shop-products", "shop-products-next", "shop-products-2023-ffffffff", "shop-productsx"]
        {
            assert!(!is_concrete("shop-products", other), "{other}");
        }
    }

    #[test]
    fn aliases_are_read_and_strangers_left_out() {
        let body = json!({
            "shop-products-20231114221320-ffffffff": {"aliases": {"shop-products": {"is_write_index": true}}},
            "shop-products-20231114221321-00000000": {"aliases": {"shop-products-next": {}}},
            "shop-products-20231114221319-00000000": {"aliases": {"shop-products-previous": {}}},
            "shop-products-archive": {"aliases": {"shop-products": {}}},
        });
        let aliases = read_aliases(&client(), &body);
        assert_eq!(aliases.current.as_deref(), Some("shop-products-20231114221320-ffffffff"));
        assert_eq!(aliases.next.as_deref(), Some("shop-products-20231114221321-00000000"));
        assert_eq!(aliases.previous.as_deref(), Some("shop-products-20231114221319-00000000"));
        assert_eq!(aliases.all.len(), 3);
        assert_eq!(read_aliases(&client(), &json!({})), Aliases::default());
    }

    #[test]
    fn a_switch_moves_every_alias_at_once() {
        let names = |current: &str, next: Option<&str>, previous: Option<&str>| Aliases {
            current: Some(current.to_owned()),
            next: next.map(str::to_owned),
            previous: previous.map(str::to_owned),
            all: Vec::new(),
        };
        let client = client();
        let forward = json!([
            {"add": {"index": "c", "alias": "shop-products", "is_write_index": true}},
            {"remove": {"index": "b", "alias": "shop-products"}},
            {"remove": {"index": "a", "alias": "shop-products-previous"}},
            {"add": {"index": "b", "alias": "shop-products-previous"}},
            {"remove": {"index": "c", "alias": "shop-products-next", "must_exist": true}},
        ]);
        assert_eq!(json!(switch_actions(&client, &names("b", Some("c"), Some("a")), "c")), forward);
        let back = json!([
            {"add": {"index": "a", "alias": "shop-products", "is_write_index": true}},
            {"remove": {"index": "b", "alias": "shop-products"}},
            {"remove": {"index": "a", "alias": "shop-products-previous"}},
            {"add": {"index": "b", "alias": "shop-products-previous"}},
        ]);
        assert_eq!(json!(switch_actions(&client, &names("b", None, Some("a")), "a")), back);
        let again = switch_actions(&client, &names("b", None, Some("a")), "b");
        assert_eq!(again.len(), 1, "it is in use already");
    }
}
