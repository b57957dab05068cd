//! Which private addresses interfaces hold: choosing, assigning, moving, taking away (ENI-1, ENI-6, ENI-10, EIP-9).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{check_address_limit, check_is_users_own, duplicates, type_of_holder};
use crate::network_interface::InterfaceType;
use crate::operation::address::unmap_interface;
use crate::operation::subnet_cidr_reservation::reserved_blocks;
use crate::operation::{held_addresses, invalid_value};
use crate::*;

/// Addresses that somebody asks for.
pub(crate) struct AddressWish<'a> {
    /// IPv4 addresses by name, the primary one first; none = a primary one is chosen.
    pub ipv4: &'a [Ipv4Addr],
    /// How many secondary IPv4 addresses to choose.
    pub secondary_count: usize,
    /// IPv6 addresses by name.
    pub ipv6: &'a [Ipv6Addr],
    /// How many IPv6 addresses to choose.
    pub ipv6_count: usize,
}

/// Addresses that an interface gets.
pub(crate) struct ChosenAddresses {
    pub ipv4: Vec<Ipv4Addr>,
    pub ipv6: Vec<Ipv6Addr>,
}

/// What is taken in some subnets, by the model and by earlier choices of the same call: a call that makes many
/// interfaces reads each subnet once.
#[derive(Default)]
pub(crate) struct AddressPlan {
    subnets: BTreeMap<SubnetId, Taken>,
}

struct Taken {
    ipv4: BTreeSet<Ipv4Addr>,
    ipv6: BTreeSet<Ipv6Addr>,
    /// Parts that are kept back from being chosen.
    reserved: Vec<IpNet>,
    /// No free address lies below.
    lowest_free: u32,
}

impl AddressPlan {
    /// Chooses all addresses of one interface (ENI-6). After an error the plan is of no more use.
    /// Errors: see [`super::create_network_interface`].
    pub fn choose(
        &mut self,
        model: &Model,
        subnet: &Subnet,
        wish: &AddressWish<'_>,
    ) -> Result<ChosenAddresses, ApiError> {
        if wish.ipv4.len() > 1 && wish.secondary_count > 0 {
            return Err(both("secondaryPrivateIpAddressCount", "privateIpAddresses"));
        }
        let taken = self.of(model, subnet);
        let mut ipv4 = taken.named_ipv4(subnet, wish.ipv4)?;
        ipv4.extend(taken.free_ipv4(subnet, wish.secondary_count + usize::from(ipv4.is_empty()))?);
        Ok(ChosenAddresses { ipv4, ipv6: taken.choose_ipv6(subnet, wish.ipv6, wish.ipv6_count)? })
    }

    fn of(&mut self, model: &Model, subnet: &Subnet) -> &mut Taken {
        self.subnets.entry(subnet.id.clone()).or_insert_with(|| Taken {
            ipv4: held_addresses(model, &subnet.id),
            ipv6: held_ipv6_addresses(model, &subnet.id),
            reserved: reserved_blocks(model, &subnet.id),
            lowest_free: u32::from(subnet.cidr_block.network()),
        })
    }
}

fn held_ipv6_addresses(model: &Model, subnet: &SubnetId) -> BTreeSet<Ipv6Addr> {
    let interfaces = model.network_interfaces.values().filter(|eni| eni.subnet_id == *subnet);
    interfaces.flat_map(|eni| eni.ipv6_addresses.iter().copied()).collect()
}

impl Taken {
    fn named_ipv4(&mut self, subnet: &Subnet, named: &[Ipv4Addr]) -> Result<Vec<Ipv4Addr>, ApiError> {
        for address in named {
            check_in_subnet(subnet, *address)?;
            if !self.ipv4.insert(*address) {
                return Err(in_use(address));
            }
        }
        Ok(named.to_vec())
    }

    fn free_ipv4(&mut self, subnet: &Subnet, count: usize) -> Result<Vec<Ipv4Addr>, ApiError> {
        check_most(count)?;
        let last = u32::from(subnet.cidr_block.broadcast());
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            if self.lowest_free > last {
                let message = format!(
                    "The specified subnet does not have enough free addresses to satisfy the request: {}",
                    subnet.id
                );
                return Err(ApiError::new(ErrorCode::InsufficientFreeAddressesInSubnet, message));
            }
            let address = Ipv4Addr::from(self.lowest_free);
            self.lowest_free += 1;
            let is_kept = self.reserved.iter().any(|block| block.contains(&IpAddr::V4(address)));
            if !is_kept && !subnet.is_reserved(address) && self.ipv4.insert(address) {
                chosen.push(address);
            }
        }
        Ok(chosen)
    }

    fn choose_ipv6(&mut self, subnet: &Subnet, named: &[Ipv6Addr], count: usize) -> Result<Vec<Ipv6Addr>, ApiError> {
        if !named.is_empty() && count > 0 {
            return Err(both("ipv6AddressCount", "ipv6Addresses"));
        }
        check_most(count)?;
        let blocks: Vec<_> = subnet.ipv6_cidr_blocks.iter().filter(|b| b.state.is_live()).map(|b| b.block).collect();
        for address in named {
            let Some(block) = blocks.iter().find(|block| block.contains(address)) else { return Err(outside(address)) };
            // As of IPv4: the first four and the last (SUB-2).
            let (first, last) = (u128::from(block.network()), u128::from(block.broadcast()));
            if (first..first + 4).contains(&address.to_bits()) || address.to_bits() == last {
                return Err(reserved(address));
            }
            if !self.ipv6.insert(*address) {
                return Err(in_use(address));
            }
        }
        let mut chosen = named.to_vec();
        if count == 0 {
            return Ok(chosen);
        }
        let Some(block) = blocks.first() else {
            let why = format!("Subnet {} has no IPv6 CIDR block.", subnet.id);
            return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
        };
        // The first four addresses of a /64 are AWS's, as with IPv4; sixteen keeps ours easy to tell.
        let mut candidate = u128::from(block.network()) + 16;
        while chosen.len() < count {
            let address = Ipv6Addr::from(candidate);
            let kept = self.reserved.iter().find(|kept| kept.contains(&IpAddr::V6(address)));
            if let Some(IpNet::V6(kept)) = kept {
                candidate = u128::from(kept.broadcast()).saturating_add(1);
                continue;
            }
            if !block.contains(&address) {
                let message = format!("The specified subnet does not have enough free addresses to satisfy the request: {}", subnet.id);
                return Err(ApiError::new(ErrorCode::InsufficientFreeAddressesInSubnet, message));
            }
            candidate += 1;
            if self.ipv6.insert(address) {
                chosen.push(address);
            }
        }
        Ok(chosen)
    }
}

/// No type lets an interface have more addresses of one family (ENI-4).
const MOST_ADDRESSES: usize = 50;

fn check_most(count: usize) -> Result<(), ApiError> {
    match count > MOST_ADDRESSES {
        false => Ok(()),
        true => Err(ApiError::new(
            ErrorCode::PrivateIpAddressLimitExceeded,
            format!("Number of private addresses will exceed limit: {count} asked for, {MOST_ADDRESSES} allowed."),
        )),
    }
}

fn check_in_subnet(subnet: &Subnet, address: Ipv4Addr) -> Result<(), ApiError> {
    if !subnet.cidr_block.contains(&address) {
        return Err(outside(address));
    }
    match subnet.is_reserved(address) {
        false => Ok(()),
        true => Err(reserved(address)),
    }
}

fn outside(address: impl std::fmt::Display) -> ApiError {
    invalid_value(address, "address", "Address does not fall within the subnet's address range")
}

fn reserved(address: impl std::fmt::Display) -> ApiError {
    invalid_value(address, "address", "Address is in subnet's reserved address range")
}

fn in_use(address: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::InvalidIpAddressInUse, format!("Address {address} is in use."))
}

fn both(one: &str, other: &str) -> ApiError {
    let message = format!("The parameter '{one}' may not be used in combination with '{other}'");
    ApiError::new(ErrorCode::InvalidParameterCombination, message)
}

/// Parameters of AssignPrivateIpAddresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignPrivateIpAddresses {
    /// The interface that gets them.
    pub network_interface_id: NetworkInterfaceId,
    /// Addresses by name.
    pub private_ip_addresses: Vec<Ipv4Addr>,
    /// How many to choose instead.
    pub secondary_private_ip_address_count: usize,
    /// Whether secondary addresses of other interfaces may move here (ENI-6).
    pub allow_reassignment: bool,
}

/// Assigns secondary private addresses, all or none; an Elastic IP address moves along with its private address
/// (EIP-9). Returns the addresses assigned.
///
/// Errors: `InvalidNetworkInterfaceID.NotFound`, `OperationNotPermitted` (ENI-7), `MissingParameter`,
/// `InvalidParameterCombination`, `InvalidParameterValue` (outside the subnet, reserved, or another's primary
/// address), `InvalidIPAddress.InUse`, `InsufficientFreeAddressesInSubnet`, `PrivateIpAddressLimitExceeded` (ENI-4).
pub fn assign_private_ip_addresses(
    model: &mut Model,
    request: AssignPrivateIpAddresses,
) -> Result<Vec<Ipv4Addr>, ApiError> {
    let id = &request.network_interface_id;
    let interface = model.network_interface(id)?;
    check_is_users_own(interface)?;
    let (named, count) = (&request.private_ip_addresses, request.secondary_private_ip_address_count);
    check_wish("secondaryPrivateIpAddressCount", count, "privateIpAddresses", named)?;
    let subnet = model.subnet(&interface.subnet_id)?;
    let mut moves = BTreeMap::new();
    let mut fresh = Vec::new();
    for &address in named {
        check_in_subnet(subnet, address)?;
        match model.network_interfaces.values().find(|e| e.subnet_id == subnet.id && e.private_ip_addresses.contains(&address)) {
            None => fresh.push(address),
            // Asking for what one has changes nothing.
            Some(holder) if holder.id == *id => {}
            Some(holder) if holder.primary_address() == address => {
                let why = format!("It is the primary address of {} and cannot be reassigned.", holder.id);
                return Err(invalid_value(address, "address", why));
            }
            Some(holder) if !request.allow_reassignment || holder.interface_type != InterfaceType::Interface => {
                let hint = format!("{} holds it; allow reassignment to move it", holder.id);
                return Err(in_use(address).with_hint(hint));
            }
            Some(holder) => drop(moves.insert(address, holder.id.clone())),
        }
    }
    let mut taken = AddressPlan::default();
    let taken = taken.of(model, subnet);
    fresh = taken.named_ipv4(subnet, &fresh)?;
    fresh.extend(taken.free_ipv4(subnet, count)?);
    if let Some(instance_type) = type_of_holder(model, interface) {
        let total = interface.private_ip_addresses.len() + fresh.len() + moves.len();
        check_address_limit(&instance_type, total)?;
    }

    for (address, holder) in &moves {
        if let Some(holder) = model.network_interfaces.get_mut(holder) {
            holder.private_ip_addresses.retain(|held| held != address);
        }
        let elastic = model.addresses.values_mut().filter_map(|elastic| elastic.association.as_mut());
        elastic
            .filter(|a| a.network_interface_id == *holder && a.private_ip_address == *address)
            .for_each(|a| a.network_interface_id = id.clone());
    }
    let assigned = match named.is_empty() {
        true => fresh,
        false => named.clone(),
    };
    let interface = model.network_interface_mut(id)?;
    for address in &assigned {
        if !interface.private_ip_addresses.contains(address) {
            interface.private_ip_addresses.push(*address);
        }
    }
    model.generation += 1;
    Ok(assigned)
}

/// Takes secondary private addresses away, all or none; their Elastic IP addresses are disassociated (EIP-9).
///
/// Errors: `InvalidNetworkInterfaceID.NotFound`, `OperationNotPermitted` (ENI-7), `MissingParameter`,
/// `InvalidParameterValue` (the primary address, or one that is not there).
pub fn unassign_private_ip_addresses(
    model: &mut Model,
    id: &NetworkInterfaceId,
    addresses: &[Ipv4Addr],
) -> Result<(), ApiError> {
    let interface = model.network_interface(id)?;
    check_is_users_own(interface)?;
    check_wish("privateIpAddresses", 0, "privateIpAddresses", addresses)?;
    for address in addresses {
        if *address == interface.primary_address() {
            return Err(invalid_value(address, "address", "The primary private address cannot be unassigned."));
        }
        if !interface.private_ip_addresses.contains(address) {
            return Err(not_assigned(address, id));
        }
    }
    for address in addresses {
        unmap_interface(model, id, Some(*address));
    }
    model.network_interface_mut(id)?.private_ip_addresses.retain(|held| !addresses.contains(held));
    model.generation += 1;
    Ok(())
}

/// Parameters of AssignIpv6Addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignIpv6Addresses {
    /// The interface that gets them.
    pub network_interface_id: NetworkInterfaceId,
    /// Addresses by name.
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// How many to choose instead.
    pub ipv6_address_count: usize,
}

/// Assigns IPv6 addresses, all or none. Returns the addresses assigned.
///
/// Errors: as [`assign_private_ip_addresses`], and `InvalidParameterValue` when the subnet has no IPv6 block.
pub fn assign_ipv6_addresses(model: &mut Model, request: AssignIpv6Addresses) -> Result<Vec<Ipv6Addr>, ApiError> {
    let id = &request.network_interface_id;
    let interface = model.network_interface(id)?;
    check_is_users_own(interface)?;
    check_wish("ipv6AddressCount", request.ipv6_address_count, "ipv6Addresses", &request.ipv6_addresses)?;
    let subnet = model.subnet(&interface.subnet_id)?;
    let mut taken = AddressPlan::default();
    let assigned = taken.of(model, subnet).choose_ipv6(subnet, &request.ipv6_addresses, request.ipv6_address_count)?;
    if let Some(instance_type) = type_of_holder(model, interface) {
        check_address_limit(&instance_type, interface.ipv6_addresses.len() + assigned.len())?;
    }
    model.network_interface_mut(id)?.ipv6_addresses.extend(&assigned);
    model.generation += 1;
    Ok(assigned)
}

/// Takes IPv6 addresses away, all or none.
///
/// Errors: `InvalidNetworkInterfaceID.NotFound`, `OperationNotPermitted` (ENI-7), `MissingParameter`,
/// `InvalidParameterValue` (one that is not there).
pub fn unassign_ipv6_addresses(
    model: &mut Model,
    id: &NetworkInterfaceId,
    addresses: &[Ipv6Addr],
) -> Result<(), ApiError> {
    let interface = model.network_interface(id)?;
    check_is_users_own(interface)?;
    check_wish("ipv6Addresses", 0, "ipv6Addresses", addresses)?;
    if let Some(absent) = addresses.iter().find(|address| !interface.ipv6_addresses.contains(address)) {
        return Err(not_assigned(absent, id));
    }
    model.network_interface_mut(id)?.ipv6_addresses.retain(|held| !addresses.contains(held));
    model.generation += 1;
    Ok(())
}

fn not_assigned(address: impl std::fmt::Display, id: &NetworkInterfaceId) -> ApiError {
    invalid_value(address, "address", format!("It is not assigned to interface {id}."))
}

/// Exactly one of a count and a list of names, and no name twice.
fn check_wish<T: Ord>(count_name: &str, count: usize, list_name: &str, list: &[T]) -> Result<(), ApiError> {
    match (count, list) {
        (0, []) => {
            let message = format!("The request must contain the parameter {list_name}");
            Err(ApiError::new(ErrorCode::MissingParameter, message))
        }
        (1.., [_, ..]) => Err(both(count_name, list_name)),
        (_, list) if duplicates(list) => {
            let message = format!("The same address must not appear multiple times in {list_name}");
            Err(ApiError::new(ErrorCode::InvalidParameterValue, message))
        }
        _ => Ok(()),
    }
}
