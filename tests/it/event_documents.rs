//! What consumers of events are given to read: committed as it is generated, true of the events, never broken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use api::event_documents::{self, EventDocumentsError, RELEASED, to_text};
use domain::event::{
    Cause, CloudEvent, Event, EventData, OrdersImported, PriceChanged, PricedVariant, ProductChanged,
    ProductDeleted, SearchTuningPublished, StockChanged, VariantAvailability, documents, event_type,
};
use domain::ids::{EventId, ImportRunId, MovementId, ProductId, VariantId};
use domain::stock::MovementCause;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use support::files::{checkout, folder};

const COMMAND: &str = "run: target/debug/api --print-event-documents domain/events, and read the difference";

fn committed() -> PathBuf {
    checkout().join("domain/events")
}

/// The text of every file of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}: {COMMAND}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let named = paths.map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("text"))
    });
    named.collect()
}

fn schemas() -> Vec<(&'static str, Value)> {
    let mut documents: BTreeMap<_, _> = documents().into_iter().collect();
    let named = event_type::ALL.iter().map(|event_type| {
        let schema = documents.remove(&format!("{event_type}.schema.json")).expect("every type has a schema");
        (*event_type, schema)
    });
    named.collect()
}

#[test]
fn the_committed_documents_are_the_generated_ones() {
    let generated: BTreeMap<_, _> =
        documents().into_iter().map(|(name, document)| (name, to_text(&document))).collect();
    let committed = files(&committed());
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&generated), "{COMMAND}");
    for (name, text) in &generated {
        assert_eq!(&committed[name], text, "{name}: {COMMAND}");
    }
}

#[test]
fn nothing_that_was_released_is_broken() {
    let broken = event_documents::broken_promises(&committed(), &documents()).expect("readable");
    assert!(broken.is_empty(), "make a new version of the type instead:\n{}", broken.join("\n"));
    let released = event_documents::schemas(&committed().join(RELEASED)).expect("readable");
    for event_type in event_type::ALL {
        assert!(released.contains_key(&format!("{event_type}.schema.json")), "{event_type}: {COMMAND}");
    }
}

/// What lies in an outbox, in a queue or among the dead letters may be as old as its type.
#[test]
fn an_event_of_before_is_still_read() {
    let released = event_documents::schemas(&committed().join(RELEASED)).expect("readable");
    assert!(released.len() >= event_type::ALL.len(), "{COMMAND}");
    for (name, schema) in released {
        let oldest = least(&schema, &schema);
        assert_eq!(wrong(&schema, &oldest), Vec::<String>::new(), "{name}");
        let event = CloudEvent::from_json(oldest).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let data = event.event_data();
        assert!(data.is_ok(), "{name}: a field that was added needs #[serde(default)]: {data:?}");
    }
}

#[test]
fn every_event_is_as_its_schema_says() {
    let events = events();
    let types: BTreeSet<_> = events.iter().map(|event| event.data.event_type()).collect();
    assert_eq!(types, event_type::ALL.iter().copied().collect::<BTreeSet<_>>(), "one event of each type");
    let schemas: BTreeMap<_, _> = schemas().into_iter().collect();
    for event in &events {
        let schema = &schemas[event.data.event_type()];
        let sent = serde_json::to_value(event.to_cloud_event()).expect("plain data becomes JSON");
        assert_eq!(wrong(schema, &sent), Vec::<String>::new());
        for field in schema["required"].as_array().expect("a list") {
            let mut lacking = sent.clone();
            lacking.as_object_mut().expect("an object").remove(field.as_str().expect("a name"));
            assert_ne!(wrong(schema, &lacking), Vec::<String>::new(), "{field} is missed");
        }
        for field in sent["data"].as_object().expect("an object").keys() {
            let mut lacking = sent.clone();
            lacking["data"].as_object_mut().expect("an object").remove(field);
            assert_ne!(wrong(schema, &lacking), Vec::<String>::new(), "{field} is missed");
            let mut other = sent.clone();
            other["data"][field] = json!({"unexpected": true});
            assert_ne!(wrong(schema, &other), Vec::<String>::new(), "{field} has another type");
        }
        let mut unknown = sent.clone();
        unknown["data"]["unknown"] = json!(1);
        assert_ne!(wrong(schema, &unknown), Vec::<String>::new(), "a field that no schema describes");
    }
}

#[test]
fn what_the_document_says_of_the_broker_is_so() {
    const EXCHANGE: &str = "entrepot.events";
    // What consumers have bound to: another name would leave them without a word.
    assert_eq!(store::amqp::topology::EVENTS, EXCHANGE);
    let documents: BTreeMap<_, _> = documents().into_iter().collect();
    let document = &documents["asyncapi.json"];
    let shards = document["components"]["parameters"]["shard"]["enum"].as_array().expect("a list");
    for event in events() {
        let channel = &document["channels"][event.data.event_type()];
        assert_eq!(channel["bindings"]["amqp"]["exchange"]["name"], EXCHANGE);
        let address = channel["address"].as_str().expect("every type has a channel");
        let (before, after) = address.split_once("{shard}").expect("an address has a shard");
        let key = event.to_cloud_event().routing_key();
        let shard = key.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        assert!(shard.is_some_and(|shard| shards.contains(&json!(shard))), "{key} at {address}");
    }
}

#[test]
fn what_breaks_consumers_is_refused_and_nothing_is_written() {
    let folder = folder("event-documents");
    let first = documents();
    let new = event_documents::write(&folder, &first).expect("all of it is new");
    assert_eq!(new.len(), event_type::ALL.len());
    assert!(event_documents::write(&folder, &first).expect("nothing changed").is_empty());
    let file = "product.changed.v1.schema.json";
    let edited = |edit: fn(&mut Map<String, Value>)| {
        let mut documents = first.clone();
        let (_, schema) = documents.iter_mut().find(|(name, _)| name == file).expect("it is there");
        let data = schema.pointer_mut("/properties/data/properties").and_then(Value::as_object_mut);
        edit(data.expect("data has fields"));
        documents
    };
    let refused = |documents: &[(String, Value)], wanted: &str| {
        let before = (files(&folder), files(&folder.join(RELEASED)));
        let error = event_documents::write(&folder, documents).expect_err("consumers would break");
        assert!(matches!(error, EventDocumentsError::Breaking(_)), "{error:?}");
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!((files(&folder), files(&folder.join(RELEASED))), before);
    };

    let shorter = edited(|data| {
        data.remove("version").expect("a version");
    });
    refused(&shorter, "product.changed.v1.schema.json /properties/data/properties/version: was removed");
    let gone: Vec<_> = first.iter().filter(|(name, _)| name != file).cloned().collect();
    refused(&gone, "product.changed.v1.schema.json: the type is gone");

    let longer = edited(|data| {
        data.insert("channel".to_owned(), json!({"type": "string"}));
    });
    let promised = files(&folder.join(RELEASED));
    assert!(event_documents::write(&folder, &longer).expect("a field may be added").is_empty());
    assert!(files(&folder)[file].contains("channel"));
    assert_eq!(files(&folder.join(RELEASED)), promised, "a released schema stays as it was");
    refused(&first, "/properties/data/properties/channel: was removed");

    std::fs::write(folder.join(RELEASED).join(file), "{").expect("written");
    let error = event_documents::write(&folder, &longer).expect_err("not to be compared");
    assert!(matches!(error, EventDocumentsError::Malformed(..)), "{error:?}");
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// One event of each type.
fn events() -> Vec<Event> {
    let at = Timestamp::from_second(1_700_000_000).expect("in range");
    let product_id = ProductId::new(at, [1; 10]);
    let variant_id = VariantId::new(at, [2; 10]);
    let sku = "mug-blue".to_owned();
    let available = |available| VariantAvailability { variant_id, sku: sku.clone(), available };
    let data = [
        EventData::ProductChanged(ProductChanged { product_id, version: 3 }),
        EventData::ProductDeleted(ProductDeleted { product_id, version: 4 }),
        EventData::PriceChanged(PriceChanged {
            product_id,
            version: 3,
            prices: vec![PricedVariant { variant_id, amount_minor: 1_999, currency: "GBP".to_owned() }],
        }),
        EventData::InventoryChanged(StockChanged {
            variant_id,
            sku: sku.clone(),
            warehouse: "leeds".to_owned(),
            on_hand: 7,
            reserved: 2,
            movement_id: MovementId::new(at, [3; 10]),
            delta: -1,
            cause: MovementCause::StockTake,
        }),
        EventData::InventoryLow(available(5)),
        EventData::OutOfStock(available(0)),
        EventData::BackInStock(available(12)),
        EventData::OrdersImported(OrdersImported {
            import_run_id: ImportRunId::new(at, [4; 10]),
            channel: "online-retail".to_owned(),
            orders: 10,
            lines: 30,
        }),
        EventData::SearchTuningPublished(SearchTuningPublished {
            scope: "shop".to_owned(),
            release: 4,
            is_rollback: true,
        }),
    ];
    let cause = Cause {
        actor: "role:vendor".to_owned(),
        request_id: Some("request".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    };
    let id = EventId::new(at, [9; 10]);
    data.into_iter().map(|data| Event::new(id, at, data, 4, cause.clone())).collect()
}

/// Where a value is not as a schema of ours says, or has a field that it does not know.
fn wrong(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let is_right = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "default" => true,
            "type" => is_of_type(rule, value),
            "const" => rule == value,
            "enum" => rule.as_array().expect("a list").contains(value),
            "format" => has_format(rule, value),
            "minimum" => value.as_i64() >= rule.as_i64(),
            "pattern" => value.as_str().is_some_and(|text| {
                let prefix = prefix(rule);
                text.len() > prefix.len() && text.starts_with(prefix)
            }),
            "required" => {
                let names = rule.as_array().expect("a list").iter();
                names.map(|name| name.as_str().expect("a name")).all(|name| value.get(name).is_some())
            }
            "$ref" => {
                check(root, target(root, rule), value, at, found);
                true
            }
            "anyOf" | "oneOf" => {
                let is_one = |choice: &&Value| {
                    let mut inner = Vec::new();
                    check(root, choice, value, at, &mut inner);
                    inner.is_empty()
                };
                let count = rule.as_array().expect("a list").iter().filter(is_one).count();
                count == 1 || (count > 1 && keyword == "anyOf")
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}/{number}"), found);
                }
                true
            }
            "properties" => check_fields(root, rule, value, at, found),
            unknown => panic!("{at}: this test has no rule for {unknown} yet"),
        };
        if !is_right {
            found.push(format!("{at}: {keyword} {rule}: {value}"));
        }
    }
}

/// Each known field is right; `false` when there are others.
fn check_fields(root: &Value, fields: &Value, value: &Value, at: &str, found: &mut Vec<String>) -> bool {
    let Some(object) = value.as_object() else { return true };
    let mut is_known = true;
    for (name, value) in object {
        match fields.get(name) {
            Some(schema) => check(root, schema, value, &format!("{at}/{name}"), found),
            None => is_known = false,
        }
    }
    is_known
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if value.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    rule == name || rule.as_array().is_some_and(|names| names.iter().any(|rule| rule == name))
}

fn has_format(rule: &Value, value: &Value) -> bool {
    match rule.as_str().expect("a name") {
        "uuid" => value.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        "date-time" => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        "int64" => value.is_i64(),
        unknown => panic!("this test has no rule for the format {unknown} yet"),
    }
}

fn target<'a>(root: &'a Value, reference: &Value) -> &'a Value {
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("within the document");
    root.pointer(pointer).expect("a reference leads somewhere")
}

/// Our patterns ask for a prefix and something behind it.
fn prefix(pattern: &Value) -> &str {
    let prefix = pattern.as_str().and_then(|text| text.strip_prefix('^')?.strip_suffix('.'));
    prefix.expect("a pattern such as ^product/.")
}

/// The least that a schema allows: only what is required.
fn least(root: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema.get("$ref") {
        return least(root, target(root, reference));
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    if let Some(first) = schema.pointer("/oneOf/0").or_else(|| schema.pointer("/anyOf/0")) {
        return least(root, first);
    }
    match schema.pointer("/type/0").unwrap_or(&schema["type"]).as_str() {
        Some("object") => {
            let required = schema.get("required").and_then(Value::as_array);
            let names = required.into_iter().flatten().map(|name| name.as_str().expect("a name"));
            names.map(|name| (name, least(root, &schema["properties"][name]))).collect()
        }
        Some("array") => json!([least(root, &schema["items"])]),
        Some("integer") => json!(1),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("string") => json!(least_text(schema)),
        other => panic!("this test has no value of type {other:?} yet"),
    }
}

fn least_text(schema: &Value) -> String {
    if let Some(pattern) = schema.get("pattern") {
        return format!("{}x", prefix(pattern));
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => "018bcfe5-6800-7000-8000-000000000001".to_owned(),
        Some("date-time") => "2026-01-01T00:00:00Z".to_owned(),
        None => "x".to_owned(),
        Some(unknown) => panic!("this test has no text of the format {unknown} yet"),
    }
}
