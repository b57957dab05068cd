//! A lab file of a model: what `lab` reads and `build` makes the same cloud of again, as far as a lab file can say it.
//!
//! Start at [`export`]. `name` gives everything a name that a lab file may have, `network`, `policy` and `instance` write
//! the parts, `quota` raises what the cloud has more of than AWS allows at first. Everything that a lab file cannot say is
//! listed; nothing is left out in silence.

mod beside;
mod container;
mod flow_log;
mod instance;
mod lan;
mod name;
mod named;
mod network;
mod policy;
mod quota;
mod transit;
pub(crate) mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use iam::Account;
use model::network_interface::InterfaceType;
use model::{Instance, InstanceId, Model, NetworkInterface, VpcId};

use self::name::Called;
use self::yaml::{key, quoted};
use crate::identity::export_identities;
use crate::names::is_live;

/// A lab file, and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The lab file.
    pub text: String,
    /// What a lab file cannot say, a line each.
    pub unsaid: Vec<String>,
    /// What it says otherwise, such as names that had to change, a line each.
    pub changed: Vec<String>,
}

/// Writes a model as a lab file called `name`. Of instance profiles, which are an account's, it says that they are left out.
pub fn export(model: &Model, name: &str) -> Exported {
    write(model, None, name)
}

/// Writes a model and the account that it belongs to as a lab file called `name`.
pub fn export_with(model: &Model, account: &Account, name: &str) -> Exported {
    write(model, Some(account), name)
}

fn write(model: &Model, account: Option<&Account>, name: &str) -> Exported {
    let mut writer = Writer {
        model,
        account,
        interfaces: interfaces(model),
        called: Called::default(),
        out: String::new(),
        unsaid: BTreeSet::new(),
        changed: BTreeSet::new(),
        without_groups: BTreeSet::new(),
        written_tables: BTreeSet::new(),
    };
    writer.called = Called::of(model, &mut writer.changed);
    writer.everything();
    let Writer { out, unsaid, changed, .. } = writer;
    let mut text = format!("# {name}.yaml: written by vpclab of a cloud that exists.\n");
    if !unsaid.is_empty() {
        text.push_str("# A lab file cannot say, and this one does not:\n");
        unsaid.iter().for_each(|line| text.push_str(&format!("#   {}\n", line.replace(['\n', '\r'], " "))));
    }
    text.push_str(&out);
    text.push_str(&account.map(export_identities).unwrap_or_default());
    Exported { text, unsaid: unsaid.into_iter().collect(), changed: changed.into_iter().collect() }
}

/// The interfaces of every instance, found in one go: asking the model for those of one reads all.
fn interfaces(model: &Model) -> BTreeMap<&InstanceId, Vec<&NetworkInterface>> {
    let mut interfaces: BTreeMap<&InstanceId, Vec<&NetworkInterface>> = BTreeMap::new();
    for interface in model.network_interfaces.values() {
        if let Some(instance) = interface.instance_id() {
            interfaces.entry(instance).or_default().push(interface);
        }
    }
    for own in interfaces.values_mut() {
        own.sort_by_key(|interface| interface.attachment.as_ref().map(|attachment| attachment.device_index));
    }
    interfaces
}

/// Tags of one resource beside its name.
const MAX_TAGS: usize = 49;

struct Writer<'m> {
    model: &'m Model,
    /// The account, where it is known.
    account: Option<&'m Account>,
    /// By instance, in the order of devices.
    interfaces: BTreeMap<&'m InstanceId, Vec<&'m NetworkInterface>>,
    called: Called,
    out: String,
    unsaid: BTreeSet<String>,
    changed: BTreeSet<String>,
    /// VPCs with interfaces that no group guards.
    without_groups: BTreeSet<VpcId>,
    /// Route tables that the file has by name; a main table with nothing to say is not written.
    written_tables: BTreeSet<model::RouteTableId>,
}

impl<'m> Writer<'m> {
    fn line(&mut self, indent: usize, text: impl AsRef<str>) {
        self.out.push_str(&"  ".repeat(indent));
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    fn unsaid(&mut self, text: impl Into<String>) {
        self.unsaid.insert(text.into());
    }

    fn changed(&mut self, text: impl Into<String>) {
        self.changed.insert(text.into());
    }

    fn everything(&mut self) {
        let region = self.region();
        self.line(0, format!("region: {region}"));
        self.quotas();
        self.outside();
        self.prefix_lists();
        let bare = self.instances_of().flat_map(|i| self.interfaces_of(&i.id)).filter(|eni| eni.groups.is_empty());
        self.without_groups = bare.map(|eni| eni.vpc_id.clone()).collect();
        self.vpcs();
        self.peerings();
        self.transit_gateways();
        self.endpoints();
        self.volumes();
        self.instances();
        self.flow_logs();
        self.left_over();
        self.beside();
        self.ids_in_policies();
        self.lans();
    }

    /// The interfaces of an instance by device index.
    fn interfaces_of(&self, instance: &InstanceId) -> &[&'m NetworkInterface] {
        self.interfaces.get(instance).map_or(&[], Vec::as_slice)
    }

    /// Instances that exist and have somewhere to be.
    fn instances_of(&self) -> impl Iterator<Item = &'m Instance> + use<'m> {
        let model = self.model;
        let of_interfaces: BTreeSet<_> = model.network_interfaces.values().filter_map(|eni| eni.instance_id()).collect();
        model.instances.values().filter(move |i| is_live(i) && of_interfaces.contains(&i.id))
    }

    /// The lab has one region, and one that `model` knows.
    fn region(&mut self) -> String {
        let region = &self.model.region;
        if region.entry().is_some() {
            return region.to_string();
        }
        let instead = model::Region::default();
        self.changed(format!("region {region} becomes {instead}"));
        instead.to_string()
    }

    /// Things of no consequence for packets between instances, and things that have no key.
    fn left_over(&mut self) {
        let model = self.model;
        for interface in model.network_interfaces.values() {
            let is_instances = interface.instance_id().is_some_and(|id| model.instances.contains_key(id));
            if interface.interface_type == InterfaceType::Interface && !is_instances {
                self.unsaid(format!("{}: an interface of no instance", interface.id));
            }
        }
        for address in model.addresses.values().filter(|address| address.association.is_none()) {
            self.unsaid(format!("{} ({}): an Elastic IP address that nothing has", address.allocation_id, address.public_ip));
        }
        let to_lans: BTreeSet<_> = model.vpcs.values().filter_map(|vpc| self.gateway_to_lans(vpc)).map(|gateway| &gateway.id).collect();
        for gateway in model.vpn_gateways.keys().filter(|id| !to_lans.contains(id)) {
            self.unsaid(format!("{gateway}: virtual private gateways"));
        }
        for gateway in model.internet_gateways.values().filter(|gateway| gateway.vpc_id.is_none()) {
            self.unsaid(format!("{}: an internet gateway of no VPC", gateway.id));
        }
        let of_instances = self.instances_of().filter_map(|i| i.key_name.as_deref());
        let keys: BTreeSet<&str> = of_instances.chain(model.key_pairs.keys().map(String::as_str)).collect();
        let (known, unknown): (Vec<&str>, Vec<&str>) = keys.into_iter().partition(|name| model.key_pairs.contains_key(*name));
        if !known.is_empty() {
            self.line(0, "key_pairs:");
            for name in known {
                self.line(1, format!("{}: {}", key(name), quoted(&model.key_pairs[name].public_key)));
            }
        }
        for name in unknown {
            self.unsaid(format!("key pair {name}: its public key is not known"));
        }
    }

    fn outside(&mut self) {
        if self.model.outside.is_empty() {
            return;
        }
        self.line(0, "outside:");
        for (name, host) in &self.model.outside {
            let addresses = host.addresses.iter().map(|address| quoted(&address.to_string())).collect::<Vec<_>>().join(", ");
            self.line(1, format!("{}: [{addresses}]", key(name)));
        }
    }

    /// `tags: {…}` but for `Name`, which is the name itself here.
    fn tags(&mut self, tags: &model::Tags) -> Option<String> {
        let mut parts = Vec::new();
        for (name, value) in tags.iter().filter(|(name, _)| *name != "Name") {
            let fits = (1..=128).contains(&name.chars().count()) && value.chars().count() <= 256 && parts.len() < MAX_TAGS;
            if name.to_ascii_lowercase().starts_with("aws:") {
                self.unsaid("tags that start with aws: belong to AWS");
            } else if fits {
                parts.push(format!("{}: {}", quoted(name), quoted(value)));
            } else {
                self.unsaid("tags beyond AWS's limits: 50 of 128 and 256 characters");
            }
        }
        (!parts.is_empty()).then(|| format!("tags: {{ {} }}", parts.join(", ")))
    }

    /// An Elastic IP address as it is; any, where no host on the internet can have this one (emulators draw such).
    fn elastic(&mut self, address: &model::Address) -> String {
        let public = address.public_ip;
        let is_local = public.is_private() || public.is_loopback() || public.is_link_local() || public.is_unspecified();
        let is_odd = is_local || public.octets()[0] == 0 || public.octets()[0] >= 224 || model::cidr::RFC_6598.contains(&public);
        // A VPC may use public ranges for itself (VPC-8), and an address of one is then nobody's on the internet.
        let is_own = self.model.vpcs.values().flat_map(model::Vpc::ipv4_blocks).any(|block| block.contains(&public));
        if is_odd || is_own {
            self.changed(format!("the Elastic IP address {public} becomes another: it is no public address"));
            return "eip".to_owned();
        }
        public.to_string()
    }

    /// A device of an instance by its place in the list of interfaces.
    fn device(&self, interface: &NetworkInterface) -> Option<(String, usize)> {
        let id = interface.instance_id()?;
        let name = self.called.instances.get(id)?;
        let index = self.interfaces_of(id).iter().position(|eni| eni.id == interface.id)?;
        Some((name.clone(), index))
    }
}
