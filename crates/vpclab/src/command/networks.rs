//! `networks`: bridges in the instances of a lab that containers are in, with the words of Docker's commands.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use container::engine::{Attachment, Driver, Error, ShownNetwork, words};
use container::network::{NetworkOptions, parse_mac};
use serde_json::{Value, json};

use super::containers::{Place, failed};
use super::source::did_you_mean;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `networks`.
#[derive(Debug, Subcommand)]
pub enum NetworksCommand {
    /// List networks of instances that run
    Ls(LsArgs),
    /// Make a network in an instance
    Create(Box<CreateArgs>),
    /// Everything about networks, and who is in them, in Docker's shape
    Inspect(NamesArgs),
    /// Remove networks that nobody is in
    Rm(RmArgs),
    /// Put a container into one more network, while it runs or not
    Connect(ConnectArgs),
    /// Take a container out of a network, while it runs or not
    Disconnect(DisconnectArgs),
    /// Remove all networks that nobody is in
    Prune(PruneArgs),
}

/// `networks ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Only networks of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
}

/// `networks create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Instance that it is made in: name, id or address; default: the only one that runs
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// What makes it: bridge
    #[arg(long, short, default_value = "bridge", value_name = "DRIVER")]
    pub driver: String,
    /// Addresses of its containers, one block of IPv4 and one of IPv6; default: the next free pool of Docker's
    #[arg(long, value_name = "BLOCK")]
    pub subnet: Vec<String>,
    /// The bridge's own address; default: the first of the subnet
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Vec<String>,
    /// Part of the subnet that addresses come from by themselves
    #[arg(long, value_name = "BLOCK")]
    pub ip_range: Option<String>,
    /// An address that no container gets by itself
    #[arg(long, value_name = "NAME=ADDRESS")]
    pub aux_address: Vec<String>,
    /// No way out and none in
    #[arg(long)]
    pub internal: bool,
    /// IPv6, too; without an IPv6 subnet of a block made up for it
    #[arg(long)]
    pub ipv6: bool,
    /// Said of it, as Docker's networks say it; any container may join here
    #[arg(long)]
    pub attachable: bool,
    /// Option of Docker's bridge driver: com.docker.network.bridge.enable_icc=false, com.docker.network.driver.mtu=1400
    #[arg(long, value_name = "NAME=VALUE")]
    pub opt: Vec<String>,
    /// Remark NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Networks by name.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Instance that they are in, where several have one of the name
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Networks: name, id, the beginning of an id, or INSTANCE/NAME
    #[arg(required = true, value_name = "NETWORK")]
    pub networks: Vec<String>,
}

/// `networks rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// One that is not there is no failure; -f means it too, where no file comes behind it
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub names: NamesArgs,
}

/// `networks connect`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// One more name of it there
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// Its address there, where somebody chose the subnet
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<Ipv4Addr>,
    /// Its IPv6 address there
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<Ipv6Addr>,
    /// Its Ethernet address there
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// A name that it has for another container there: NAME or NAME:ALIAS
    #[arg(long, value_name = "NAME[:ALIAS]")]
    pub link: Vec<String>,
    /// Of its networks that lead out, the one with the highest has its default route; then the first by name
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_name = "NUMBER")]
    pub gw_priority: i32,
    /// Option of the driver, kept and shown
    #[arg(long, value_name = "NAME=VALUE")]
    pub driver_opt: Vec<String>,
    #[command(flatten)]
    pub pair: Pair,
}

/// A network and a container of one instance.
#[derive(Debug, Args)]
pub struct Pair {
    /// Instance that both are in, where several have one of the name
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Network
    #[arg(value_name = "NETWORK")]
    pub network: String,
    /// Container: name, id, the beginning of an id, or INSTANCE/NAME
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}

/// `networks disconnect`.
#[derive(Debug, Args)]
pub struct DisconnectArgs {
    /// One that is not in it is no failure; -f means it too, where no file comes behind it
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub pair: Pair,
}

/// `networks prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Only networks of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// Runs one of them.
pub fn run(command: &NetworksCommand, global: &Global, output: &Output) -> Result {
    let place = Place::open(global)?;
    match command {
        NetworksCommand::Ls(arguments) => ls(arguments, &place, output),
        NetworksCommand::Create(arguments) => create(arguments, &place, output),
        NetworksCommand::Inspect(arguments) => inspect(arguments, &place, output),
        NetworksCommand::Rm(arguments) => rm(arguments, &place, output),
        NetworksCommand::Connect(arguments) => connect(arguments, &place, output),
        NetworksCommand::Disconnect(arguments) => disconnect(arguments, &place, output),
        NetworksCommand::Prune(arguments) => prune(arguments, &place, output),
    }
}

/// A network and the key of its instance.
type Placed = (String, ShownNetwork);

/// Networks of one instance, or of all that run.
fn all(instance: Option<&str>, place: &Place) -> Result<Vec<Placed>> {
    let keys = match instance {
        Some(word) => vec![place.running.namespace(word)?],
        None => {
            let live = place.engine.client.list_instances();
            let mut keys: Vec<String> = live.map_err(|e| Failure::environment(e.to_string()))?.into_iter().map(|one| one.key).collect();
            keys.sort_by(|a, b| place.instance_name(a).cmp(place.instance_name(b)));
            keys
        }
    };
    let mut all = Vec::new();
    for key in keys {
        let networks = place.engine.list_networks(&key).map_err(|error| failed(&error))?;
        all.extend(networks.into_iter().map(|network| (key.clone(), network)));
    }
    Ok(all)
}

/// The network meant: name, id, beginning of an id, or INSTANCE/NAME.
fn find(text: &str, instance: Option<&str>, place: &Place) -> Result<Placed> {
    let (instance, name) = match text.split_once('/') {
        Some((instance, name)) if !instance.is_empty() => (Some(instance), name),
        _ => (instance, text),
    };
    let there = all(instance, place)?;
    let mut found: Vec<&Placed> = there.iter().filter(|(_, network)| network.name == name || network.id == name).collect();
    if found.is_empty() {
        found = there.iter().filter(|(_, network)| !name.is_empty() && network.id.starts_with(name)).collect();
    }
    match found[..] {
        [one] => Ok(one.clone()),
        [] => {
            let names: Vec<&str> = there.iter().map(|(_, network)| network.name.as_str()).collect();
            let failure = failed(&Error::NoNetwork(name.to_owned()));
            Err(failure.hint(did_you_mean(name, "network", &names)))
        }
        _ => {
            let names: Vec<String> =
                found.iter().map(|(key, network)| format!("{}/{}", place.instance_name(key), network.name)).take(8).collect();
            Err(Failure::usage(format!("several networks are called or begin with `{name}`")).hint(names.join(" | ")))
        }
    }
}

fn ls(arguments: &LsArgs, place: &Place, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Name, Format::Csv, Format::Markdown])?;
    let all = all(arguments.instance.as_deref(), place)?;
    if output.format == Format::Json {
        output.json(&all.iter().map(|placed| shown(placed, place)).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|(key, network)| {
            let id = network.id.get(..12).unwrap_or(&network.id).to_owned();
            let subnets = network.network.as_ref().map(|network| {
                let v6 = network.ipv6.map(|part| format!(" {}", part.subnet));
                format!("{}{}", network.subnet, v6.unwrap_or_default())
            });
            let names: Vec<&str> = network.members.iter().map(|member| member.name.as_str()).collect();
            let subnets = subnets.unwrap_or_else(|| "-".to_owned());
            let driver = network.driver.name().to_owned();
            vec![network.name.clone(), id, driver, place.instance_name(key).to_owned(), subnets, names.join(", ")]
        })
        .collect();
    output.table(&["name", "id", "driver", "instance", "subnets", "containers"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn shown((key, network): &Placed, place: &Place) -> Value {
    let mut value = network.shown(true);
    value["Instance"] = json!(place.instance_name(key));
    value
}

fn create(arguments: &CreateArgs, place: &Place, output: &Output) -> Result {
    let key = place.instance_or_only(arguments.instance.as_deref())?;
    let options = options(arguments).map_err(|error| failed(&error))?;
    let made = place.engine.create_network(&key, |id| NetworkOptions { id, ..options }).map_err(|error| match &error {
        Error::NetworkExists(name) => failed(&error).hint(format!("vpclab networks inspect {name}")),
        Error::Network(container::network::Error::Overlap { .. }) => failed(&error).hint("another --subnet; without one the next free pool is taken"),
        _ => failed(&error),
    })?;
    match output.format {
        Format::Json => {
            let network = place.engine.find_network(&key, &made.id).map_err(|error| failed(&error))?;
            output.json(&shown(&(key, network), place))?;
        }
        _ => output.line(&made.id),
    }
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &CreateArgs) -> std::result::Result<NetworkOptions, Error> {
    Driver::parse(&arguments.driver)?;
    let mut options = NetworkOptions::new(&arguments.name, "");
    (options.internal, options.ipv6, options.attachable) = (arguments.internal, arguments.ipv6, arguments.attachable);
    for text in &arguments.subnet {
        options.add_subnet(text)?;
    }
    for text in &arguments.gateway {
        options.add_gateway(text)?;
    }
    if let Some(range) = &arguments.ip_range {
        options.add_range(range)?;
    }
    for text in &arguments.aux_address {
        let (name, address) = pair("--aux-address", text)?;
        options.add_reserved(&name, &address)?;
    }
    for text in &arguments.opt {
        let (name, value) = pair("--opt", text)?;
        options.driver_option(&name, &value)?;
    }
    options.labels = arguments.label.iter().map(|text| words::label(text)).collect::<std::result::Result<_, _>>()?;
    Ok(options)
}

fn pair(option: &'static str, text: &str) -> std::result::Result<(String, String), Error> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Error::option(option, text, "write NAME=VALUE")),
    }
}

fn inspect(arguments: &NamesArgs, place: &Place, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let found = arguments.networks.iter().map(|name| Ok(shown(&find(name, arguments.instance.as_deref(), place)?, place)));
    output.json(&found.collect::<Result<Vec<_>>>()?)?;
    Ok(ExitCode::SUCCESS)
}

fn rm(arguments: &RmArgs, place: &Place, output: &Output) -> Result {
    let (mut first, mut gone) = (None, Vec::new());
    for name in &arguments.names.networks {
        let found = find(name, arguments.names.instance.as_deref(), place);
        let removed = match found {
            Err(failure) if arguments.force && failure.code == exit::NO => continue,
            found => found.and_then(|(key, network)| {
                let removed = place.engine.remove_network(&key, &network.id);
                removed.map_err(|error| match network.members.is_empty() {
                    true => failed(&error),
                    false => failed(&error).hint(format!("vpclab networks disconnect {name} {}", network.members[0].name)),
                })
            }),
        };
        match removed {
            Ok(_) => gone.push(name.clone()),
            Err(failure) => match first {
                None => first = Some(failure),
                Some(_) => output.failure(&failure),
            },
        }
    }
    told(&gone, output)?;
    first.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn told(gone: &[String], output: &Output) -> Result<()> {
    match output.format {
        Format::Json => output.json(&gone),
        _ => {
            gone.iter().for_each(|name| output.line(name));
            Ok(())
        }
    }
}

fn connect(arguments: &ConnectArgs, place: &Place, _output: &Output) -> Result {
    let record = place.find(&arguments.pair.container, arguments.pair.instance.as_deref())?;
    let network = of_instance(&arguments.pair.network, &record.instance, place)?;
    let mac = arguments.mac_address.as_deref().map(parse_mac).transpose().map_err(|error| failed(&error.into()))?;
    let options = arguments.driver_opt.iter().map(|text| pair("--driver-opt", text));
    let asked = Attachment {
        address: arguments.ip,
        address_v6: arguments.ip6,
        mac,
        aliases: arguments.alias.clone(),
        links: arguments.link.clone(),
        gateway_priority: arguments.gw_priority,
        driver_options: options.collect::<std::result::Result<BTreeMap<_, _>, _>>().map_err(|error| failed(&error))?,
    };
    place.engine.connect_network(&record.id, &network.id, asked).map_err(|error| failed(&error))?;
    Ok(ExitCode::SUCCESS)
}

fn disconnect(arguments: &DisconnectArgs, place: &Place, _output: &Output) -> Result {
    let record = place.find(&arguments.pair.container, arguments.pair.instance.as_deref())?;
    let network = of_instance(&arguments.pair.network, &record.instance, place)?;
    place.engine.disconnect_network(&record.id, &network.id, arguments.force).map_err(|error| failed(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// The network meant in a container's own instance.
fn of_instance(text: &str, key: &str, place: &Place) -> Result<ShownNetwork> {
    let name = text.rsplit('/').next().unwrap_or(text);
    place.engine.find_network(key, name).map_err(|error| match &error {
        Error::NoNetwork(_) => {
            let there = place.engine.list_networks(key).unwrap_or_default();
            let names: Vec<&str> = there.iter().map(|network| network.name.as_str()).collect();
            let instance = place.instance_name(key);
            let failure = Failure { code: exit::NO, message: format!("network {name} not found in instance {instance}, where the container is"), hint: None };
            failure.hint(did_you_mean(name, "network", &names))
        }
        _ => failed(&error),
    })
}

fn prune(arguments: &PruneArgs, place: &Place, output: &Output) -> Result {
    let mut unused = all(arguments.instance.as_deref(), place)?;
    unused.retain(|(_, network)| !network.is_predefined() && network.members.is_empty());
    if !arguments.yes && !unused.is_empty() {
        let names: Vec<&str> = unused.iter().map(|(_, network)| network.name.as_str()).take(8).collect();
        let failure = Failure::usage(format!("this removes {} networks: {}", unused.len(), names.join(", ")));
        return Err(failure.hint("--yes says that it is meant"));
    }
    let keys: std::collections::BTreeSet<&String> = unused.iter().map(|(key, _)| key).collect();
    let mut gone = Vec::new();
    for key in keys {
        gone.extend(place.engine.prune_networks(key, |_| true).map_err(|error| failed(&error))?);
    }
    told(&gone, output)?;
    Ok(ExitCode::SUCCESS)
}
