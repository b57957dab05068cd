//! Labs of a size, written as a person would write them: lab files.

use std::fmt::Write;
use std::sync::Arc;

use fabric::Fabric;
use lab::Files;
use model::{Context, Model, Region, Timestamp};

use crate::cli::Result;

/// Rules of one group at most; a lab file may not ask for many more. What does not fit is in further groups.
const LARGEST_GROUP: usize = 5_000;

/// What a lab of this size is.
#[derive(Debug, Clone, Copy)]
pub struct Cloud {
    /// Instances, all on one subnet and in one security group.
    pub instances: usize,
    /// Rules of the security group besides those that the measurement needs.
    pub rules: usize,
}

/// Nothing is read from disk.
struct Text(String);

impl Files for Text {
    fn read(&self, name: &str, _: Option<&str>) -> std::result::Result<(String, String), String> {
        Ok((name.to_owned(), self.0.clone()))
    }
}

impl Cloud {
    /// Its lab file. UDP 9000 is for the group itself (tracked, SG-16), UDP 9001 for a block.
    pub fn file(&self) -> String {
        let interfaces = self.instances + 100;
        let mut text = format!(
            "name: crowd\nquotas: {{ interfaces_per_region: {interfaces}, rules_per_security_group: 6000 }}\n\
             vpcs:\n  a:\n    cidr: 10.0.0.0/16\n    subnets:\n      s: {{ az: a, cidr: 10.0.0.0/18, route: igw }}\n\
             \x20     t: {{ az: a, cidr: 10.0.64.0/18, route: igw }}\n\
             security_groups:\n  crowd:\n    - tcp/80 from anywhere\n    - udp/9000 from sg:crowd\n    - udp/9001 from 10.0.0.0/16\n"
        );
        for number in 0..self.rules {
            let (high, low) = (number / 250, number % 250);
            if number > 0 && number % LARGEST_GROUP == 0 {
                let _ = writeln!(text, "  more-{}:", number / LARGEST_GROUP);
            }
            // Ports and blocks differ, so nothing merges.
            let _ = writeln!(text, "    - udp/{} from 10.{}.{}.0/24", 10_000 + number, 100 + high, low);
        }
        let more = (1..self.rules.div_ceil(LARGEST_GROUP).max(1)).map(|n| format!(", more-{n}"));
        let groups = std::iter::once("crowd".to_owned()).chain(more).collect::<String>();
        let _ = writeln!(
            text,
            "instances:\n  n: {{ subnet: s, sg: [{groups}], count: {} }}\n  m: {{ subnet: t, sg: [{groups}] }}",
            self.instances - 1
        );
        text
    }

    /// Its model: read, decoded, and made by operations, as `up` does.
    pub fn model(&self) -> Result<Arc<Model>> {
        let lab = lab::load("crowd.yaml", &Text(self.file())).map_err(|error| error.render(false))?;
        let mut model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(1_700_000_000)));
        lab.apply(&mut model).map_err(|error| error.render(false))?;
        Ok(Arc::new(model))
    }
}

/// Namespace, address and device of an instance by name.
pub fn instance(fabric: &Fabric, name: &str) -> Result<(String, std::net::Ipv4Addr)> {
    let found = fabric.instances.values().find(|instance| instance.name == name);
    let found = found.ok_or_else(|| format!("no instance {name}"))?;
    let interface = found.interfaces.first().ok_or_else(|| format!("{name} has no interface"))?;
    Ok((linux::naming::instance_namespace(&found.id), fabric.interfaces[*interface].primary_address()))
}
