//! Instances and network interfaces, and the addresses that AWS will choose for them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::World;
use super::answer::Object;
use super::node::{Got, Node};
use super::reference::{default_group, primary_interface};
use super::six::Wish;
use crate::aws::NoteKind;
use crate::source::Span;

/// Secondary addresses that are chosen for one interface at most.
const MAX_ADDRESSES: i64 = 64;
/// Where auto-assigned public addresses come from: a block for documentation of AWS's pools, as in labs.
const PUBLIC_POOL: u32 = u32::from_be_bytes([3, 34, 0, 0]);

/// An interface before it has its addresses.
pub(super) struct Pending {
    pub id: String,
    pub subnet: String,
    /// Addresses that are written, the primary one first.
    written: Vec<Ipv4Addr>,
    /// How many it has in all.
    count: usize,
    six: Wish,
    groups: Vec<String>,
    checks: bool,
    /// Instance and device index.
    attachment: Option<(String, i64)>,
    gets_public_address: bool,
    public: Option<Ipv4Addr>,
    tags: BTreeMap<String, String>,
    span: Span,
}

impl<'j> World<'_, 'j> {
    pub(super) fn hosts(&mut self) {
        let mut pending: Vec<Pending> = Vec::new();
        for node in self.nodes("aws_network_interface") {
            pending.extend(self.interface(&node));
        }
        let mut instances = Vec::new();
        for node in self.nodes("aws_instance") {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            if self.instance_interfaces(&node, &id, &mut pending) {
                instances.push((id, node));
            }
        }
        for node in self.nodes("aws_network_interface_attachment") {
            let index = self.number(&node, "device_index", 0, 64).known().unwrap_or(1);
            match (self.id(&node, "instance_id", "i"), self.id(&node, "network_interface_id", "eni")) {
                (Got::Is(instance), Got::Is(eni)) => attach(&mut pending, &eni, &instance, index),
                _ => self.gap(&node, "instance_id or network_interface_id", "attached to nothing"),
            }
        }
        for node in self.nodes("aws_network_interface_sg_attachment") {
            match (self.id(&node, "security_group_id", "sg"), self.id(&node, "network_interface_id", "eni")) {
                (Got::Is(group), Got::Is(eni)) => {
                    for interface in pending.iter_mut().filter(|interface| interface.id == eni && !interface.groups.contains(&group)) {
                        interface.groups.push(group.clone());
                    }
                }
                _ => self.gap(&node, "security_group_id or network_interface_id", "left out"),
            }
        }
        for interface in &pending {
            self.taken.entry(interface.subnet.clone()).or_default().extend(interface.written.iter().map(|address| u32::from(*address)));
            self.public.extend(interface.public.map(u32::from));
            self.take_six(&interface.six.written);
        }
        self.reserve();
        for interface in pending {
            self.place(interface);
        }
        for (id, node) in instances {
            self.instance(&node, &id);
        }
    }

    fn groups(&mut self, node: &Node<'j>, key: &str, subnet: &str, owner: &str) -> Vec<String> {
        let groups = self.ids(node, key, "sg");
        if !groups.is_complete {
            self.gap(node, key, "groups that are not known let nobody through");
        }
        let unknown = default_group(&format!("{owner}/unknown"));
        match self.subnets.get(subnet).and_then(|subnet| self.vpcs.get(&subnet.vpc)) {
            _ if !groups.all.is_empty() => groups.all,
            // Without any group named, the VPC's first one is meant (SG-28).
            Some(cloud) if groups.is_complete => vec![cloud.default_group.clone()],
            // Of a group that is not there the reader makes one that is closed.
            _ => vec![unknown],
        }
    }

    fn interface(&mut self, node: &Node<'j>) -> Option<Pending> {
        let id = self.document.id_of(node.resource)?;
        let Got::Is(subnet) = self.id(node, "subnet_id", "subnet") else {
            self.gap(node, "subnet_id", "left out");
            return None;
        };
        let mut written: Vec<Ipv4Addr> = self.parsed(node, "private_ip", "an IPv4 address").known().into_iter().collect();
        for key in ["private_ip_list", "private_ips"] {
            for address in self.several::<Ipv4Addr>(node, key, "an IPv4 address").all {
                if !written.contains(&address) {
                    written.push(address);
                }
            }
        }
        let more = self.number(node, "private_ips_count", 0, MAX_ADDRESSES).known().unwrap_or(0);
        let count = written.len().max(1 + usize::try_from(more).unwrap_or(0));
        let six = self.six_of(node, &subnet);
        let groups = self.groups(node, "security_groups", &subnet, &id);
        let mut attachment = None;
        for block in self.blocks(node, "attachment", "attached to nothing").all {
            let index = self.number(&block, "device_index", 0, 64).known().unwrap_or(1);
            match self.id(&block, "instance", "i") {
                Got::Is(instance) => attachment = Some((instance, index)),
                _ => self.gap(&block, "instance", "attached to nothing"),
            }
        }
        let tags = self.tags(node, false);
        Some(Pending {
            id,
            subnet,
            written,
            count,
            six,
            groups,
            checks: self.bool(node, "source_dest_check").known().unwrap_or(true),
            attachment,
            gets_public_address: false,
            public: None,
            tags,
            span: node.span,
        })
    }

    /// Interfaces that an instance is given or comes with. `false`: it cannot be anywhere.
    fn instance_interfaces(&mut self, node: &Node<'j>, id: &str, pending: &mut Vec<Pending>) -> bool {
        let mut is_given = false;
        let mut given = self.blocks(node, "network_interface", "the instance is left out");
        let primary = self.blocks(node, "primary_network_interface", "the instance is left out");
        let of_state = self.document.is_known(node.resource);
        given.all.extend(primary.all);
        for block in &given.all {
            let index = self.number(block, "device_index", 0, 64).known().unwrap_or(0);
            let Got::Is(eni) = self.id(block, "network_interface_id", "eni") else {
                self.gap(block, "network_interface_id", "the instance lacks it");
                is_given |= index == 0;
                continue;
            };
            // A newer provider shows the interface that came with the instance in this way too.
            if pending.iter().any(|interface| interface.id == eni) || !of_state {
                is_given |= index == 0;
                attach(pending, &eni, id, index);
            }
        }
        if is_given {
            return pending.iter().any(|interface| interface.attachment.as_ref().is_some_and(|(instance, _)| instance == id));
        }
        if !given.is_complete || !primary.is_complete {
            return false;
        }
        let Got::Is(subnet) = self.id(node, "subnet_id", "subnet") else {
            self.gap(node, "subnet_id", "the instance is left out");
            return false;
        };
        let Some((zone_gives, span)) = self.subnets.get(&subnet).map(|placed| (placed.gives_public_addresses, node.span)) else {
            self.note(NoteKind::Missing, node.span, format!("{subnet}, where {} is: left out", node.address));
            return false;
        };
        let mut written: Vec<Ipv4Addr> = self.parsed(node, "private_ip", "an IPv4 address").known().into_iter().collect();
        written.extend(self.several::<Ipv4Addr>(node, "secondary_private_ips", "an IPv4 address").all);
        let six = self.six_of(node, &subnet);
        let groups = self.groups(node, "vpc_security_group_ids", &subnet, id);
        let public = self.parsed::<Ipv4Addr>(node, "public_ip", "an IPv4 address").known();
        let gets_public_address = match self.bool(node, "associate_public_ip_address") {
            // What exists shows its address, if it has one.
            _ if of_state => public.is_some(),
            Got::Is(gets) => gets,
            Got::Unset => zone_gives,
            Got::Unknown => {
                self.gap(node, "associate_public_ip_address", "no public address");
                false
            }
        };
        let checks = self.bool(node, "source_dest_check").known().unwrap_or(true);
        let own = self.text(node, "primary_network_interface_id").known().map_or_else(|| primary_interface(id), str::to_owned);
        let count = written.len().max(1);
        pending.push(Pending {
            id: own,
            subnet,
            written,
            count,
            six,
            groups,
            checks,
            attachment: Some((id.to_owned(), 0)),
            gets_public_address,
            public,
            tags: BTreeMap::new(),
            span,
        });
        true
    }

    /// The lowest free address of a subnet, as AWS might choose it (SUB-2).
    pub(super) fn choose(&mut self, subnet: &str) -> Option<Ipv4Addr> {
        let block = self.subnets.get(subnet)?.block;
        let taken = self.taken.entry(subnet.to_owned()).or_default();
        let (first, last) = (u32::from(block.network()), u32::from(block.broadcast()));
        let free = (first.saturating_add(4)..last).find(|address| !taken.contains(address))?;
        taken.insert(free);
        self.chosen.0 += 1;
        Some(Ipv4Addr::from(free))
    }

    /// A public address that nothing in the plan has.
    pub(super) fn choose_public(&mut self) -> Ipv4Addr {
        let mut address = PUBLIC_POOL + 4;
        while !self.public.insert(address) {
            address += 1;
        }
        self.chosen.1 += 1;
        Ipv4Addr::from(address)
    }

    fn place(&mut self, interface: Pending) {
        let Some(vpc) = self.subnets.get(&interface.subnet).map(|subnet| subnet.vpc.clone()) else {
            self.note(NoteKind::Missing, interface.span, format!("{}, where {} is: left out", interface.subnet, interface.id));
            return;
        };
        let mut addresses = interface.written;
        while addresses.len() < interface.count {
            match self.choose(&interface.subnet) {
                Some(address) => addresses.push(address),
                None => break,
            }
        }
        let Some(primary) = addresses.first().copied() else {
            self.note(NoteKind::Missing, interface.span, format!("a free address in {}, where {} is: left out", interface.subnet, interface.id));
            return;
        };
        let mut sixes = interface.six.written;
        while sixes.len() < interface.six.count {
            match self.choose_six(&interface.subnet) {
                Some(address) => sixes.push(address),
                None => break,
            }
        }
        let public = match interface.public {
            None if interface.gets_public_address => Some(self.choose_public()),
            public => public,
        };
        let parts = addresses.iter().map(|address| {
            let part = Object::at(interface.span).text("PrivateIpAddress", address.to_string()).bool("Primary", *address == primary);
            match public.filter(|_| *address == primary) {
                Some(public) => part.object("Association", Object::at(interface.span).text("PublicIp", public.to_string()).text("IpOwnerId", "amazon")),
                None => part,
            }
        });
        let parts: Vec<Object> = parts.collect();
        let groups: Vec<Object> = interface.groups.iter().map(|group| Object::at(interface.span).text("GroupId", group)).collect();
        let mut object = Object::at(interface.span)
            .text("NetworkInterfaceId", &interface.id)
            .text("SubnetId", &interface.subnet)
            .text("VpcId", vpc)
            .text("PrivateIpAddress", primary.to_string())
            .list("PrivateIpAddresses", parts)
            .list("Ipv6Addresses", sixes.iter().map(|address| Object::at(interface.span).text("Ipv6Address", address.to_string())))
            .list("Groups", groups)
            .bool("SourceDestCheck", interface.checks)
            .tags(&interface.tags);
        if let Some((instance, index)) = &interface.attachment {
            object = object.object("Attachment", Object::at(interface.span).text("InstanceId", instance).number("DeviceIndex", *index));
        }
        // An interface that nothing is attached to has no instance that would answer.
        self.primary.insert(interface.id.clone(), primary);
        if let Some((instance, 0)) = interface.attachment {
            self.interface_of.insert(instance, interface.id);
        }
        self.answers.push("NetworkInterfaces", object);
    }

    fn instance(&mut self, node: &Node<'j>, id: &str) {
        let state = self.text(node, "instance_state").known().unwrap_or("running");
        let subnet = self.id(node, "subnet_id", "subnet").known();
        let zone = match (self.text(node, "availability_zone"), subnet.and_then(|subnet| self.subnets.get(&subnet))) {
            (Got::Is(zone), _) => zone.to_owned(),
            (_, Some(subnet)) => subnet.zone.clone(),
            _ => format!("{}a", self.document.region().unwrap_or(super::network::DEFAULT_REGION)),
        };
        let object = Object::at(node.span)
            .text("InstanceId", id)
            .object("State", Object::at(node.span).text("Name", state))
            .object("Placement", Object::at(node.span).text("AvailabilityZone", zone))
            .maybe("InstanceType", self.text(node, "instance_type").known())
            .maybe("ImageId", self.text(node, "ami").known().filter(|ami| ami.starts_with("ami-")))
            .maybe("KeyName", self.text(node, "key_name").known())
            .tags(&self.tags(node, true));
        self.answers.push("Instances", object);
    }
}

fn attach(pending: &mut [Pending], eni: &str, instance: &str, index: i64) {
    for interface in pending.iter_mut().filter(|interface| interface.id == eni) {
        interface.attachment = Some((instance.to_owned(), index));
    }
}
