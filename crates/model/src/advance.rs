//! Time: what AWS does by itself some seconds after a call. Every transition ends within 300 seconds.
//!
//! Each kind is looked at before it is taken to be changed: most of the time nothing is due, and a [`Table`] that is taken so is copied.

use crate::endpoint::VpcEndpointState;
use crate::nat_gateway::NatGatewayState;
use crate::operation::ebs::{next_ebs_transition, settle_ebs};
use crate::operation::instance::settle_instance;
use crate::operation::network_interface::settle_public_address;
use crate::operation::transit_gateway_state::{next_transit_transition, settle_transit};
use crate::peering::PeeringStatus;
use crate::vpc::{CidrBlock, CidrBlockState};
use crate::*;

/// Seconds that terminated instances, NAT gateways that are gone, and blocks that left stay visible (INST-3, NAT-3,
/// NAT-18).
const VISIBLE_FOR: u64 = 3_600;

impl Model {
    /// Moves the clock to `moment` and ends every transition that is due by then. The clock never goes back. Raises
    /// the generation if anything but the clock changed.
    pub fn advance_to(&mut self, moment: Timestamp) {
        let now = self.context.now.max(moment);
        self.context.now = now;
        let changes = [
            settle_blocks(self, now),
            settle_instances(self),
            settle_nat_gateways(self, now),
            settle_peerings(self, now),
            settle_endpoints(self, now),
            settle_ebs(self, now),
            settle_transit(self, now),
            // Last: an address may be due for an instance that came up just now.
            assign_public_addresses(self),
        ];
        if changes.contains(&true) {
            self.generation += 1;
        }
    }

    /// When the next transition is due, if any is under way. What only vanishes from view is not counted.
    pub fn next_transition(&self) -> Option<Timestamp> {
        let passing = |state| matches!(state, CidrBlockState::Associating | CidrBlockState::Disassociating);
        let vpc_blocks = self.vpcs.values().flat_map(|vpc| {
            let ipv4 = vpc.cidr_blocks.iter().map(|b| (b.state, b.settles_at));
            ipv4.chain(vpc.ipv6_cidr_blocks.iter().map(|b| (b.state, b.settles_at)))
        });
        let subnet_blocks =
            self.subnets.values().flat_map(|s| s.ipv6_cidr_blocks.iter().map(|b| (b.state, b.settles_at)));
        let blocks = vpc_blocks.chain(subnet_blocks).filter(|(state, _)| passing(*state)).map(|(_, at)| at);
        let instances = self.instances.values().filter(|i| ends_in(i.state).is_some()).map(|i| i.settles_at);
        let gateways = self.nat_gateways.values().filter(|nat| {
            matches!(nat.state, NatGatewayState::Pending | NatGatewayState::Deleting)
        });
        let peerings = self.vpc_peering_connections.values().filter_map(|pcx| match pcx.settles {
            Some((_, at)) => Some(at),
            None if pcx.status == PeeringStatus::PendingAcceptance => Some(pcx.expiration_time),
            None => None,
        });
        let endpoints = self.vpc_endpoints.values().filter(|endpoint| {
            matches!(endpoint.state, VpcEndpointState::Pending | VpcEndpointState::Deleting)
        });
        let addresses = self.network_interfaces.values().filter_map(|eni| eni.auto_public_ip_due);
        blocks
            .chain(instances)
            .chain(gateways.map(|nat| nat.settles_at))
            .chain(peerings)
            .chain(endpoints.map(|endpoint| endpoint.settles_at))
            .chain(addresses)
            .chain(next_ebs_transition(self))
            .chain(next_transit_transition(self))
            .min()
    }
}

/// Whether `at` and `more` seconds have passed.
fn is_due(at: Timestamp, more: u64, now: Timestamp) -> bool {
    at.plus(more) <= now
}

fn settle_blocks(model: &mut Model, now: Timestamp) -> bool {
    fn settle<Net, Id>(blocks: &mut Vec<CidrBlock<Net, Id>>, now: Timestamp) -> bool {
        let mut changed = false;
        for block in blocks.iter_mut().filter(|block| is_due(block.settles_at, 0, now)) {
            let settled = match block.state {
                CidrBlockState::Associating => CidrBlockState::Associated,
                CidrBlockState::Disassociating => CidrBlockState::Disassociated,
                settled => settled,
            };
            changed |= std::mem::replace(&mut block.state, settled) != settled;
        }
        let before = blocks.len();
        blocks.retain(|b| b.state != CidrBlockState::Disassociated || !is_due(b.settles_at, VISIBLE_FOR, now));
        changed || blocks.len() != before
    }
    fn passes<Net, Id>(blocks: &[CidrBlock<Net, Id>]) -> bool {
        blocks.iter().any(|block| block.state != CidrBlockState::Associated)
    }
    let mut changed = false;
    if model.vpcs.values().any(|vpc| passes(&vpc.cidr_blocks) || passes(&vpc.ipv6_cidr_blocks)) {
        for (_, vpc) in model.vpcs.iter_mut_where(|_, vpc| passes(&vpc.cidr_blocks) || passes(&vpc.ipv6_cidr_blocks)) {
            changed |= settle(&mut vpc.cidr_blocks, now);
            changed |= settle(&mut vpc.ipv6_cidr_blocks, now);
        }
    }
    if model.subnets.values().any(|subnet| passes(&subnet.ipv6_cidr_blocks)) {
        for (_, subnet) in model.subnets.iter_mut_where(|_, subnet| passes(&subnet.ipv6_cidr_blocks)) {
            changed |= settle(&mut subnet.ipv6_cidr_blocks, now);
        }
    }
    changed
}

/// What a passing state ends in (INST-2).
fn ends_in(state: InstanceState) -> Option<InstanceState> {
    match state {
        InstanceState::Pending => Some(InstanceState::Running),
        InstanceState::Stopping => Some(InstanceState::Stopped),
        InstanceState::ShuttingDown => Some(InstanceState::Terminated),
        InstanceState::Running | InstanceState::Stopped | InstanceState::Terminated => None,
    }
}

fn settle_instances(model: &mut Model) -> bool {
    let now = model.context.now;
    let rests = |instance: &Instance| matches!(instance.state, InstanceState::Running | InstanceState::Stopped);
    let passes = |instance: &&Instance| !rests(instance) && is_due(instance.settles_at, 0, now);
    let ids: Vec<_> = model.instances.values().filter(passes).map(|instance| instance.id.clone()).collect();
    let changed = ids.iter().filter(|id| settle_instance(model, id)).count();
    changed > 0
}

fn settle_nat_gateways(model: &mut Model, now: Timestamp) -> bool {
    if model.nat_gateways.values().all(|gateway| gateway.state == NatGatewayState::Available) {
        return false;
    }
    let mut changed = false;
    for gateway in model.nat_gateways.values_mut().filter(|gateway| is_due(gateway.settles_at, 0, now)) {
        let settled = match (gateway.state, &gateway.failure) {
            (NatGatewayState::Pending, None) => NatGatewayState::Available,
            (NatGatewayState::Pending, Some(_)) => NatGatewayState::Failed,
            (NatGatewayState::Deleting, _) => NatGatewayState::Deleted,
            (settled, _) => settled,
        };
        changed |= std::mem::replace(&mut gateway.state, settled) != settled;
    }
    let before = model.nat_gateways.len();
    model.nat_gateways.retain(|_, gateway| {
        let is_gone = matches!(gateway.state, NatGatewayState::Failed | NatGatewayState::Deleted);
        !(is_gone && is_due(gateway.settles_at, VISIBLE_FOR, now))
    });
    changed || model.nat_gateways.len() != before
}

fn settle_peerings(model: &mut Model, now: Timestamp) -> bool {
    let awaits = |peering: &VpcPeeringConnection| peering.settles.is_some() || peering.status == PeeringStatus::PendingAcceptance;
    if !model.vpc_peering_connections.values().any(awaits) {
        return false;
    }
    let mut changed = false;
    for connection in model.vpc_peering_connections.values_mut() {
        if let Some((status, _)) = connection.settles.filter(|(_, at)| is_due(*at, 0, now)) {
            (connection.status, connection.settles) = (status, None);
            if status == PeeringStatus::Failed {
                connection.status_message =
                    "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".to_owned();
            }
            changed = true;
        }
        if connection.status == PeeringStatus::PendingAcceptance && is_due(connection.expiration_time, 0, now) {
            connection.status = PeeringStatus::Expired;
            changed = true;
        }
    }
    changed
}

fn settle_endpoints(model: &mut Model, now: Timestamp) -> bool {
    if model.vpc_endpoints.values().all(|endpoint| endpoint.state == VpcEndpointState::Available) {
        return false;
    }
    let mut changed = false;
    for endpoint in model.vpc_endpoints.values_mut().filter(|endpoint| is_due(endpoint.settles_at, 0, now)) {
        if endpoint.state == VpcEndpointState::Pending {
            endpoint.state = VpcEndpointState::Available;
            changed = true;
        }
    }
    let before = model.vpc_endpoints.len();
    model.vpc_endpoints.retain(|_, e| e.state != VpcEndpointState::Deleting || !is_due(e.settles_at, 0, now));
    changed || model.vpc_endpoints.len() != before
}

/// EIP-6: the addresses that are due come, to interfaces that still qualify.
fn assign_public_addresses(model: &mut Model) -> bool {
    let now = model.context.now;
    let awaits = |eni: &&NetworkInterface| eni.auto_public_ip_due.is_some_and(|due| due <= now);
    let interfaces: Vec<_> = model.network_interfaces.values().filter(awaits).map(|eni| eni.id.clone()).collect();
    interfaces.iter().fold(false, |changed, id| settle_public_address(model, id) | changed)
}
