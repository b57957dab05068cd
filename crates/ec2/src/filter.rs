//! Choosing what a Describe call shows: identifiers and `Filters`. All of it is shown: whoever speaks the wire divides
//! long answers into pages.
//!
//! A filter is a name and the places in the *answer* that it looks at, so that what a filter finds is what the
//! caller sees. All filters must hold; one value of a filter is enough. `*` and `?` are wildcards, `\` escapes.

use model::{ApiError, ErrorCode, Tags};
use serde_json::{Value, json};

use crate::arguments::{Arguments, read};

/// Name of a filter, and the dotted paths in an item that it looks at; a path goes into every element of a list.
pub type FilterTable = &'static [(&'static str, &'static [&'static str])];

/// Values of all filters of a call.
const MOST_VALUES: usize = 200;

/// The filters of one call.
#[derive(Debug, Default)]
pub struct Filters {
    chosen: Vec<(Place, Vec<String>)>,
}

#[derive(Debug)]
enum Place {
    Paths(&'static [&'static str]),
    Tag(String),
}

impl Filters {
    /// Reads `Filters` (some calls write `Filter`). `tag:KEY` and `tag-key` are known everywhere.
    /// Errors: `InvalidParameterValue` for a name that the table lacks, `FilterLimitExceeded` for more than 200 values.
    pub fn read(arguments: &Arguments<'_>, table: FilterTable) -> Result<Self, ApiError> {
        let mut chosen = Vec::new();
        for parameter in ["Filters", "Filter"] {
            chosen.extend(arguments.each(parameter, |filter| {
                let name = filter.required_text("Name")?;
                let values = filter.texts("Values")?.into_iter().map(str::to_owned).collect();
                Ok((Place::of(name, table)?, values))
            })?);
        }
        match chosen.iter().map(|(_, values): &(Place, Vec<String>)| values.len()).sum::<usize>() {
            0..=MOST_VALUES => Ok(Self { chosen }),
            _ => Err(ApiError::new(
                ErrorCode::FilterLimitExceeded,
                format!("The maximum number of filter values specified on a single call is {MOST_VALUES}"),
            )),
        }
    }

    /// Whether nothing is chosen, so that everything passes.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Whether an item passes every filter.
    pub fn keep(&self, item: &Value) -> bool {
        self.chosen.iter().all(|(place, wanted)| {
            let mut found = Vec::new();
            match place {
                Place::Paths(paths) => paths.iter().for_each(|path| collect(item, path, &mut found)),
                Place::Tag(key) => {
                    let tags = item["Tags"].as_array().into_iter().flatten();
                    found.extend(tags.filter(|tag| tag["Key"] == **key).map(|tag| &tag["Value"]));
                }
            }
            found.into_iter().filter_map(as_text).any(|text| wanted.iter().any(|pattern| fits(pattern, &text)))
        })
    }
}

/// What is known of a row before it is shown: most describes want few rows, and to show one costs more than to look at it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'r, const N: usize> {
    /// Texts by their path in the item, exactly as the item has them; its identifier among them.
    pub texts: [(&'static str, &'r str); N],
    /// Its tags.
    pub tags: &'r Tags,
}

impl<const N: usize> Known<'_, N> {
    fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
    }
}

impl Filters {
    /// Whether an item may pass every filter, as far as it is known; no means no.
    pub fn may_keep<const N: usize>(&self, known: &Known<'_, N>) -> bool {
        self.chosen.iter().all(|(place, wanted)| {
            let fits = |text: &str| wanted.iter().any(|pattern| fits(pattern, text));
            match place {
                Place::Paths([path]) => known.text(path).is_none_or(fits),
                Place::Paths(_) => true,
                Place::Tag(key) => known.tags.get(key).is_some_and(|value| fits(value)),
            }
        })
    }
}

impl Place {
    fn of(name: &str, table: FilterTable) -> Result<Self, ApiError> {
        if let Some(key) = name.strip_prefix("tag:") {
            return Ok(Self::Tag(key.to_owned()));
        }
        match table.iter().find(|(known, _)| *known == name) {
            Some((_, paths)) => Ok(Self::Paths(paths)),
            None if name == "tag-key" => Ok(Self::Paths(&["Tags.Key"])),
            None if name == "tag-value" => Ok(Self::Paths(&["Tags.Value"])),
            None => Err(ApiError::new(ErrorCode::InvalidParameterValue, format!("The filter '{name}' is invalid"))),
        }
    }
}

fn collect<'v>(value: &'v Value, path: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, found)),
        value if path.is_empty() => found.push(value),
        value => {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(inner) = value.get(head) {
                collect(inner, rest, found);
            }
        }
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether `text` fits a pattern with `*` and `?`. Linear in practice: only the last `*` is ever retried.
fn fits(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == text;
    }
    enum Part {
        Any,
        One,
        Exactly(char),
    }
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Exactly(characters.next().unwrap_or('\\')),
            other => Part::Exactly(other),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match parts.get(p) {
            Some(Part::Any) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(Part::One) => (p, t) = (p + 1, t + 1),
            Some(Part::Exactly(wanted)) if *wanted == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    parts[p..].iter().all(|part| matches!(part, Part::Any))
}

/// A Describe call of the usual form.
pub struct Describe {
    /// The parameter with the wanted identifiers, such as `VpcIds`.
    pub ids: &'static str,
    /// Where an item's identifier stands, such as `VpcId`.
    pub id_path: &'static str,
    /// The list in the answer, such as `Vpcs`.
    pub answer: &'static str,
    /// Its filters.
    pub filters: FilterTable,
    /// Refuses what is no identifier of the kind, before any is looked for.
    pub form: fn(&str) -> Result<(), ApiError>,
    /// What is said of an identifier that nobody has.
    pub not_found: fn(&str) -> ApiError,
}

impl Describe {
    /// The identifiers and filters of a call, behind what `more` reads of it.
    fn asked(&self, arguments: &Value, more: impl FnOnce(&Arguments<'_>) -> Result<(), ApiError>) -> Result<(Vec<String>, Filters), ApiError> {
        read(arguments, |a| {
            more(a)?;
            let ids: Vec<String> = a.texts(self.ids)?.into_iter().map(str::to_owned).collect();
            ids.iter().try_for_each(|id| (self.form)(id))?;
            Ok((ids, Filters::read(a, self.filters)?))
        })
    }

    /// Serves the call from all items there are, in their order.
    pub fn serve(&self, arguments: &Value, items: impl IntoIterator<Item = Value>) -> Result<Value, ApiError> {
        self.serve_with(arguments, items, |_| Ok(()))
    }

    /// The same for a call with parameters of its own, read by `more`.
    pub fn serve_with(
        &self,
        arguments: &Value,
        items: impl IntoIterator<Item = Value>,
        more: impl FnOnce(&Arguments<'_>) -> Result<(), ApiError>,
    ) -> Result<Value, ApiError> {
        let (ids, filters) = self.asked(arguments, more)?;
        let items: Vec<Value> = items.into_iter().collect();
        let has = |item: &Value, id: &str| item[self.id_path] == *id;
        if let Some(absent) = ids.iter().find(|id| !items.iter().any(|item| has(item, id))) {
            return Err((self.not_found)(absent));
        }
        let wanted = |item: &Value| ids.is_empty() || ids.iter().any(|id| has(item, id));
        Ok(json!({self.answer: items.into_iter().filter(|i| wanted(i) && filters.keep(i)).collect::<Value>()}))
    }

    /// The same from rows, of which those alone are shown that may be wanted; `known` says what stands in an item before it is there.
    pub fn serve_rows<'r, R: 'r, const N: usize>(
        &self,
        arguments: &Value,
        rows: impl IntoIterator<Item = &'r R>,
        known: impl Fn(&'r R) -> Known<'r, N>,
        shape: impl Fn(&'r R) -> Value,
    ) -> Result<Value, ApiError> {
        self.serve_rows_with(arguments, rows, known, shape, |_| Ok(()))
    }

    /// The same for a call with parameters of its own, read by `more`.
    pub fn serve_rows_with<'r, R: 'r, const N: usize>(
        &self,
        arguments: &Value,
        rows: impl IntoIterator<Item = &'r R>,
        known: impl Fn(&'r R) -> Known<'r, N>,
        shape: impl Fn(&'r R) -> Value,
        more: impl FnOnce(&Arguments<'_>) -> Result<(), ApiError>,
    ) -> Result<Value, ApiError> {
        let (ids, filters) = self.asked(arguments, more)?;
        let rows: Vec<(&R, Known<'_, N>)> = rows.into_iter().map(|row| (row, known(row))).collect();
        let has = |known: &Known<'_, N>, id: &str| known.text(self.id_path) == Some(id);
        if let Some(absent) = ids.iter().find(|id| !rows.iter().any(|(_, known)| has(known, id))) {
            return Err((self.not_found)(absent));
        }
        let is_wanted = |known: &Known<'_, N>| (ids.is_empty() || ids.iter().any(|id| has(known, id))) && filters.may_keep(known);
        let wanted = rows.iter().filter(|(_, known)| is_wanted(known));
        let items = wanted.map(|(row, known)| {
            let item = shape(row);
            debug_assert!(known.texts.iter().all(|(path, text)| item[*path] == **text), "{:?} is not so in {item}", known.texts);
            item
        });
        Ok(json!({self.answer: items.filter(|item| filters.keep(item)).collect::<Value>()}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_fit_as_in_the_console() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web1", false),
            ("web*", "web", true),
            ("*db*", "my-db-1", true),
            ("*a*b", "aabab", true),
            ("*a*b", "aaba", false),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    const TABLE: FilterTable = &[("zone", &["Zone"]), ("block", &["Blocks.Cidr"]), ("main", &["Blocks.Main"])];

    fn names(filters: Value) -> Vec<String> {
        let describe = Describe {
            ids: "Ids",
            id_path: "Id",
            answer: "Things",
            filters: TABLE,
            form: |_| Ok(()),
            not_found: |id| ApiError::new(ErrorCode::InvalidVpcIdNotFound, id),
        };
        let items = [
            json!({"Id": "a", "Zone": "z1", "Blocks": [{"Cidr": "10.0.0.0/8", "Main": true}], "Tags": [{"Key": "k", "Value": "v"}]}),
            json!({"Id": "b", "Zone": "z1", "Blocks": [], "Tags": []}),
            json!({"Id": "c", "Zone": "z2", "Blocks": [{"Cidr": "10.1.0.0/16", "Main": false}], "Tags": []}),
        ];
        let answer = describe.serve(&json!({"Filters": filters}), items).unwrap();
        answer["Things"].as_array().unwrap().iter().map(|i| i["Id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_filter_must_hold_and_one_value_is_enough() {
        assert_eq!(names(json!([])), ["a", "b", "c"]);
        assert_eq!(names(json!([{"Name": "zone", "Values": ["z2", "z3"]}])), ["c"]);
        assert_eq!(names(json!([{"Name": "block", "Values": ["10.*"]}])), ["a", "c"]);
        assert_eq!(names(json!([{"Name": "zone", "Values": ["z1"]}, {"Name": "main", "Values": ["true"]}])), ["a"]);
        assert_eq!(names(json!([{"Name": "tag:k", "Values": ["v"]}])), ["a"]);
        assert_eq!(names(json!([{"Name": "tag-key", "Values": ["k"]}])), ["a"]);
    }
}
