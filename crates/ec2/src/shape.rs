//! Parts that answers have in common.

use model::{Tags, Timestamp};
use serde_json::{Map, Value, json};

/// `[{"Key": …, "Value": …}]`, sorted by key.
pub fn tags(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// A moment as the API prints it.
pub fn time(moment: Timestamp) -> Value {
    moment.iso8601().into()
}

/// Anything that prints itself, such as an identifier or a block.
pub fn text(value: impl std::fmt::Display) -> Value {
    value.to_string().into()
}

/// The answer of a call that only says that it worked.
pub fn done() -> Value {
    json!({"Return": true})
}

/// An object without its null fields: the API leaves out what is not there.
pub fn present(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().filter(|(_, v)| !v.is_null()).collect::<Map<_, _>>())
        }
        other => other,
    }
}
