//! Synthetic accounts: VPCs peered in a ring, groups that few interfaces and groups that many carry, lists that differ,
//! egress that is restricted. The same account for the same numbers.

use model::random::SplitMix64;

use crate::world::World;

/// What an account is.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Network interfaces, one an instance.
    pub interfaces: usize,
    /// VPCs.
    pub vpcs: usize,
    /// Security groups, besides those that `own_sets` adds.
    pub groups: usize,
    /// Ingress rules of all groups together.
    pub rules: usize,
    /// Every interface carries a set of groups that no other one does.
    pub own_sets: bool,
}

/// Subnets of a VPC.
const SUBNETS: usize = 16;

/// Low numbers far more often than high ones (Zipf's law: uniform in the logarithm).
fn skewed(dice: &mut SplitMix64, bound: usize) -> usize {
    let uniform = (dice.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    ((bound as f64).powf(uniform) as usize).saturating_sub(1).min(bound.saturating_sub(1))
}

impl Account {
    /// The model, made directly.
    pub fn world(&self) -> World {
        let mut dice = SplitMix64(7);
        let mut world = World::new();
        let groups_per_vpc = (self.groups / self.vpcs).max(1);
        for vpc in 0..self.vpcs {
            self.vpc(&mut world, &mut dice, vpc);
            for group in 0..groups_per_vpc {
                world.group(&format!("{vpc}x{group}"), &vpc.to_string(), &[]);
            }
        }
        for number in 0..self.rules {
            let vpc = number % self.vpcs;
            let rule = self.rule(&mut dice, vpc, groups_per_vpc);
            world.allow_in(&format!("{vpc}x{}", dice.below(groups_per_vpc)), &rule);
        }
        for vpc in 0..self.vpcs {
            for group in (0..groups_per_vpc).filter(|group| group % 5 == 4) {
                let name = format!("{vpc}x{group}");
                world.clear_out(&name);
                world.allow_out(&name, "tcp 443 0.0.0.0/0");
                world.allow_out(&name, &format!("tcp 5432 sg-{vpc}x{}", skewed(&mut dice, groups_per_vpc)));
            }
        }
        // Fleets: interfaces that differ in nothing but their address, in two subnets each.
        let fleets: Vec<(Vec<String>, usize)> = (0..self.vpcs)
            .flat_map(|vpc| (0..groups_per_vpc + 1).map(move |_| vpc))
            .map(|vpc| {
                let groups = (0..1 + dice.below(3)).map(|_| format!("{vpc}x{}", skewed(&mut dice, groups_per_vpc))).collect();
                (groups, dice.below(SUBNETS))
            })
            .collect();
        let mut taken = vec![[0; SUBNETS]; self.vpcs];
        for number in 0..self.interfaces {
            let vpc = number % self.vpcs;
            let (groups, first) = &fleets[vpc * (groups_per_vpc + 1) + skewed(&mut dice, groups_per_vpc + 1)];
            let mut subnet = (first + dice.below(2)) % SUBNETS;
            // A subnet holds four thousand.
            while taken[vpc][subnet] >= 4_000 {
                subnet = (subnet + 1) % SUBNETS;
            }
            taken[vpc][subnet] += 1;
            let host = taken[vpc][subnet] + 9;
            let (name, address) = (format!("{number}"), format!("10.{vpc}.{}.{}", subnet * 16 + host / 256, host % 256));
            let mut groups = groups.clone();
            if self.own_sets {
                let own = format!("own{number}");
                world.group(&own, &vpc.to_string(), &[]);
                groups.push(own);
            }
            groups.sort();
            groups.dedup();
            world.instance(&name, &format!("{vpc}s{subnet}"), &address, &groups[0]);
            world.groups(&name, &groups.iter().map(String::as_str).collect::<Vec<_>>());
        }
        world
    }

    fn vpc(&self, world: &mut World, dice: &mut SplitMix64, vpc: usize) {
        let name = vpc.to_string();
        world.vpc(&name, &format!("10.{vpc}.0.0/16"));
        world.table(&name, &name);
        for subnet in 0..SUBNETS {
            let own = format!("{vpc}s{subnet}");
            world.subnet(&own, &name, &format!("10.{vpc}.{}.0/20", subnet * 16), &name);
            if dice.chance(25) {
                world.acl(&own, &own);
                for entry in [
                    "in 90 deny tcp 23 0.0.0.0/0".to_owned(),
                    format!("in 95 deny tcp 3306 10.{vpc}.{}.0/20", dice.below(SUBNETS) * 16),
                    "in 100 allow all 10.0.0.0/8".to_owned(),
                    "out 100 allow all 10.0.0.0/8".to_owned(),
                ] {
                    world.entry(&own, &entry);
                }
            }
        }
        // A ring: each VPC knows the one before it.
        if vpc > 0 {
            let before = (vpc - 1).to_string();
            world.peering(&name, &before, &name);
            world.route(&before, &format!("10.{vpc}.0.0/16"), &format!("pcx-{vpc}"));
            world.route(&name, &format!("10.{before}.0.0/16"), &format!("pcx-{vpc}"));
        }
    }

    fn rule(&self, dice: &mut SplitMix64, vpc: usize, groups: usize) -> String {
        const PORTS: [&str; 12] = ["22", "80", "443", "3306", "5432", "6379", "8080", "8000-8100", "9090", "9200", "11211", "1024-65535"];
        let traffic = match dice.below(20) {
            0 => "all".to_owned(),
            1 => "icmp".to_owned(),
            2 => "udp 53".to_owned(),
            _ => format!("tcp {}", PORTS[skewed(dice, PORTS.len())]),
        };
        let peer = match dice.below(10) {
            0..=5 => format!("sg-{vpc}x{}", skewed(dice, groups)),
            6..=7 => format!("10.{vpc}.{}.0/20", dice.below(SUBNETS) * 16),
            8 => format!("10.{vpc}.{}.{}/32", dice.below(SUBNETS) * 16, 10 + dice.below(100)),
            _ => "10.0.0.0/8".to_owned(),
        };
        format!("{traffic} {peer}")
    }
}
