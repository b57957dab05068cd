//! Parts of a topology that come with something else: the default VPC's and every VPC's own.

use model::operation::{self, CreateDefaultVpc};
use model::{RouteTableId, VpcId};

use super::{World, WorldError, settle};
use crate::scenario::topology::DefaultVpc;

impl World {
    /// Runs `change` without quotas and with everything finished that it starts.
    pub(super) fn with_everything_finished<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, WorldError>,
    ) -> Result<T, WorldError> {
        let before = self.model.clone();
        let quotas = std::mem::replace(&mut self.model.quotas, settle::unlimited());
        let result = change(self);
        settle::finish_what_began(&mut self.model, &before);
        self.model.quotas = quotas;
        result
    }
}

/// Makes the default VPC (VPC-11) and names its parts.
pub fn default_vpc(world: &mut World, default: &DefaultVpc) -> Result<(), WorldError> {
    let id = operation::create_default_vpc(&mut world.model, CreateDefaultVpc::default())?;
    let cidr = world.model.vpcs.get(&id).map(model::Vpc::primary_cidr_block);
    if cidr != Some(default.cidr) {
        return Err(WorldError::Contradiction(format!("the default VPC does not have the block {}", default.cidr)));
    }
    name_vpc(world, &default.vpc, &id)?;
    if let Some(main) = &default.main {
        name_main_table(world, &default.vpc, main)?;
    }
    if let Some(name) = &default.igw
        && let Some(gateway) = world.model.internet_gateway_of(&id)
    {
        world.names.internet_gateways.add(name, gateway.id.clone())?;
    }
    for (letter, name) in &default.subnets {
        let zone = format!("{}{letter}", world.model.region);
        let mut subnets = world.model.subnets.values();
        let found = subnets.find(|s| s.vpc_id == id && s.default_for_az && s.availability_zone == zone);
        let found = found.ok_or_else(|| WorldError::Contradiction(format!("there is no default subnet in zone {zone}")))?;
        world.names.subnets.add(name, found.id.clone())?;
    }
    Ok(())
}

/// Names a VPC, its default group and its default network ACL.
pub fn name_vpc(world: &mut World, name: &str, id: &VpcId) -> Result<(), WorldError> {
    world.names.vpcs.add(name, id.clone())?;
    let group = world.model.security_groups.values().find(|g| g.vpc_id == *id && g.is_default());
    if let Some(group) = group {
        world.names.groups.add(&format!("default-sg:{name}"), group.id.clone())?;
    }
    let acl = world.model.network_acls.values().find(|acl| acl.vpc_id == *id && acl.is_default);
    if let Some(acl) = acl {
        world.names.acls.add(&format!("default-acl:{name}"), acl.id.clone())?;
    }
    Ok(())
}

/// Names the main table that came with a VPC.
pub fn name_main_table(world: &mut World, vpc: &str, table: &str) -> Result<(), WorldError> {
    let id = main_table(world, &world.names.vpcs.find(vpc)?)?;
    world.names.route_tables.add(table, id)
}

/// Errors unless the named table is in the named VPC.
pub fn check_main_table(world: &World, vpc: &str, table: &str) -> Result<(), WorldError> {
    let (vpc_id, table_id) = (world.names.vpcs.find(vpc)?, world.names.route_tables.find(table)?);
    match world.model.route_tables.get(&table_id).is_some_and(|t| t.vpc_id == vpc_id) {
        true => Ok(()),
        false => Err(WorldError::Contradiction(format!("`{table}` is the main table of another VPC than `{vpc}`"))),
    }
}

/// The main table of a VPC.
pub fn main_table(world: &World, vpc: &VpcId) -> Result<RouteTableId, WorldError> {
    let main = world.model.route_tables.values().find(|t| t.vpc_id == *vpc && t.is_main());
    main.map(|t| t.id.clone()).ok_or_else(|| WorldError::Contradiction(format!("{vpc} has no main route table")))
}
