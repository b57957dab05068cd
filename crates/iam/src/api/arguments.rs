//! Parameters of a call, read by name.

use model::tag::Tags;
use serde_json::{Map, Value};

use crate::error::{Code, Error, Result};

/// The parameters of a call.
pub struct Arguments<'a> {
    fields: Option<&'a Map<String, Value>>,
}

fn invalid(message: String) -> Error {
    Error::new(Code::ValidationError, message)
}

impl<'a> Arguments<'a> {
    /// Errors: they are no object.
    pub fn new(value: &'a Value) -> Result<Self> {
        match value {
            Value::Null => Ok(Self { fields: None }),
            Value::Object(fields) => Ok(Self { fields: Some(fields) }),
            _ => Err(invalid("The parameters of a call are an object".to_owned())),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.and_then(|fields| fields.get(name)).filter(|value| !value.is_null())
    }

    /// A text. Errors: it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(format!("Value at '{name}' is not a text"))),
        }
    }

    /// A text that must be there.
    pub fn required(&self, name: &str) -> Result<&'a str> {
        let missing = || invalid(format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"));
        self.text(name)?.ok_or_else(missing)
    }

    /// A whole number from 0.
    pub fn number(&self, name: &str) -> Result<Option<u32>> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                number.map(Some).ok_or_else(|| invalid(format!("Value at '{name}' is not a number of 0 or more")))
            }
        }
    }

    /// Yes or no; no where nothing is said.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| invalid(format!("Value at '{name}' is not true or false"))),
        }
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let list = self.list(name)?;
        list.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(|| invalid(format!("Value at '{name}' has what is no text")))).collect()
    }

    /// A list.
    pub fn list(&self, name: &str) -> Result<&'a [Value]> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(invalid(format!("Value at '{name}' is not a list"))),
        }
    }

    /// `Tags`. Errors: one has no key, or a key comes twice.
    pub fn tags(&self) -> Result<Tags> {
        let mut tags = Tags::new();
        for tag in self.list("Tags")? {
            let tag = Self::new(tag)?;
            let key = tag.required("Key")?;
            if tags.insert(key.to_owned(), tag.text("Value")?.unwrap_or_default().to_owned()).is_some() {
                return Err(Error::new(Code::InvalidInput, format!("Duplicate tag keys found. Please note that Tag keys are case insensitive: {key}")));
            }
        }
        Ok(tags)
    }

    /// The number in a version's name: `v2`.
    pub fn version(&self) -> Result<u32> {
        let text = self.required("VersionId")?;
        let number = text.strip_prefix('v').and_then(|number| number.parse().ok());
        number.ok_or_else(|| invalid(format!("Value '{text}' at 'versionId' failed to satisfy constraint: v1, v2, …")))
    }
}
