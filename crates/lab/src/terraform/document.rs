//! The document: `planned_values` or `values` with modules in modules, `resource_changes` for what is known after apply,
//! `configuration` for expressions (Terraform's JSON output format 1.x).

use std::collections::BTreeMap;

use crate::aws::json::{Json, Value, cut};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Modules nest so deep at most.
const MAX_MODULES: usize = 24;

/// Which one of several: the number of `count`, or the key of `for_each`.
pub(super) type Key = String;

/// One step of a module's address: its name and its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub name: String,
    pub key: Option<Key>,
}

/// One resource.
pub(super) struct Resource<'j> {
    /// Such as `module.app.aws_subnet.this["a"]`.
    pub address: &'j str,
    pub module: Vec<Step>,
    pub kind: &'j str,
    pub name: &'j str,
    pub key: Option<Key>,
    pub values: &'j Json,
    /// What is known after apply only.
    pub unknown: Option<&'j Json>,
    /// How it is configured; `None` in a state.
    pub configuration: Option<&'j Json>,
    pub span: Span,
    /// Where it stands in the document, such as `planned_values.root_module.resources[3]`.
    pub path: String,
}

/// A plan or a state.
pub(super) struct Document<'j> {
    pub resources: Vec<Resource<'j>>,
    /// Resources by module, type and name.
    pub by_name: BTreeMap<(Vec<Step>, &'j str, &'j str), Vec<usize>>,
    root: Option<&'j Json>,
    providers: Option<&'j Json>,
    variables: Option<&'j Json>,
    /// Whether terraform says that there is more than this.
    pub is_partial: bool,
    /// Whether this is what exists, not what is to be.
    pub is_state: bool,
}

impl<'j> Document<'j> {
    /// Finds what is where. Errors: neither a plan nor a state; resources that are no resources.
    pub fn of(json: &'j Json) -> Result<Self, Box<Diagnostic>> {
        let wrong = |place: Span, message: String| {
            let hint = "terraform plan -out plan.bin && terraform show -json plan.bin > plan.json";
            Box::new(Diagnostic::new(Code::NotAPlan, Span { end: place.end.min(place.start.saturating_add(1)), ..place }, message).hint(hint))
        };
        let Value::Object(_) = &json.value else {
            return Err(wrong(json.span, format!("the file is {}, no output of `terraform show -json`", json.kind())));
        };
        let (name, values, is_state) = match (json.get("planned_values"), json.get("values")) {
            (Some(values), _) => ("planned_values", values, false),
            (None, Some(values)) => ("values", values, true),
            // A state without anything, or a plan that changes nothing in nothing, has no values at all.
            (None, None) if json.get("format_version").is_some() && json.get("terraform_version").is_some() => ("values", json, true),
            (None, None) => return Err(wrong(json.span, "neither planned_values nor values: no output of `terraform show -json`".to_owned())),
        };
        if json.get("format_version").and_then(Json::text).is_none() {
            return Err(wrong(json.span, "format_version is missing: no output of `terraform show -json`".to_owned()));
        }
        let configuration = json.get("configuration");
        let says = |key: &str, word: bool| json.get(key).is_some_and(|json| json.value == Value::Bool(word));
        let mut document = Self {
            resources: Vec::new(),
            by_name: BTreeMap::new(),
            root: configuration.and_then(|c| c.get("root_module")),
            providers: configuration.and_then(|c| c.get("provider_config")),
            variables: json.get("variables"),
            is_partial: says("complete", false) || says("errored", true),
            is_state,
        };
        let mut unknown: BTreeMap<&str, &Json> = BTreeMap::new();
        if let Some(Json { value: Value::List(changes), .. }) = json.get("resource_changes") {
            for change in changes {
                // A deposed object is on its way out; the current one has the address too.
                if change.get("deposed").is_none()
                    && let (Some(address), Some(after)) = (change.get("address").and_then(Json::text), change.get("change").and_then(|c| c.get("after_unknown")))
                {
                    unknown.insert(address, after);
                }
            }
        }
        if let Some(module) = values.get("root_module") {
            document.module(module, &mut Vec::new(), &format!("{name}.root_module"), &unknown)?;
        }
        // The order of the file is Terraform's affair; ours is that of addresses.
        document.resources.sort_by_key(|resource| (resource.module.clone(), resource.kind, resource.name, natural(resource.key.as_deref())));
        for (index, resource) in document.resources.iter().enumerate() {
            document.by_name.entry((resource.module.clone(), resource.kind, resource.name)).or_default().push(index);
        }
        Ok(document)
    }

    fn module(&mut self, json: &'j Json, steps: &mut Vec<Step>, path: &str, unknown: &BTreeMap<&str, &'j Json>) -> Result<(), Box<Diagnostic>> {
        let wrong = |place: Span, path: &str, wanted: &str| {
            let message = format!("{path} is not {wanted}");
            Box::new(Diagnostic::new(Code::NotAPlan, Span { end: place.end.min(place.start.saturating_add(1)), ..place }, message).label(format!("{wanted} belongs here")))
        };
        let list = |key: &str| match json.get(key) {
            None => Ok(&[][..]),
            Some(Json { value: Value::List(all), .. }) => Ok(all.as_slice()),
            Some(other) => Err(wrong(other.span, &format!("{path}.{key}"), "a list")),
        };
        for (index, resource) in list("resources")?.iter().enumerate() {
            let path = format!("{path}.resources[{index}]");
            let text = |key: &str| resource.get(key).and_then(Json::text).ok_or_else(|| wrong(resource.get(key).unwrap_or(resource).span, &format!("{path}.{key}"), "a text"));
            // Data sources are known or they are not; what refers to them has the value or has none.
            if text("mode")? != "managed" {
                continue;
            }
            let (address, kind, name) = (text("address")?, text("type")?, text("name")?);
            let values = resource.get("values").filter(|values| matches!(values.value, Value::Object(_)));
            let values = values.ok_or_else(|| wrong(resource.span, &format!("{path}.values"), "an object"))?;
            let key = resource.get("index").and_then(|index| match &index.value {
                Value::Number(text) | Value::Text(text) => Some(text.to_string()),
                _ => None,
            });
            let configuration = self.module_configuration(steps).and_then(|module| configured(module, kind, name));
            let unknown = unknown.get(address).copied();
            self.resources.push(Resource { address, module: steps.clone(), kind, name, key, values, unknown, configuration, span: resource.span, path });
        }
        for (index, child) in list("child_modules")?.iter().enumerate() {
            let path = format!("{path}.child_modules[{index}]");
            let address = child.get("address").and_then(Json::text).ok_or_else(|| wrong(child.span, &format!("{path}.address"), "a text"))?;
            let parts = split(address);
            let step = match parts.as_slice() {
                [.., module, (name, key)] if module.0 == "module" => Step { name: name.clone(), key: key.clone() },
                _ => return Err(wrong(child.span, &format!("{path}.address"), &format!("the address of a module: `{}`", cut(address)))),
            };
            if steps.len() >= MAX_MODULES {
                return Err(wrong(child.span, &path, "within the depth of modules that is read"));
            }
            steps.push(step);
            let read = self.module(child, steps, &path, unknown);
            steps.pop();
            read?;
        }
        Ok(())
    }

    /// The configuration of a module.
    pub fn module_configuration(&self, steps: &[Step]) -> Option<&'j Json> {
        steps.iter().try_fold(self.root?, |module, step| module.get("module_calls")?.get(&step.name)?.get("module"))
    }

    /// The call of a module: what it is given.
    pub fn module_call(&self, steps: &[Step]) -> Option<&'j Json> {
        let (last, parents) = steps.split_last()?;
        self.module_configuration(parents)?.get("module_calls")?.get(&last.name)
    }

    /// Whether a variable of the root module has a value.
    pub fn has_variable(&self, name: &str) -> bool {
        self.variables.is_some_and(|variables| variables.get(name).is_some())
    }

    /// Whether there is any configuration to follow references in.
    pub fn has_configuration(&self) -> bool {
        self.root.is_some()
    }

    /// The region of the AWS provider, if it is written or a variable.
    pub fn region(&self) -> Option<&'j str> {
        let expression = self.providers?.get("aws")?.get("expressions")?.get("region")?;
        if let Some(region) = expression.get("constant_value").and_then(Json::text) {
            return Some(region);
        }
        let name = super::texts(expression.get("references")?).first()?.strip_prefix("var.")?;
        self.variables?.get(name)?.get("value")?.text()
    }

    /// Resources of a type, in the order of addresses.
    pub fn of_kind(&self, kind: &str) -> Vec<usize> {
        (0..self.resources.len()).filter(|index| self.resources[*index].kind == kind).collect()
    }
}

/// `count` keys by number: `[2]` stands before `[10]`.
fn natural(key: Option<&str>) -> (u64, String) {
    let key = key.unwrap_or_default();
    (key.parse().unwrap_or(0), key.to_owned())
}

fn configured<'j>(module: &'j Json, kind: &str, name: &str) -> Option<&'j Json> {
    let Value::List(resources) = &module.get("resources")?.value else { return None };
    let is = |json: &Json, key: &str, word: &str| json.get(key).and_then(Json::text) == Some(word);
    resources.iter().find(|resource| is(resource, "type", kind) && is(resource, "name", name) && is(resource, "mode", "managed"))
}

/// The parts of an address: `module.a["x.y"].aws_vpc.b[0].id` is `module`, `a` with key `x.y`, `aws_vpc`, `b` with key `0`, `id`.
pub(super) fn split(address: &str) -> Vec<(String, Option<Key>)> {
    let mut parts: Vec<(String, Option<Key>)> = vec![(String::new(), None)];
    let mut rest = address.chars();
    while let Some(c) = rest.next() {
        let Some(last) = parts.last_mut() else { break };
        match c {
            '.' => parts.push((String::new(), None)),
            '[' => {
                let mut key = String::new();
                let mut quoted = false;
                while let Some(c) = rest.next() {
                    match c {
                        '"' => quoted = !quoted,
                        '\\' if quoted => key.extend(rest.next()),
                        ']' if !quoted => break,
                        c => key.push(c),
                    }
                }
                // A second index is of a value inside, as in `x["a"][0]`: the first one names the resource.
                last.1.get_or_insert(key);
            }
            c => last.0.push(c),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn addresses_split_outside_of_keys() {
        let parts = split("module.a[\"x.y\\\"]z\"].aws_vpc.b[10].id");
        let texts: Vec<(&str, Option<&str>)> = parts.iter().map(|(name, key)| (name.as_str(), key.as_deref())).collect();
        assert_eq!(texts, [("module", None), ("a", Some("x.y\"]z")), ("aws_vpc", None), ("b", Some("10")), ("id", None)]);
        for odd in ["", "[", "a[\"", "a[0", "..", "]", "a[\"\\"] {
            assert!(!split(odd).is_empty());
        }
    }
}
