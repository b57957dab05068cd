//! What is known of a request: the values of condition keys (IAM-15).

use std::collections::BTreeMap;

/// Values by key. Keys are compared without regard to case (IAM-9); so are the names of tags in them, as AWS does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    values: BTreeMap<String, Vec<String>>,
}

impl Facts {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says the value of a key; what was said before is gone.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Says all values of a key that has several, as `aws:TagKeys`.
    pub fn set_all(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        self.values.insert(key.to_ascii_lowercase(), values.into_iter().collect());
    }

    /// The values of a key; none where it is not in the request.
    pub fn all(&self, key: &str) -> Option<&[String]> {
        self.values.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }

    /// The value of a key that has exactly one.
    pub fn one(&self, key: &str) -> Option<&str> {
        match self.all(key)? {
            [value] => Some(value),
            _ => None,
        }
    }

    /// All keys, in lower case, with their values, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.values.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }
}
