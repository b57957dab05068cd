//! Tags: sorted key-value pairs; the `Name` tag is what people call a resource.

use std::collections::BTreeMap;

/// Tags of one resource, by key.
pub type Tags = BTreeMap<String, String>;

/// The value of the `Name` tag.
pub fn name(tags: &Tags) -> Option<&str> {
    tags.get("Name").map(String::as_str)
}
