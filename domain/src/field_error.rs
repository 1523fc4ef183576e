//! What is wrong with one field of an input, in the shape of an RFC 9457 extension.

use serde::Serialize;

/// A bad field: where, what, and a stable code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// RFC 6901 JSON pointer, such as `/variants/0/sku`.
    pub pointer: String,
    /// A sentence for a person.
    pub detail: String,
    /// A stable code for a program, such as `too_long`.
    pub code: &'static str,
}

impl FieldError {
    /// A field error; `pointer` names the field.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), code }
    }
}
