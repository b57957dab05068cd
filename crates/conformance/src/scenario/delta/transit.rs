//! Deltas of transit gateways: `tgw` for what is attached, `tgwrt` for route tables.

use ipnet::IpNet;

use super::Name;
use super::grammar::SWITCH;
use super::words::Words;

/// One change of a transit gateway. Tables name what is attached by its VPC, or by the other gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the words of the grammar, in its order")]
pub enum TransitDelta {
    /// `tgw T = SUBNET[,SUBNET]`
    New { gateway: Name, subnets: Vec<Name> },
    /// `tgw T + SUBNET[,SUBNET]`
    Attach { gateway: Name, subnets: Vec<Name> },
    /// `tgw T - VPC`
    Detach { gateway: Name, vpc: Name },
    /// `tgw T ipv6 VPC on|off`: whether IPv6 passes its attachment.
    Ipv6 { gateway: Name, vpc: Name, on: bool },
    /// `tgw T peer U`
    Peer { gateway: Name, other: Name },
    /// `tgwrt R new T`
    NewTable { table: Name, gateway: Name },
    /// `tgwrt R + CIDR > VPC|T|blackhole`
    AddRoute { table: Name, destination: IpNet, target: Name },
    /// `tgwrt R - CIDR`
    RemoveRoute { table: Name, destination: IpNet },
    /// `tgwrt R = VPC|T`: what comes from there asks this table, and no other one.
    Associate { table: Name, attached: Name },
    /// `tgwrt R without VPC|T`
    Disassociate { table: Name, attached: Name },
    /// `tgwrt R knows VPC`, `tgwrt R forgets VPC`
    Propagate { table: Name, attached: Name, enabled: bool },
}

pub(super) fn gateway(words: &mut Words<'_>) -> Result<TransitDelta, String> {
    let gateway = words.name("a transit gateway")?;
    match words.next("`=`, `+`, `-`, `ipv6` or `peer`")? {
        "=" => Ok(TransitDelta::New { gateway, subnets: words.names("a subnet")? }),
        "+" => Ok(TransitDelta::Attach { gateway, subnets: words.names("a subnet")? }),
        "-" => Ok(TransitDelta::Detach { gateway, vpc: words.name("a VPC")? }),
        "ipv6" => Ok(TransitDelta::Ipv6 { gateway, vpc: words.name("a VPC")?, on: words.one_of(SWITCH)? }),
        "peer" => Ok(TransitDelta::Peer { gateway, other: words.name("a transit gateway")? }),
        other => Err(words.unexpected(other, "`=`, `+`, `-`, `ipv6` or `peer`")),
    }
}

pub(super) fn table(words: &mut Words<'_>) -> Result<TransitDelta, String> {
    const FORMS: &str = "`new`, `+`, `-`, `=`, `without`, `knows` or `forgets`";
    const ATTACHED: &str = "a VPC or a transit gateway";
    let table = words.name("a route table of a transit gateway")?;
    match words.next(FORMS)? {
        "new" => Ok(TransitDelta::NewTable { table, gateway: words.name("a transit gateway")? }),
        "+" => {
            let destination = words.value("a CIDR block")?;
            words.literal(">")?;
            Ok(TransitDelta::AddRoute { table, destination, target: words.name("a VPC, a transit gateway or `blackhole`")? })
        }
        "-" => Ok(TransitDelta::RemoveRoute { table, destination: words.value("a CIDR block")? }),
        "=" => Ok(TransitDelta::Associate { table, attached: words.name(ATTACHED)? }),
        "without" => Ok(TransitDelta::Disassociate { table, attached: words.name(ATTACHED)? }),
        "knows" => Ok(TransitDelta::Propagate { table, attached: words.name("a VPC")?, enabled: true }),
        "forgets" => Ok(TransitDelta::Propagate { table, attached: words.name("a VPC")?, enabled: false }),
        other => Err(words.unexpected(other, FORMS)),
    }
}
