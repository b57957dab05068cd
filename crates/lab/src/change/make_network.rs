//! Places, lists, key pairs, VPCs, subnets, internet gateways as the target has them.

use std::collections::BTreeSet;

use ipnet::IpNet;
use model::operation::*;
use model::gateway::VpnGateway;
use model::prefix_list::PrefixListEntry;
use model::*;

use super::transition::{Step, Transition};

impl Transition<'_> {
    pub(super) fn make_network(&mut self) -> Step {
        let target = self.target;
        if self.model.vpcs.is_empty() {
            self.model.region = target.model.region.clone();
        }
        for (name, host) in &target.model.outside {
            if !self.model.outside.contains_key(name) {
                let result = set_outside_host(self.model, name, host.clone());
                self.op(name, result)?;
            }
        }
        for (name, id) in target.names.prefix_lists.iter() {
            if let Some(list) = target.model.prefix_lists.get(id).filter(|list| !list.is_aws_managed) {
                self.prefix_list(name, list)?;
            }
        }
        for (name, key) in &target.model.key_pairs {
            if !self.model.key_pairs.contains_key(name) {
                let request = ImportKeyPair {
                    key_name: name.clone(),
                    public_key: key.public_key.clone(),
                    key_fingerprint: key.key_fingerprint.clone(),
                    tags: key.tags.clone(),
                    origin: key.origin.clone(),
                };
                let result = import_key_pair(self.model, request);
                self.op(name, result)?;
            }
        }
        for (name, id) in target.names.vpcs.iter() {
            if let Some(vpc) = target.model.vpcs.get(id) {
                self.vpc(name, vpc)?;
            }
        }
        for (name, id) in target.names.subnets.iter() {
            if let Some(subnet) = target.model.subnets.get(id) {
                self.subnet(name, subnet)?;
            }
        }
        for gateway in target.model.internet_gateways.values() {
            self.internet_gateway(gateway)?;
        }
        for gateway in target.model.egress_only_internet_gateways.values() {
            self.make_egress_only_internet_gateway(gateway)?;
        }
        for gateway in target.model.vpn_gateways.values() {
            self.vpn_gateway(gateway)?;
        }
        Ok(())
    }

    fn prefix_list(&mut self, name: &str, wanted: &PrefixList) -> Step {
        let known = self.names.prefix_lists.id(name).and_then(|id| self.model.prefix_lists.get(id)).cloned();
        let Some(known) = known else {
            let request = CreateManagedPrefixList {
                prefix_list_name: name.to_owned(),
                max_entries: wanted.max_entries,
                entries: wanted.entries.clone(),
                tags: wanted.tags.clone(),
                origin: wanted.origin.clone(),
                is_ipv6: wanted.is_ipv6,
            };
            let result = create_managed_prefix_list(self.model, request);
            let id = self.op(name, result)?;
            self.names.prefix_lists.add(Some(name.to_owned()), &id);
            return Ok(());
        };
        let has = |list: &PrefixList, cidr: &IpNet| list.entries.iter().any(|e| e.cidr == *cidr);
        let add: Vec<PrefixListEntry> = wanted.entries.iter().filter(|e| !has(&known, &e.cidr)).cloned().collect();
        let remove: Vec<IpNet> = known.entries.iter().map(|e| e.cidr).filter(|cidr| !has(wanted, cidr)).collect();
        // Entries and their maximum change in calls of their own; the maximum is never below the number.
        let mut steps = vec![(None, add, remove), (Some(wanted.max_entries), Vec::new(), Vec::new())];
        if wanted.max_entries > known.max_entries {
            steps.reverse();
        }
        for (max_entries, add_entries, remove_entries) in steps {
            let same = max_entries.is_none_or(|max| max == known.max_entries);
            if same && add_entries.is_empty() && remove_entries.is_empty() {
                continue;
            }
            let request = ModifyManagedPrefixList {
                prefix_list_id: known.id.clone(),
                current_version: self.model.prefix_lists.get(&known.id).map(|list| list.version),
                prefix_list_name: None,
                max_entries,
                add_entries,
                remove_entries,
            };
            let result = modify_managed_prefix_list(self.model, request);
            self.op(name, result)?;
        }
        self.set_tags(known.id.to_string(), &known.tags, &wanted.tags)
    }

    fn vpc(&mut self, name: &str, wanted: &Vpc) -> Step {
        let id = match self.names.vpcs.id(name).cloned() {
            Some(id) => id,
            None => {
                let request = CreateVpc {
                    cidr_block: wanted.primary_cidr_block(),
                    tags: wanted.tags.clone(),
                    origin: wanted.origin.clone(),
                    ..CreateVpc::default()
                };
                let result = create_vpc(self.model, request);
                let id = self.op(name, result)?;
                self.names.vpcs.add(Some(name.to_owned()), &id);
                self.names.add_what_came(self.model, &id);
                id
            }
        };
        let Some(known) = self.model.vpcs.get(&id).cloned() else { return Ok(()) };
        let blocks: BTreeSet<_> = known.ipv4_blocks().collect();
        for block in wanted.ipv4_blocks().filter(|block| !blocks.contains(block)) {
            let request = AssociateVpcCidrBlock { vpc_id: id.clone(), block: NewVpcBlock::Ipv4(block) };
            let result = associate_vpc_cidr_block(self.model, request);
            self.op(name, result)?;
        }
        self.make_ipv6_blocks(name, &id, wanted)?;
        let mut attributes = Vec::new();
        if known.enable_dns_support != wanted.enable_dns_support {
            attributes.push(VpcAttribute::EnableDnsSupport(wanted.enable_dns_support));
        }
        if known.enable_dns_hostnames != wanted.enable_dns_hostnames {
            attributes.push(VpcAttribute::EnableDnsHostnames(wanted.enable_dns_hostnames));
        }
        // Names need support (VPC-15): it comes first and goes last.
        if !wanted.enable_dns_support {
            attributes.reverse();
        }
        for attribute in attributes {
            let result = modify_vpc_attribute(self.model, ModifyVpcAttribute { vpc_id: id.clone(), attribute });
            self.op(name, result)?;
        }
        self.dhcp(name, &known, wanted)?;
        self.set_tags(id.to_string(), &known.tags, &wanted.tags)
    }

    fn dhcp(&mut self, name: &str, known: &Vpc, wanted: &Vpc) -> Step {
        let says = |set: &DhcpOptions| {
            let servers = (set.domain_name_servers.clone(), set.ntp_servers.clone(), set.netbios_name_servers.clone());
            (set.domain_name.clone(), servers, set.netbios_node_type)
        };
        let is = known.dhcp_options_id.as_ref().and_then(|id| self.model.dhcp_options.get(id)).map(says);
        let set = wanted.dhcp_options_id.as_ref().and_then(|id| self.target.model.dhcp_options.get(id));
        if is == set.map(says) {
            return Ok(());
        }
        let dhcp_options_id = match set {
            None => None,
            // The region's own set is used again; what a VPC has of its own is its own.
            Some(set) => {
                match self.model.dhcp_options.values().find(|other| !other.origin.is_known() && says(other) == says(set)) {
                    Some(same) => Some(same.id.clone()),
                    None => {
                        let request = CreateDhcpOptions {
                            domain_name: set.domain_name.clone(),
                            domain_name_servers: set.domain_name_servers.clone(),
                            ntp_servers: set.ntp_servers.clone(),
                            netbios_name_servers: set.netbios_name_servers.clone(),
                            netbios_node_type: set.netbios_node_type,
                            tags: set.tags.clone(),
                            origin: set.origin.clone(),
                        };
                        let result = create_dhcp_options(self.model, request);
                        Some(self.op(name, result)?)
                    }
                }
            }
        };
        let result = associate_dhcp_options(self.model, AssociateDhcpOptions { dhcp_options_id, vpc_id: known.id.clone() });
        self.op(name, result)
    }

    /// Option sets that no VPC uses any more; the region's own has no origin and stays.
    pub(super) fn forget_dhcp_options(&mut self) -> Step {
        let used: BTreeSet<_> = self.model.vpcs.values().filter_map(|vpc| vpc.dhcp_options_id.clone()).collect();
        let free: Vec<_> = self
            .model
            .dhcp_options
            .values()
            .filter(|set| !used.contains(&set.id) && set.origin.is_known())
            .map(|set| set.id.clone())
            .collect();
        for id in free {
            let result = delete_dhcp_options(self.model, &id);
            self.op("DHCP options", result)?;
        }
        Ok(())
    }

    fn subnet(&mut self, name: &str, wanted: &Subnet) -> Step {
        let id = match self.names.subnets.id(name).cloned() {
            Some(id) => id,
            None => {
                let request = CreateSubnet {
                    availability_zone: Some(wanted.availability_zone.clone()),
                    tags: wanted.tags.clone(),
                    origin: wanted.origin.clone(),
                    ..CreateSubnet::new(self.own_vpc(&wanted.vpc_id)?, wanted.cidr_block)
                };
                let result = create_subnet(self.model, request);
                let id = self.op(name, result)?;
                self.names.subnets.add(Some(name.to_owned()), &id);
                id
            }
        };
        let Some(known) = self.model.subnets.get(&id) else { return Ok(()) };
        let (tags, maps) = (known.tags.clone(), known.map_public_ip_on_launch);
        if maps != wanted.map_public_ip_on_launch {
            let attribute = SubnetAttribute::MapPublicIpOnLaunch(wanted.map_public_ip_on_launch);
            let result = modify_subnet_attribute(self.model, ModifySubnetAttribute { subnet_id: id.clone(), attribute });
            self.op(name, result)?;
        }
        self.make_subnet_ipv6(name, &id, wanted)?;
        self.set_tags(id.to_string(), &tags, &wanted.tags)
    }

    fn internet_gateway(&mut self, wanted: &InternetGateway) -> Step {
        let Some(vpc) = &wanted.vpc_id else { return Ok(()) };
        let vpc = self.own_vpc(vpc)?;
        if let Some(known) = self.model.internet_gateway_of(&vpc) {
            let (id, tags) = (known.id.to_string(), known.tags.clone());
            return self.set_tags(id, &tags, &wanted.tags);
        }
        let request = CreateInternetGateway { tags: wanted.tags.clone(), origin: wanted.origin.clone() };
        let result = create_internet_gateway(self.model, request);
        let id = self.op("internet gateway", result)?;
        let result = attach_internet_gateway(self.model, &id, &vpc);
        self.op("internet gateway", result)
    }

    fn vpn_gateway(&mut self, wanted: &VpnGateway) -> Step {
        let Some(vpc) = &wanted.vpc_id else { return Ok(()) };
        let vpc = self.own_vpc(vpc)?;
        if let Some(known) = self.model.vpn_gateway_of(&vpc) {
            let (id, tags) = (known.id.to_string(), known.tags.clone());
            return self.set_tags(id, &tags, &wanted.tags);
        }
        let request = CreateVpnGateway { tags: wanted.tags.clone(), origin: wanted.origin.clone() };
        let result = create_vpn_gateway(self.model, request);
        let id = self.op("vpn gateway", result)?;
        let result = attach_vpn_gateway(self.model, &id, &vpc);
        self.op("vpn gateway", result)
    }
}
