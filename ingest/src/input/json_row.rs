//! A line of an NDJSON file: one object, of which the columns are named by dotted paths.
//!
//! Numbers are taken as they are written: no float comes between a price and its digits.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::records::RowFault;

/// A column that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Header of a CSV file, or path into an object, such as `price.amount`.
    pub name: String,
    /// Whether its text is JSON: a list or an object.
    pub is_nested: bool,
}

type Object<'a> = HashMap<String, &'a RawValue>;

/// Puts the text of each column into `fields`, whose strings are used again; what is missing or null is empty.
pub fn read(text: &str, columns: &[Column], fields: &mut Vec<String>) -> Result<(), RowFault> {
    let object: Object<'_> = parse(text)?;
    fields.resize_with(columns.len(), String::new);
    for (column, field) in columns.iter().zip(fields) {
        field.clear();
        if let Some(value) = find(&object, &column.name)? {
            push(field, value.get(), column)?;
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Object<'_>, RowFault> {
    serde_json::from_str(text).map_err(|error| RowFault::Json(reason(&error)))
}

/// Without the place: the line is named, and within it the place is of the nested text.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

/// The value at a path; a key that is the whole path goes before.
fn find<'a>(object: &Object<'a>, path: &str) -> Result<Option<&'a RawValue>, RowFault> {
    if let Some(value) = object.get(path) {
        return Ok(Some(value));
    }
    let Some((first, rest)) = path.split_once('.') else {
        return Ok(None);
    };
    match object.get(first) {
        Some(value) if value.get().starts_with('{') => find(&parse(value.get())?, rest),
        _ => Ok(None),
    }
}

fn push(field: &mut String, text: &str, column: &Column) -> Result<(), RowFault> {
    match text.as_bytes().first() {
        Some(b'n') => {}
        Some(b'"') => {
            *field = serde_json::from_str(text).map_err(|error| RowFault::Json(reason(&error)))?;
        }
        Some(b'{' | b'[') if !column.is_nested => return Err(RowFault::Nested(column.name.clone())),
        _ => field.push_str(text),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[(&str, bool)]) -> Vec<Column> {
        names.iter().map(|&(name, is_nested)| Column { name: name.to_owned(), is_nested }).collect()
    }

    #[test]
    fn columns_are_found_by_their_paths() {
        let columns = columns(&[("id", false), ("price.amount", false), ("list", true), ("a.b.c", false)]);
        let mut fields = vec!["left over".to_owned()];
        let text =
            r#"{"id": "7\u00e9", "price": {"amount": 19.990}, "list": [{"x":1}], "a": {"b": {"c": true}}}"#;
        read(text, &columns, &mut fields).expect("a row");
        assert_eq!(fields, ["7é", "19.990", "[{\"x\":1}]", "true"]);
        read(r#"{"id": null, "price": 3, "a.b.c": "whole", "unknown": {}}"#, &columns, &mut fields)
            .expect("a row");
        assert_eq!(fields, ["", "", "", "whole"]);
    }

    #[test]
    fn what_is_no_object_or_no_text_is_refused() {
        let columns = columns(&[("id", false)]);
        for text in ["", "[]", "7", "{\"id\": 1", "{\"id\": 1} x", "{'id': 1}", "{\"id\": \"\\ud800\"}"] {
            let fault = read(text, &columns, &mut Vec::new()).expect_err(text);
            assert_eq!(fault.kind(), "no JSON object", "{text}");
        }
        let fault = read(r#"{"id": {"a": 1}}"#, &columns, &mut Vec::new()).expect_err("nested");
        assert_eq!(fault, RowFault::Nested("id".to_owned()));
    }

    #[test]
    fn a_deep_document_is_no_danger() {
        let deep = format!("{{\"id\": {}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(read(&deep, &columns(&[("id", false)]), &mut Vec::new()).is_err());
    }
}
