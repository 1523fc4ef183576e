//! The events as documents: a JSON Schema of each type, envelope and data together, and one AsyncAPI document of all.

use serde_json::{Map, Value, json};

use super::data::{EventData, EventSchema};
use super::{SOURCE, asyncapi};

/// The JSON Schema that documents are written in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Attributes that every event has; the others are left out where there is nothing to say.
const REQUIRED: [&str; 10] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "aggregateversion",
    "actor",
    "data",
];

/// Every document as (file name, contents): `<type>.schema.json` of each type, in the order of the types, then
/// `asyncapi.json`.
pub fn documents() -> Vec<(String, Value)> {
    let events = EventData::schemas();
    let schemas =
        events.iter().map(|event| (format!("{}.schema.json", event.event_type), schema_document(event)));
    schemas.chain([("asyncapi.json".to_owned(), asyncapi::document(&events))]).collect()
}

fn schema_document(event: &EventSchema) -> Value {
    let EnvelopeSchema { mut envelope, definitions } = EnvelopeSchema::of(event);
    envelope.insert("$schema".to_owned(), json!(DIALECT));
    envelope.insert("$id".to_owned(), json!(format!("urn:entrepot:event:{}", event.event_type)));
    if !definitions.is_empty() {
        envelope.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Value::Object(envelope)
}

/// The schema of a whole event, and beside it what its references (`#/$defs/<name>`) lead to.
pub(super) struct EnvelopeSchema {
    pub(super) envelope: Map<String, Value>,
    pub(super) definitions: Map<String, Value>,
}

impl EnvelopeSchema {
    pub(super) fn of(event: &EventSchema) -> Self {
        let mut data = event.data.as_object().cloned().expect("plain data is described by an object");
        data.remove("$schema");
        // Generators of code name a class by the title: two of one name would be one too many.
        data.remove("title");
        let definitions = match data.remove("$defs") {
            Some(Value::Object(definitions)) => definitions,
            _ => Map::new(),
        };
        let envelope = Map::from_iter([
            ("title".to_owned(), json!(event.name)),
            ("description".to_owned(), json!(event.description)),
            ("type".to_owned(), json!("object")),
            ("required".to_owned(), json!(REQUIRED)),
            ("properties".to_owned(), properties(event, data)),
        ]);
        Self { envelope, definitions }
    }
}

fn properties(event: &EventSchema, data: Map<String, Value>) -> Value {
    let kind = event.aggregate_kind;
    json!({
        "specversion": {"description": "The version of CloudEvents.", "type": "string", "const": "1.0"},
        "id": {
            "description": "Unique, and the same whenever the event comes again: who has seen it is done.",
            "type": "string",
            "format": "uuid",
        },
        "source": {"description": "Who says it.", "type": "string", "const": SOURCE},
        "type": {"description": "What happened.", "type": "string", "const": event.event_type},
        "subject": {
            "description": format!("What it happened to: `{kind}/` and an id."),
            "type": "string",
            "pattern": format!("^{kind}/."),
        },
        "time": {"description": "When it happened.", "type": "string", "format": "date-time"},
        "datacontenttype": {
            "description": "The media type of `data`.",
            "type": "string",
            "const": "application/json",
        },
        "aggregateversion": {
            "description": "The subject's version after the event; a later event of it has a higher one.",
            "type": "integer",
            "format": "int64",
            "minimum": 1,
        },
        "actor": {"description": "Who did it, by role or by import; never a name.", "type": "string"},
        "causeid": {"description": "The request or event that led here.", "type": "string"},
        "traceparent": {"description": "W3C Trace Context of what led here.", "type": "string"},
        "data": data,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::event_type;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    found.insert(reference.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn there_is_a_document_for_each_type_and_one_of_all() {
        let names: Vec<_> = documents().into_iter().map(|(name, _)| name).collect();
        let wanted = event_type::ALL.iter().map(|event_type| format!("{event_type}.schema.json"));
        let wanted: Vec<_> = wanted.chain(["asyncapi.json".to_owned()]).collect();
        assert_eq!(names, wanted);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let mut count = 0;
        for (name, document) in documents() {
            let mut found = BTreeSet::new();
            references(&document, &mut found);
            for reference in &found {
                let pointer = reference.strip_prefix('#').expect("within the document");
                assert!(document.pointer(pointer).is_some(), "{name}: {reference}");
            }
            count += found.len();
        }
        assert!(count > 0, "prices refer to what a variant costs");
    }

    #[test]
    fn a_schema_describes_envelope_and_data() {
        for (name, document) in documents() {
            let Some(event_type) = name.strip_suffix(".schema.json") else { continue };
            assert_eq!(document["$schema"], DIALECT);
            assert_eq!(document["$id"], format!("urn:entrepot:event:{event_type}"));
            assert_eq!(document["properties"]["type"]["const"], event_type);
            let data = &document["properties"]["data"];
            assert_eq!(data["type"], "object", "{name}");
            let described = data["properties"].as_object().expect("fields");
            assert!(
                described.values().all(|field| field["description"].is_string()),
                "{name}: a field says nothing"
            );
            for field in document["required"].as_array().expect("a list") {
                let field = field.as_str().expect("a name");
                assert!(document["properties"].get(field).is_some(), "{name}: {field}");
            }
        }
    }
}
