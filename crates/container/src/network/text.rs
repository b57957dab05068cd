//! A plan in words, for people and for snapshots: devices, and of each rule what it says of itself.

use std::fmt::{Display, Formatter, Result};

use super::plan::{Bridge, Cable, Plan};

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

impl Display for Bridge {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Bridge { name, address, .. } = self;
        write!(
            f,
            "bridge {name} {address} mac {} mtu {}",
            mac(self.mac),
            self.mtu
        )?;
        match self.address_v6 {
            Some(address) => write!(f, " and {address}"),
            None => Ok(()),
        }
    }
}

impl Display for Cable {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Cable {
            host_device,
            bridge,
            namespace,
            interface,
            address,
            ..
        } = self;
        write!(
            f,
            "cable {bridge} {host_device} - {interface} {namespace} {address} mac {} mtu {}",
            mac(self.mac),
            self.mtu
        )?;
        if let Some(gateway) = self.default_via {
            write!(f, " default via {gateway}")?;
        }
        if let Some(address) = self.address_v6 {
            write!(f, " and {address}")?;
        }
        match self.default_via_v6 {
            Some(gateway) => write!(f, " default via {gateway}"),
            None => Ok(()),
        }
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for bridge in self.bridges.values() {
            writeln!(f, "{bridge}")?;
        }
        for cable in self.cables.values() {
            writeln!(f, "{cable}")?;
        }
        for (path, value) in self.sysctls() {
            writeln!(f, "sysctl {path} = {value}")?;
        }
        for (table, rules) in &self.tables {
            let family = format!("{:?}", table.family).to_lowercase();
            writeln!(f, "table {family} {}", table.name)?;
            for (name, devices) in &rules.devices {
                writeln!(f, "  devices {name}")?;
                for (device, verdict) in &devices.elements {
                    match verdict.as_ref().and_then(|verdict| verdict.chain()) {
                        Some(chain) => writeln!(f, "    {device}: {chain}")?,
                        None => writeln!(f, "    {device}")?,
                    }
                }
            }
            for (name, (chain, rules)) in &rules.chains {
                match chain.hook {
                    Some((hook, priority)) => {
                        let hook = format!("{hook:?}").to_lowercase();
                        writeln!(f, "  chain {name} ({} {hook} {priority})", chain.kind)?;
                    }
                    None => writeln!(f, "  chain {name}")?,
                }
                for rule in rules {
                    writeln!(f, "    {}", rule.comment)?;
                }
            }
        }
        Ok(())
    }
}
