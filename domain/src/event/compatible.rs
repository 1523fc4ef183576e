//! Which changes of a schema break the consumers of what it describes.
//!
//! A consumer ignores fields that it does not know, so one may be added, and one that could be missing may always come.
//! Everything else stays as it was said.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

/// Keywords that only people read, or that others lead to.
const ANNOTATIONS: [&str; 12] = [
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];
/// Keywords that hold schemas, and `required`: they have rules of their own.
const STRUCTURE: [&str; 7] =
    ["additionalProperties", "allOf", "anyOf", "items", "oneOf", "properties", "required"];
/// References that lead to references, and choices within choices.
const DEPTH_MAX: usize = 16;
static ANYTHING: Value = Value::Bool(true);

/// What breaks a consumer that was made for `old` when `new` describes the events: for each such change the JSON
/// pointer of its place in `old` and what it is, sorted. Empty when every consumer goes on.
pub fn breaking_changes(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison { old, new, seen: HashSet::new(), found: BTreeSet::new() };
    comparison.compare("", old, new);
    comparison.found.into_iter().collect()
}

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    /// Pairs that were compared: a schema may refer to itself.
    seen: HashSet<(*const Value, *const Value)>,
    found: BTreeSet<String>,
}

impl<'a> Comparison<'a> {
    fn note(&mut self, at: &str, what: &str) {
        let place = if at.is_empty() { "the whole" } else { at };
        self.found.insert(format!("{place}: {what}"));
    }

    fn compare(&mut self, at: &str, old: &'a Value, new: &'a Value) {
        if !self.seen.insert((std::ptr::from_ref(old), std::ptr::from_ref(new))) {
            return;
        }
        if old.is_boolean() || new.is_boolean() {
            if old != new {
                self.note(at, "allows other values");
            }
            return;
        }
        let (Some(before), Some(after)) = (Resolved::of(self.old, at, old), Resolved::of(self.new, at, new))
        else {
            return self.note(at, "is no schema, or refers to none");
        };
        let at = before.at.clone();
        match (values(self.old, old, DEPTH_MAX), values(self.new, new, DEPTH_MAX)) {
            (Some(old), Some(new)) => self.compare_values(&at, &old, &new),
            (Some(_), None) => self.note(&at, "was a list of values and is none"),
            (None, Some(_)) => self.note(&at, "is a list of values and was none"),
            (None, None) => {
                self.compare_keywords(&at, &before, &after);
                self.compare_properties(&at, &before, &after);
                self.compare_parts(&at, &before, &after);
            }
        }
    }

    fn compare_values(&mut self, at: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) {
        for value in new.difference(old) {
            self.note(at, &format!("has the new value {value}"));
        }
        for value in old.difference(new) {
            self.note(at, &format!("lost the value {value}"));
        }
    }

    fn compare_keywords(&mut self, at: &str, before: &Resolved<'a>, after: &Resolved<'a>) {
        let keywords: BTreeSet<_> = before.keywords().chain(after.keywords()).collect();
        for keyword in keywords {
            let (old, new) = (before.get(keyword), after.get(keyword));
            let is_same = if keyword == "type" { types(old) == types(new) } else { old == new };
            if !is_same {
                let text = |value: Option<&Value>| value.map_or("not said".to_owned(), Value::to_string);
                self.note(at, &format!("{keyword} was {} and is {}", text(old), text(new)));
            }
        }
    }

    fn compare_properties(&mut self, at: &str, before: &Resolved<'a>, after: &Resolved<'a>) {
        let place = |name: &str| format!("{at}/properties/{}", name.replace('~', "~0").replace('/', "~1"));
        let (old, new) = (before.properties(), after.properties());
        for (name, schema) in &old {
            match new.iter().find(|(found, _)| found == name) {
                Some((_, now)) => self.compare(&place(name), schema, now),
                None => self.note(&place(name), "was removed"),
            }
        }
        let (had, has) = (before.required(), after.required());
        for name in had.difference(&has) {
            // A field that is gone was named already.
            let is_there = |properties: &[(&str, &Value)]| properties.iter().any(|(found, _)| found == name);
            if is_there(&new) || !is_there(&old) {
                self.note(&place(name), "may be missing");
            }
        }
        if before.get("additionalProperties").is_some_and(|additional| additional.as_bool() != Some(true)) {
            for (name, _) in new.iter().filter(|(name, _)| !old.iter().any(|(found, _)| found == name)) {
                self.note(&place(name), "is new where additional fields were limited");
            }
        }
    }

    fn compare_parts(&mut self, at: &str, before: &Resolved<'a>, after: &Resolved<'a>) {
        for keyword in ["additionalProperties", "items"] {
            let part = |schema: &Resolved<'a>| schema.get(keyword).unwrap_or(&ANYTHING);
            self.compare(&format!("{at}/{keyword}"), part(before), part(after));
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let (old, new) = (before.list(keyword), after.list(keyword));
            if old.len() != new.len() {
                self.note(at, &format!("{keyword} had {} parts and has {}", old.len(), new.len()));
                continue;
            }
            for (number, (old, new)) in old.iter().zip(new).enumerate() {
                self.compare(&format!("{at}/{keyword}/{number}"), old, new);
            }
        }
    }
}

/// A schema and what it refers to, one after another: a keyword counts where it stands first.
struct Resolved<'a> {
    /// Where the last of them is.
    at: String,
    layers: Vec<&'a Map<String, Value>>,
}

impl<'a> Resolved<'a> {
    fn of(root: &'a Value, at: &str, schema: &'a Value) -> Option<Self> {
        let mut found = Self { at: at.to_owned(), layers: Vec::new() };
        let mut next = schema;
        for _ in 0..DEPTH_MAX {
            let layer = next.as_object()?;
            found.layers.push(layer);
            let Some(reference) = layer.get("$ref") else { return Some(found) };
            let pointer = reference.as_str()?.strip_prefix('#')?;
            next = root.pointer(pointer)?;
            pointer.clone_into(&mut found.at);
        }
        None
    }

    fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.layers.iter().copied().find_map(|layer| layer.get(keyword))
    }

    /// Those that are compared as they stand.
    fn keywords(&self) -> impl Iterator<Item = &'a str> {
        let all = self.layers.iter().copied().flat_map(|layer| layer.keys()).map(String::as_str);
        all.filter(|keyword| !ANNOTATIONS.contains(keyword) && !STRUCTURE.contains(keyword))
    }

    fn properties(&self) -> Vec<(&'a str, &'a Value)> {
        let properties = self.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema)).collect()
    }

    fn required(&self) -> BTreeSet<&'a str> {
        self.list("required").iter().filter_map(Value::as_str).collect()
    }

    fn list(&self, keyword: &str) -> &'a [Value] {
        self.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The only values that a schema allows, each as its JSON text; `None` when it lists none.
fn values(root: &Value, schema: &Value, depth: usize) -> Option<BTreeSet<String>> {
    let depth = depth.checked_sub(1)?;
    let schema = Resolved::of(root, "", schema)?;
    if let Some(only) = schema.get("const") {
        return Some(BTreeSet::from([only.to_string()]));
    }
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return Some(list.iter().map(Value::to_string).collect());
    }
    if schema.get("type").is_some_and(|found| found == "null") {
        return Some(BTreeSet::from(["null".to_owned()]));
    }
    let choices = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    let sets: Option<Vec<_>> = choices.iter().map(|choice| values(root, choice, depth)).collect();
    Some(sets?.into_iter().flatten().collect())
}

/// `type` as a set: one name or a list of them in any order.
fn types(value: Option<&Value>) -> BTreeSet<String> {
    match value {
        Some(Value::Array(names)) => names.iter().map(Value::to_string).collect(),
        Some(name) => BTreeSet::from([name.to_string()]),
        None => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests;
