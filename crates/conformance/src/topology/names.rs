//! Which thing a name of the topology is, and which name a thing has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fabric::Fabric;
use model::*;

use super::WorldError;

macro_rules! names {
    ($($(#[$doc:meta])* $field:ident: $id:ty, $what:literal;)*) => {
        /// Names of a topology, one table a kind.
        #[derive(Debug, Clone, Default)]
        pub struct Names {
            $($(#[$doc])* pub $field: Table<$id>,)*
            /// The instance behind each interface's name.
            pub instances: BTreeMap<String, InstanceId>,
            /// Internet hosts.
            pub hosts: BTreeMap<String, IpAddr>,
            /// Interfaces with a routed container in their guest.
            pub containers: BTreeSet<String>,
        }

        impl Names {
            /// Empty tables.
            pub fn new() -> Self {
                Self {
                    $($field: Table { what: $what, ids: BTreeMap::new() },)*
                    ..Self::default()
                }
            }

            /// Identifiers that a name stands for, an interface's own before its instance's.
            pub fn ids(&self, name: &str) -> Vec<String> {
                let mut ids = Vec::new();
                $(ids.extend(self.$field.ids.get(name).map(ToString::to_string));)*
                ids.extend(self.instances.get(name).map(ToString::to_string));
                ids
            }

            /// The name of a thing; an instance's is that of its interface.
            pub fn name_of(&self, id: &str) -> Option<&str> {
                $(if let Some((name, _)) = self.$field.ids.iter().find(|(_, own)| own.as_str() == id) {
                    return Some(name);
                })*
                self.instances.iter().find(|(_, own)| own.as_str() == id).map(|(name, _)| name.as_str())
            }
        }
    };
}

/// Names of one kind of thing.
#[derive(Debug, Clone)]
pub struct Table<Id> {
    what: &'static str,
    ids: BTreeMap<String, Id>,
}

impl<Id> Default for Table<Id> {
    fn default() -> Self {
        Self { what: "thing", ids: BTreeMap::new() }
    }
}

impl<Id: Clone> Table<Id> {
    /// The identifier behind a name. Errors: nobody has it.
    pub fn find(&self, name: &str) -> Result<Id, WorldError> {
        self.get(name).ok_or_else(|| WorldError::Unknown { what: self.what, name: name.to_owned() })
    }

    /// The identifier behind a name.
    pub fn get(&self, name: &str) -> Option<Id> {
        self.ids.get(name).cloned()
    }

    /// Gives a thing a name. Errors: another thing of the kind has it.
    pub fn add(&mut self, name: &str, id: Id) -> Result<(), WorldError> {
        match self.ids.contains_key(name) {
            true => Err(WorldError::Taken { what: self.what, name: name.to_owned() }),
            false => {
                self.ids.insert(name.to_owned(), id);
                Ok(())
            }
        }
    }

    /// Gives a name to another thing, for one that took the old one's place.
    pub fn replace(&mut self, name: &str, id: Id) {
        self.ids.insert(name.to_owned(), id);
    }

    /// Errors if the name is taken, so that nothing is made in vain.
    pub fn check_free(&self, name: &str) -> Result<(), WorldError> {
        match self.ids.contains_key(name) {
            true => Err(WorldError::Taken { what: self.what, name: name.to_owned() }),
            false => Ok(()),
        }
    }

    /// Names and identifiers, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Id)> {
        self.ids.iter().map(|(name, id)| (name.as_str(), id))
    }
}

impl Names {
    /// The names that things have themselves; of two of a kind with one name, the last.
    pub fn by_tags(fabric: &Fabric) -> Self {
        let mut names = Self::new();
        for vpc in fabric.vpcs.values() {
            names.vpcs.replace(&vpc.name, vpc.id.clone());
            if let Some(gateway) = vpc.internet_gateway {
                names.internet_gateways.replace(&format!("igw-{}", vpc.name), fabric.internet_gateways[gateway].id.clone());
            }
        }
        fabric.subnets.values().for_each(|subnet| names.subnets.replace(&subnet.name, subnet.id.clone()));
        fabric.route_tables.values().for_each(|table| names.route_tables.replace(&table.name, table.id.clone()));
        fabric.interfaces.values().for_each(|interface| names.interfaces.replace(&interface.name, interface.id.clone()));
        fabric.groups.values().for_each(|group| names.groups.replace(&group.name, group.id.clone()));
        fabric.acls.values().for_each(|acl| names.acls.replace(&acl.name, acl.id.clone()));
        fabric.peerings.values().for_each(|peering| names.peerings.replace(&peering.name, peering.id.clone()));
        names
    }
}

names! {
    /// VPCs.
    vpcs: VpcId, "VPC";
    /// Subnets.
    subnets: SubnetId, "subnet";
    /// Route tables.
    route_tables: RouteTableId, "route table";
    /// Internet gateways.
    internet_gateways: InternetGatewayId, "internet gateway";
    /// Egress-only internet gateways.
    egress_only_gateways: EgressOnlyInternetGatewayId, "egress-only internet gateway";
    /// Virtual private gateways.
    vpn_gateways: VpnGatewayId, "virtual private gateway";
    /// Transit gateways.
    transit_gateways: TransitGatewayId, "transit gateway";
    /// Their route tables; the default one is called as its gateway.
    transit_gateway_tables: TransitGatewayRouteTableId, "transit gateway route table";
    /// NAT gateways.
    nat_gateways: NatGatewayId, "NAT gateway";
    /// Interfaces.
    interfaces: NetworkInterfaceId, "interface";
    /// Security groups; `default-sg:VPC` too.
    groups: SecurityGroupId, "security group";
    /// Network ACLs; `default-acl:VPC` too.
    acls: NetworkAclId, "network ACL";
    /// Peering connections.
    peerings: VpcPeeringConnectionId, "peering connection";
    /// Endpoints.
    endpoints: VpcEndpointId, "endpoint";
    /// Prefix lists.
    prefix_lists: PrefixListId, "prefix list";
    /// Flow logs.
    flow_logs: FlowLogId, "flow log";
}
