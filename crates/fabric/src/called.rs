//! What interfaces are called where several are told of. Clients of AWS give one `Name` to several instances: then the id says which.

use std::collections::BTreeMap;

use crate::fabric::Fabric;
use crate::index::InterfaceIndex;

/// Names that no two interfaces share.
#[derive(Debug, Clone, Default)]
pub struct Called {
    /// Of those alone whose own name is another one's too.
    apart: BTreeMap<InterfaceIndex, String>,
}

impl Called {
    /// Of all interfaces.
    pub fn of(fabric: &Fabric) -> Self {
        let mut of: BTreeMap<&str, Vec<InterfaceIndex>> = BTreeMap::new();
        for (index, interface) in fabric.interfaces.iter() {
            of.entry(&interface.name).or_default().push(index);
        }
        let mut apart = BTreeMap::new();
        for (name, several) in of.into_iter().filter(|(_, several)| several.len() > 1) {
            for index in &several {
                let instance = fabric.interfaces[*index].instance();
                let is_alone = |instance| several.iter().filter(|other| fabric.interfaces[**other].instance() == Some(instance)).count() == 1;
                let id = match instance.filter(|instance| is_alone(*instance)) {
                    Some(instance) => fabric.instances[instance].id.as_str(),
                    None => fabric.interfaces[*index].id.as_str(),
                };
                apart.insert(*index, format!("{name} ({id})"));
            }
        }
        Self { apart }
    }

    /// The name where it is the interface's alone, else with the instance's id: `web (i-0123456789abcdef0)`.
    pub fn name<'f>(&'f self, fabric: &'f Fabric, interface: InterfaceIndex) -> &'f str {
        self.apart.get(&interface).map_or(&fabric.interfaces[interface].name, String::as_str)
    }
}

/// A name without the id that tells it apart.
pub fn shared(name: &str) -> &str {
    let is_id = |(_, rest): &(&str, &str)| rest.ends_with(')') && (rest.starts_with("i-") || rest.starts_with("eni-"));
    name.rsplit_once(" (").filter(is_id).map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::shared;

    #[test]
    fn an_id_is_taken_off_and_nothing_else() {
        for (name, expected) in [("web (i-0a)", "web"), ("web (eni-0a)", "web"), ("web", "web"), ("internet (1.0.0.1)", "internet (1.0.0.1)"), ("a (i-0) b", "a (i-0) b")] {
            assert_eq!(shared(name), expected);
        }
    }
}
