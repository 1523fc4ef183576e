//! Changes of schemas, found and not found.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::documents;

/// Each field of a schema: the pointer of the object that has it, and its name.
fn fields(schema: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                if key == "properties" {
                    found.extend(
                        value
                            .as_object()
                            .into_iter()
                            .flatten()
                            .map(|(name, _)| (at.to_owned(), name.clone())),
                    );
                }
                fields(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                fields(value, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

/// The same schema without a field.
fn without(schema: &Value, at: &str, name: &str) -> Value {
    let mut changed = schema.clone();
    let object = changed.pointer_mut(at).and_then(Value::as_object_mut).expect("a schema is there");
    object["properties"].as_object_mut().expect("it has fields").remove(name).expect("among them this one");
    if let Some(Value::Array(required)) = object.get_mut("required") {
        required.retain(|field| field != name);
    }
    changed
}

/// The same schema with one more field, that may be required.
fn with(schema: &Value, at: &str, name: &str, is_required: bool) -> Value {
    let mut changed = schema.clone();
    let object = changed.pointer_mut(at).and_then(Value::as_object_mut).expect("a schema is there");
    object["properties"]
        .as_object_mut()
        .expect("it has fields")
        .insert(name.to_owned(), json!({"type": "string"}));
    if is_required {
        let required = object.entry("required").or_insert_with(|| json!([]));
        required.as_array_mut().expect("a list").push(json!(name));
    }
    changed
}

fn schemas() -> Vec<Value> {
    let schemas = documents().into_iter().filter(|(name, _)| name.ends_with(".schema.json"));
    schemas.map(|(_, schema)| schema).collect()
}

#[test]
fn every_field_of_every_event_is_guarded() {
    for schema in schemas() {
        assert_eq!(breaking_changes(&schema, &schema), Vec::<String>::new());
        let mut found = Vec::new();
        fields(&schema, "", &mut found);
        assert!(found.len() > 11, "envelope and data have fields");
        for (at, name) in found {
            let changes = breaking_changes(&schema, &without(&schema, &at, &name));
            assert_eq!(changes, [format!("{at}/properties/{name}: was removed")]);
        }
    }
}

#[test]
fn every_field_may_get_company() {
    for schema in schemas() {
        let mut found = Vec::new();
        fields(&schema, "", &mut found);
        for (at, _) in found {
            for is_required in [false, true] {
                let changes = breaking_changes(&schema, &with(&schema, &at, "added", is_required));
                assert_eq!(changes, Vec::<String>::new(), "{at}");
            }
        }
    }
}

#[test]
fn each_kind_of_change_is_named() {
    let constant = |name: &&str| json!({"const": name});
    let colours = |names: &[&str]| json!({"oneOf": names.iter().map(constant).collect::<Vec<_>>()});
    let object = |field: Value| json!({"type": "object", "properties": {"a": field}, "required": ["a"]});
    let cases = [
        (json!({"type": "string"}), json!({"type": "integer"}), "type was \"string\" and is \"integer\""),
        (json!({"type": "string"}), json!({"type": ["string", "null"]}), "type was"),
        (
            json!({"type": "string", "format": "uuid"}),
            json!({"type": "string"}),
            "format was \"uuid\" and is not said",
        ),
        (
            json!({"type": "string"}),
            json!({"type": "string", "maxLength": 5}),
            "maxLength was not said and is 5",
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!({"type": "integer", "minimum": 0}),
            "minimum was 1 and is 0",
        ),
        (json!({"const": "1.0"}), json!({"const": "1.1"}), "has the new value \"1.1\""),
        (json!({"enum": ["a"]}), json!({"enum": ["a", "b"]}), "has the new value \"b\""),
        (colours(&["red"]), colours(&["red", "green"]), "has the new value \"green\""),
        (colours(&["red", "green"]), json!({"enum": ["red"]}), "lost the value \"green\""),
        (colours(&["red"]), json!({"type": "string"}), "was a list of values and is none"),
        (json!({"type": "string"}), colours(&["red"]), "is a list of values and was none"),
        (json!(true), json!({"type": "string"}), "allows other values"),
        (json!({"type": "string"}), json!({"$ref": "#/$defs/Nothing"}), "is no schema, or refers to none"),
    ];
    for (old, new, wanted) in cases {
        let changes = breaking_changes(&object(old.clone()), &object(new.clone()));
        assert!(
            changes.iter().any(|change| change.starts_with("/properties/a: ") && change.contains(wanted)),
            "{old} to {new}: {changes:?}"
        );
    }
}

#[test]
fn a_field_that_may_be_missing_is_named_and_one_that_always_comes_is_not() {
    let always = json!({"type": "object", "properties": {"a/b": {"type": "string"}}, "required": ["a/b"]});
    let sometimes = json!({"type": "object", "properties": {"a/b": {"type": "string"}}});
    assert_eq!(breaking_changes(&always, &sometimes), ["/properties/a~1b: may be missing"]);
    assert_eq!(breaking_changes(&sometimes, &always), Vec::<String>::new());
}

#[test]
fn parts_are_compared_behind_references_and_in_lists() {
    let list =
        |item: Value| json!({"type": "array", "items": {"$ref": "#/$defs/Item"}, "$defs": {"Item": item}});
    let old = list(json!({"type": "object", "properties": {"price": {"type": "integer"}}}));
    let new = list(json!({"type": "object", "properties": {"price": {"type": "number"}}}));
    let wanted = "/$defs/Item/properties/price: type was \"integer\" and is \"number\"";
    assert_eq!(breaking_changes(&old, &new), [wanted]);
    let inline =
        json!({"type": "array", "items": {"type": "object", "properties": {"price": {"type": "integer"}}}});
    assert_eq!(breaking_changes(&old, &inline), Vec::<String>::new(), "where a schema stands does not count");
    let choice = |count: usize| json!({"anyOf": vec![json!({"type": "string"}); count]});
    assert_eq!(breaking_changes(&choice(2), &choice(1)), ["the whole: anyOf had 2 parts and has 1"]);
}

#[test]
fn closed_objects_take_no_new_field() {
    let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let changes = breaking_changes(&closed, &with(&closed, "", "a", false));
    assert_eq!(changes, ["/properties/a: is new where additional fields were limited"]);
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let tree = |leaf: &str| {
        json!({
            "type": "object",
            "properties": {"leaf": {"type": leaf}, "branches": {"type": "array", "items": {"$ref": "#"}}},
        })
    };
    assert_eq!(breaking_changes(&tree("string"), &tree("string")), Vec::<String>::new());
    assert_eq!(
        breaking_changes(&tree("string"), &tree("integer")),
        ["/properties/leaf: type was \"string\" and is \"integer\""]
    );
    let endless = json!({"$ref": "#"});
    assert_eq!(breaking_changes(&endless, &endless), ["the whole: is no schema, or refers to none"]);
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "format": "uuid"})),
        Just(json!({"type": ["integer", "null"]})),
        Just(json!({"enum": ["a", "b"]})),
        Just(json!({"anyOf": [{"const": 1}, {"type": "null"}]})),
    ];
    let inner = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![inner.clone().prop_map(|items| json!({"type": "array", "items": items})), object(inner),]
    });
    object(inner)
}

fn object(field: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let fields = prop::collection::btree_map("[a-e~/]{1,3}", (field, any::<bool>()), 1..5);
    fields.prop_map(|fields| {
        let required: Vec<_> =
            fields.iter().filter(|(_, (_, is))| *is).map(|(name, _)| name.clone()).collect();
        let properties: Map<_, _> = fields.into_iter().map(|(name, (schema, _))| (name, schema)).collect();
        json!({"type": "object", "properties": properties, "required": required})
    })
}

proptest! {
    #[test]
    fn whatever_stays_or_is_added_is_compatible(schema in schema(), is_required: bool) {
        prop_assert_eq!(breaking_changes(&schema, &schema.clone()), Vec::<String>::new());
        let more = with(&schema, "", "added", is_required);
        prop_assert_eq!(breaking_changes(&schema, &more), Vec::<String>::new());
        prop_assert_eq!(breaking_changes(&more, &schema), vec!["/properties/added: was removed".to_owned()]);
    }

    #[test]
    fn every_other_field_is_a_break(schema in schema(), choice: prop::sample::Index) {
        let names: Vec<_> = schema["properties"].as_object().expect("an object").keys().cloned().collect();
        let name = choice.get(&names);
        let mut changed = schema.clone();
        changed["properties"][name] = json!({"type": "boolean"});
        let changes = breaking_changes(&schema, &changed);
        let place = format!("/properties/{}", name.replace('~', "~0").replace('/', "~1"));
        prop_assert!(!changes.is_empty());
        let is_there = |change: &String| change.strip_prefix(&place).is_some_and(|rest| rest.starts_with([':', '/']));
        prop_assert!(changes.iter().all(is_there), "{:?}", changes);
    }
}
