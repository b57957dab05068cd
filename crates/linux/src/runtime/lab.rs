//! A lab on this machine: namespaces behind a holder, kept equal to the plan of a fabric.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use fabric::Fabric;
use netlink::{Protocol, Socket};
use sandbox::{Client, InstanceSpec, NetnsSpec};

use super::error::{Error, Result};
use super::sockets::Sockets;
use super::{clock, shaping};
use crate::apply;
use crate::diff::Changes;
use crate::naming::{self, Directory};
use crate::plan::lan::Lans;
use crate::plan::{Options, Plan};

/// A lab behind its holder.
pub struct Lab {
    client: Client,
    sockets: Sockets,
    options: Options,
    plan: Plan,
    fabric: Arc<Fabric>,
    lans: Lans,
    is_shaping_known: bool,
    directory: Directory,
}

/// Options for real labs on this machine: no interface may take more than a quarter of the machine's flows (SG-31).
pub fn options() -> Options {
    let maximum = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").ok();
    let maximum = maximum.and_then(|text| text.trim().parse::<u32>().ok()).filter(|maximum| *maximum > 0);
    // What there is for links is asked of the kernel when a lan needs it.
    Options { flows_per_interface: maximum.map(|maximum| (maximum / 4).max(1)), ..Options::default() }
}

/// Errors: the plan has IPv6, which this kernel was started without.
fn kernel_speaks(plan: &Plan) -> Result<()> {
    let is_wanted = plan.namespaces.values().any(|namespace| namespace.sysctls.keys().any(|path| path.starts_with("net/ipv6/")));
    if is_wanted && !std::path::Path::new("/proc/sys/net/ipv6").exists() {
        let why = "the lab has IPv6, and this machine was started without it: take ipv6.disable=1 off the kernel's command line";
        return Err(Error::Plan(why.to_owned()));
    }
    Ok(())
}

/// The holder's way into namespaces.
struct Reach<'a> {
    client: &'a Client,
    sockets: &'a mut Sockets,
}

impl apply::Host for Reach<'_> {
    fn descriptors(&mut self, keys: &[String]) -> Result<Vec<OwnedFd>> {
        Ok(self.client.netns_fds(keys)?)
    }

    fn open(&mut self, wanted: &[(String, Protocol)]) -> Result<()> {
        self.sockets.open(self.client, wanted)
    }

    fn socket(&mut self, key: &str, protocol: Protocol) -> Result<&mut Socket> {
        sandbox::abort::point("what came before in a namespace");
        self.sockets.get(self.client, key, protocol)
    }

    fn done(&mut self, key: &str) {
        // There may be a thousand instances, and they rarely change; of the others there are few.
        if key.starts_with("instance/") || naming::is_device(key) {
            self.sockets.forget(key);
        }
    }
}

/// What an instance is besides its network: supplied by the caller, keyed by the instance's namespace.
pub type InstanceSpecs = BTreeMap<String, InstanceSpec>;

impl Lab {
    /// A lab that holds nothing yet.
    pub fn empty(client: Client, options: Options) -> Lab {
        let nothing = model::Model::new("", model::Region::default(), model::Context::seeded(0, model::Timestamp(0)));
        let fabric = Arc::new(Fabric::compile(&nothing));
        let directory = Directory::new(&fabric);
        Lab { client, sockets: Sockets::default(), options, plan: Plan::default(), fabric, lans: Lans::new(), is_shaping_known: false, directory }
    }

    /// Takes hold again of a lab that holds this fabric and these lans, after a restart.
    pub fn attach(client: Client, options: Options, fabric: Arc<Fabric>, lans: &Lans) -> Result<Lab> {
        let mut lab = Lab::empty(client, options);
        lab.learn_shaping(lans)?;
        let mut plan = Plan::new(&fabric, lab.options).map_err(|error| Error::Plan(error.to_string()))?;
        plan.add_lans(lans, &fabric, lab.options);
        let directory = Directory::new(&fabric);
        Ok(Lab { plan, fabric, lans: lans.clone(), directory, ..lab })
    }

    /// Asks the kernel, once, what it has for the links of lans.
    fn learn_shaping(&mut self, lans: &Lans) -> Result<()> {
        if !lans.is_empty() && !self.is_shaping_known {
            self.options.shaping = shaping::of_kernel(&self.client)?;
            self.is_shaping_known = true;
        }
        Ok(())
    }

    /// Takes hold again of a lab in which a change was cut short: whatever it holds, afterwards it holds `fabric`.
    /// Namespaces, links and connections that are right stay.
    pub fn recover(client: Client, options: Options, fabric: &Arc<Fabric>, lans: &Lans, specs: &InstanceSpecs) -> Result<Lab> {
        let mut lab = Lab::attach(client, options, fabric.clone(), lans)?;
        kernel_speaks(&lab.plan)?;
        let there: Vec<String> = lab.client.list_netnses()?.into_iter().map(|namespace| namespace.key).collect();
        let strays: Vec<&String> = there.iter().filter(|key| !lab.plan.namespaces.contains_key(*key)).collect();
        lab.client.stop_instances(&strays, Duration::ZERO)?;
        lab.client.remove_netnses(&strays)?;
        let missing = |changes: Changes| Changes {
            new_namespaces: changes.new_namespaces.into_iter().filter(|(key, _)| !there.contains(key)).collect(),
            ..changes
        };
        let changes = missing(Changes::between(&Plan::default(), &lab.plan));
        lab.create_namespaces(&changes, &lab.plan, specs)?;
        let sysctls = lab.plan.namespaces.iter().filter(|(_, namespace)| !namespace.sysctls.is_empty());
        let writes: Vec<_> = sysctls
            .map(|(key, namespace)| sandbox::client::SysctlWrite {
                key: key.clone(),
                values: namespace.sysctls.clone().into_iter().collect(),
            })
            .collect();
        if !writes.is_empty() {
            lab.client.write_sysctls_of(writes)?;
        }
        apply::reconcile(&mut Reach { client: &lab.client, sockets: &mut lab.sockets }, &lab.plan)?;
        lab.follow_states(specs)?;
        Ok(lab)
    }

    /// The holder.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The fabric that the lab holds.
    pub fn fabric(&self) -> &Arc<Fabric> {
        &self.fabric
    }

    /// The lans that the lab holds.
    pub fn lans(&self) -> &Lans {
        &self.lans
    }

    /// What of its lans this kernel does not do.
    pub fn notes(&self) -> Vec<String> {
        crate::plan::lan::notes(&self.lans, self.options.shaping)
    }

    /// The plan that the lab holds.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was asked of plans.
    pub fn options(&self) -> Options {
        self.options
    }

    /// From names in the kernel back to the fabric.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// A netlink socket into a namespace.
    pub fn netlink(&mut self, namespace: &str, protocol: Protocol) -> Result<&mut Socket> {
        self.sockets.get(&self.client, namespace, protocol)
    }

    /// Both at once, for what needs both.
    pub fn client_and_sockets(&mut self) -> (&Client, &mut Sockets) {
        (&self.client, &mut self.sockets)
    }

    /// Namespaces in which packets can be dropped with a report.
    pub fn dropping_namespaces(&self) -> Vec<String> {
        self.plan.namespaces.iter().filter(|(_, namespace)| !namespace.is_instance).map(|(key, _)| key.clone()).collect()
    }

    /// Makes the lab hold `fabric`; instances that appear run nothing but their init.
    pub fn apply(&mut self, fabric: &Arc<Fabric>) -> Result<()> {
        self.apply_with(fabric, &InstanceSpecs::new())
    }

    /// Makes the lab hold `fabric`; `specs` says what instances that appear or start are besides their network. Its lans stay.
    pub fn apply_with(&mut self, fabric: &Arc<Fabric>, specs: &InstanceSpecs) -> Result<()> {
        let lans = self.lans.clone();
        self.apply_all(fabric, &lans, specs)
    }

    /// Makes the lab hold `fabric` and these lans, and no other.
    pub fn apply_all(&mut self, fabric: &Arc<Fabric>, lans: &Lans, specs: &InstanceSpecs) -> Result<()> {
        let renewed = Plan::renew(&self.plan, &self.fabric, fabric, self.options);
        let mut plan = renewed.map_err(|error| Error::Plan(error.to_string()))?;
        self.learn_shaping(lans)?;
        plan.add_lans(lans, fabric, self.options);
        kernel_speaks(&plan)?;
        let changes = Changes::between(&self.plan, &plan);
        self.create_namespaces(&changes, &plan, specs)?;
        let (client, sockets) = (&self.client, &mut self.sockets);
        let writes = changes.inside.iter().filter(|(_, inside)| !inside.sysctls.is_empty());
        let writes = writes
            .map(|(key, inside)| sandbox::client::SysctlWrite { key: key.clone(), values: inside.sysctls.clone() })
            .collect::<Vec<_>>();
        if !writes.is_empty() {
            client.write_sysctls_of(writes)?;
        }
        let mut reach = Reach { client, sockets };
        if let Err(first) = apply::apply(&mut reach, &changes) {
            // The kernel does not hold what we believed, perhaps because an earlier change was cut short: begin from what
            // it holds. Where that fails too, the first refusal says more.
            apply::reconcile(&mut reach, &plan).map_err(|_| first)?;
        }
        self.remove_namespaces(&changes)?;
        self.plan = plan;
        self.fabric = fabric.clone();
        self.lans.clone_from(lans);
        self.directory = Directory::new(fabric);
        self.follow_states(specs)
    }

    fn create_namespaces(&self, changes: &Changes, plan: &Plan, specs: &InstanceSpecs) -> Result<()> {
        let sysctls = |key: &str| -> Vec<(String, String)> {
            plan.namespaces.get(key).map(|n| n.sysctls.clone().into_iter().collect()).unwrap_or_default()
        };
        let lab: Vec<NetnsSpec> = changes
            .new_namespaces
            .iter()
            .filter(|(_, is_instance)| !is_instance)
            .map(|(key, _)| NetnsSpec { sysctls: sysctls(key), ..NetnsSpec::lab(key) })
            .collect();
        if !lab.is_empty() {
            self.client.create_netnses(&lab)?;
        }
        let instances: Vec<InstanceSpec> = changes
            .new_namespaces
            .iter()
            .filter(|(_, is_instance)| *is_instance)
            .map(|(key, _)| {
                let spec = specs.get(key).cloned().unwrap_or_else(|| InstanceSpec::new(key, "instance"));
                InstanceSpec { sysctls: sysctls(key), ..spec }
            })
            .collect();
        self.start(&instances)
    }

    fn start(&self, instances: &[InstanceSpec]) -> Result<()> {
        if instances.is_empty() {
            return Ok(());
        }
        match self.client.start_instances(instances)?.into_iter().next() {
            None => Ok(()),
            Some((key, fault)) => Err(Error::Instance { key, why: fault.to_string() }),
        }
    }

    /// Stopped instances have no processes; started ones have an init again.
    fn follow_states(&mut self, specs: &InstanceSpecs) -> Result<()> {
        let running: BTreeSet<String> = self.client.list_instances()?.into_iter().map(|i| i.key).collect();
        let (mut start, mut stop) = (Vec::new(), Vec::new());
        let devices = self.plan.namespaces.keys().filter(|key| naming::is_device(key) && !running.contains(*key));
        for key in devices {
            start.push(specs.get(key).cloned().unwrap_or_else(|| InstanceSpec::new(key, "device")));
        }
        for instance in self.fabric.instances.values() {
            let key = crate::naming::instance_namespace(&instance.id);
            let wanted = instance.state == model::InstanceState::Running;
            match (wanted, running.contains(&key)) {
                (true, false) => start.push(specs.get(&key).cloned().unwrap_or_else(|| InstanceSpec::new(&key, "instance"))),
                (false, true) => stop.push(key),
                _ => {}
            }
        }
        if !stop.is_empty() {
            self.client.stop_instances(&stop, Duration::ZERO)?;
        }
        self.start(&start)
    }

    fn remove_namespaces(&mut self, changes: &Changes) -> Result<()> {
        if changes.gone_namespaces.is_empty() {
            return Ok(());
        }
        for key in &changes.gone_namespaces {
            self.sockets.forget(key);
        }
        self.client.stop_instances(&changes.gone_namespaces, Duration::ZERO)?;
        Ok(self.client.remove_netnses(&changes.gone_namespaces)?)
    }

    /// Ages everything that the kernel remembers of flows.
    pub fn age(&mut self, elapsed: Duration) -> Result<()> {
        for key in self.tracking_namespaces() {
            clock::age(&self.client, &mut self.sockets, &key, elapsed)?;
        }
        Ok(())
    }

    /// Forgets every flow.
    pub fn forget_connections(&mut self) -> Result<()> {
        for key in self.tracking_namespaces() {
            clock::forget_all(&self.client, &mut self.sockets, &key)?;
        }
        Ok(())
    }

    fn tracking_namespaces(&self) -> Vec<String> {
        let tracks = |key: &&String| ["vpc/", "nat/", "eigw/"].iter().any(|kind| key.starts_with(kind));
        self.plan.namespaces.keys().filter(tracks).cloned().collect()
    }
}
