//! Lists in pages: `MaxItems`, and a `Marker` where the next begins. Whoever asks for no page gets the whole list: the door divides
//! those whose shape has pages itself, and must have all there is to do so.

use serde_json::{Map, Value};

use super::arguments::Arguments;
use crate::error::{Code, Error, Result};

/// Most items of a page.
const MOST: usize = 1_000;

/// A page of a list under its name. Errors: a number out of 1 to 1,000, or a marker that is none.
pub fn page(name: &str, items: Vec<Value>, arguments: &Arguments<'_>) -> Result<Value> {
    let asked = arguments.number("MaxItems")?.map(|most| most as usize);
    if let Some(most) = asked.filter(|most| !(1..=MOST).contains(most)) {
        return Err(Error::new(Code::ValidationError, format!("Value '{most}' at 'maxItems' failed to satisfy constraint: 1 to {MOST}")));
    }
    let from = match arguments.text("Marker")? {
        None => 0,
        Some(marker) => match marker.strip_prefix("item-").and_then(|from| from.parse().ok()) {
            Some(from) if from <= items.len() => from,
            _ => return Err(Error::new(Code::ValidationError, format!("Invalid Marker: {marker}"))),
        },
    };
    let to = items.len().min(asked.map_or(items.len(), |most| from + most));
    let mut answer = Map::new();
    let is_truncated = to < items.len();
    answer.insert(name.to_owned(), items.into_iter().take(to).skip(from).collect());
    answer.insert("IsTruncated".to_owned(), is_truncated.into());
    if is_truncated {
        answer.insert("Marker".to_owned(), format!("item-{to}").into());
    }
    Ok(Value::Object(answer))
}
