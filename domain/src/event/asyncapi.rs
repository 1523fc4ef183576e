//! The AsyncAPI 3.0 document of all events: channels, what is sent on them, how they lie on the broker.

use serde_json::{Map, Value, json};

use super::data::EventSchema;
use super::schema::EnvelopeSchema;
use super::{CONTENT_TYPE, SHARD_COUNT};

/// The topic exchange that every event is sent to.
pub const EXCHANGE: &str = "entrepot.events";
/// Of AsyncAPI's AMQP bindings.
const BINDING_VERSION: &str = "0.3.0";
const DESCRIPTION: &str = "Change events of the shop, as CloudEvents 1.0 in structured mode. At least once; in version \
    order per subject; no order between subjects. Fields may be added: ignore those that you do not know. A shape \
    that loses or changes a field is a new type.";

/// The document. Its schemas are AsyncAPI's own, which follow JSON Schema draft 7.
pub(super) fn document(events: &[EventSchema]) -> Value {
    let named = |part: fn(&EventSchema) -> Value| -> Map<String, Value> {
        events.iter().map(|event| (event.event_type.to_owned(), part(event))).collect()
    };
    let operations: Map<_, _> =
        events.iter().map(|event| (format!("send.{}", event.event_type), operation(event))).collect();
    let schemas: Map<_, _> = events.iter().flat_map(schemas).collect();
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:entrepot:events",
        "info": {
            "title": "Entrepot events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": named(channel),
        "operations": operations,
        "components": {
            "messages": named(message),
            "parameters": {"shard": shard()},
            "schemas": schemas,
        },
    })
}

fn channel(event: &EventSchema) -> Value {
    let name = event.event_type;
    let mut messages = Map::new();
    messages.insert(name.to_owned(), json!({"$ref": format!("#/components/messages/{name}")}));
    json!({
        "address": format!("{name}.{{shard}}"),
        "description": event.description,
        "messages": messages,
        "parameters": {"shard": {"$ref": "#/components/parameters/shard"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EXCHANGE, "type": "topic", "durable": true, "autoDelete": false},
                "bindingVersion": BINDING_VERSION,
            },
        },
    })
}

fn shard() -> Value {
    let shards: Vec<_> = (0..SHARD_COUNT).map(|shard| format!("{shard:02}")).collect();
    json!({
        "description": "A number made from the subject: all events of one subject have the same.",
        "enum": shards,
    })
}

fn operation(event: &EventSchema) -> Value {
    let name = event.event_type;
    json!({
        "action": "send",
        "summary": event.description,
        "channel": {"$ref": format!("#/channels/{name}")},
        "messages": [{"$ref": format!("#/channels/{name}/messages/{name}")}],
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": true, "bindingVersion": BINDING_VERSION}},
    })
}

fn message(event: &EventSchema) -> Value {
    json!({
        "name": event.event_type,
        "title": event.name,
        "summary": event.description,
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "properties": {
                "traceparent": {"description": "W3C Trace Context of what led here.", "type": "string"},
            },
        },
        "payload": {"$ref": format!("#/components/schemas/{}", event.event_type)},
    })
}

/// The schema of an event and those that it refers to, each by a name that no other event's schemas have.
fn schemas(event: &EventSchema) -> Vec<(String, Value)> {
    let EnvelopeSchema { envelope, definitions } = EnvelopeSchema::of(event);
    let name = event.event_type;
    let own = (name.to_owned(), moved(Value::Object(envelope), name));
    let others = definitions.into_iter().map(|(key, schema)| (format!("{name}.{key}"), moved(schema, name)));
    std::iter::once(own).chain(others).collect()
}

/// The same schema with its references led to the document's components. In draft 7 nothing counts beside a reference,
/// so one that has company becomes a part of `allOf`.
fn moved(schema: Value, event_type: &str) -> Value {
    match schema {
        Value::Object(mut map) => {
            let reference = map.get("$ref").and_then(Value::as_str);
            let reference = reference
                .and_then(|text| text.strip_prefix("#/$defs/"))
                .map(|key| json!({"$ref": format!("#/components/schemas/{event_type}.{key}")}));
            let Some(reference) = reference else {
                return map.into_iter().map(|(key, value)| (key, moved(value, event_type))).collect();
            };
            map.remove("$ref");
            if map.is_empty() {
                return reference;
            }
            map.insert("allOf".to_owned(), json!([reference]));
            Value::Object(map)
        }
        Value::Array(list) => list.into_iter().map(|value| moved(value, event_type)).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::event::{Cause, Event, EventData, event_type};
    use crate::ids::{EventId, ProductId};

    fn document() -> Value {
        super::document(&EventData::schemas())
    }

    fn map<'a>(document: &'a Value, pointer: &str) -> &'a Map<String, Value> {
        document.pointer(pointer).and_then(Value::as_object).expect("a map")
    }

    #[test]
    fn every_type_has_channel_operation_message_and_schema() {
        let document = document();
        for event_type in event_type::ALL {
            let channel = &document["channels"][event_type];
            assert_eq!(channel["address"], format!("{event_type}.{{shard}}"));
            assert_eq!(channel["parameters"]["shard"]["$ref"], "#/components/parameters/shard");
            let operation = &document["operations"][format!("send.{event_type}")];
            assert_eq!(operation["action"], "send");
            assert_eq!(operation["channel"]["$ref"], format!("#/channels/{event_type}"));
            let sent = operation["messages"][0]["$ref"].as_str().expect("a reference");
            assert_eq!(sent, format!("#/channels/{event_type}/messages/{event_type}"));
            let payload = &document["components"]["messages"][event_type]["payload"]["$ref"];
            assert_eq!(*payload, format!("#/components/schemas/{event_type}"));
            assert_eq!(document["components"]["schemas"][event_type]["type"], "object");
        }
        for part in ["/channels", "/operations", "/components/messages"] {
            assert_eq!(map(&document, part).len(), event_type::ALL.len(), "{part}");
        }
    }

    #[test]
    fn names_are_such_as_asyncapi_allows() {
        let document = document();
        for part in ["/components/messages", "/components/parameters", "/components/schemas"] {
            for name in map(&document, part).keys() {
                let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                assert!(!name.is_empty() && name.chars().all(is_allowed), "{part}: {name}");
            }
        }
    }

    #[test]
    fn a_routing_key_fits_the_address() {
        let document = document();
        let shards = document["components"]["parameters"]["shard"]["enum"].as_array().expect("a list");
        assert_eq!(shards.len(), usize::from(SHARD_COUNT));
        let at = Timestamp::from_second(1_700_000_000).expect("in range");
        for number in 0..100 {
            let product = ProductId::new(at, [number; 10]);
            let event = Event::product_changed(EventId::new(at, [0; 10]), at, product, 1, Cause::default());
            let key = event.to_cloud_event().routing_key();
            let channel = &document["channels"][event_type::PRODUCT_CHANGED];
            let address = channel["address"].as_str().expect("a text");
            let mut keys =
                shards.iter().map(|shard| address.replace("{shard}", shard.as_str().expect("a text")));
            assert!(keys.any(|found| found == key), "{key}");
        }
    }

    #[test]
    fn a_reference_with_company_keeps_it() {
        let schema = json!({"description": "Why.", "$ref": "#/$defs/Cause"});
        let wanted = json!({"description": "Why.", "allOf": [{"$ref": "#/components/schemas/a.v1.Cause"}]});
        assert_eq!(moved(schema, "a.v1"), wanted);
        let alone = json!({"items": [{"$ref": "#/$defs/Cause"}]});
        assert_eq!(moved(alone, "a.v1"), json!({"items": [{"$ref": "#/components/schemas/a.v1.Cause"}]}));
    }
}
