//! What is said of each part, in the order of the workshop: kernel, processes, namespaces, root, mounts, limits, rights,
//! network. Sentences say what the figures below them show.

use container::engine::Anatomy;
use container::engine::anatomy::parts::{Bridge, Device, Layer, Mount, Namespace, Process, Rule};

use super::{short, size};

/// A part with its sentence and its lines.
pub(crate) struct Chapter {
    pub title: &'static str,
    /// What it comes to.
    pub about: String,
    pub lines: Vec<Line>,
}

/// A line below a chapter.
pub(crate) enum Line {
    /// Broken where it is too long.
    Words(String),
    /// Columns; the last one is cut where it is too long.
    Cells(Vec<String>),
    /// The same, as a heading of columns.
    Heading(Vec<String>),
    /// What to type.
    Type(String),
}

fn cells<const N: usize>(cells: [&str; N]) -> Line {
    Line::Cells(cells.into_iter().map(str::to_owned).collect())
}

/// All chapters of it.
pub(crate) fn of(found: &Anatomy) -> Vec<Chapter> {
    let mut chapters = vec![kernel(found)];
    if found.subject.is_alive {
        chapters.push(processes(found));
        chapters.push(namespaces(found));
    }
    if found.subject.kind == "container" {
        chapters.push(root(found));
    }
    chapters.push(mounts(found));
    chapters.push(limits(found));
    if found.subject.is_alive {
        chapters.push(rights(found));
    }
    chapters.push(network(found));
    if !found.unknown.is_empty() {
        let lines = found.unknown.iter().map(|text| Line::Words(text.clone())).collect();
        chapters.push(Chapter { title: "not seen", about: String::new(), lines });
    }
    chapters
}

fn kernel(found: &Anatomy) -> Chapter {
    let kernel = &found.kernel;
    let subject = &found.subject;
    let all: Vec<&String> = std::iter::once(&kernel.machine).chain(&kernel.instance).chain(&kernel.container).collect();
    let same = all.iter().all(|one| *one == all[0]);
    let about = match (subject.is_alive, same) {
        (false, _) => format!("{} on this machine; {} does not run", kernel.machine, subject.name),
        (true, true) => format!("{}: one kernel for all, no virtual machine", kernel.machine),
        (true, false) => "these differ, and cannot: report it".to_owned(),
    };
    let mut lines = Vec::new();
    if subject.is_alive {
        let said = |who: &str, release: &Option<String>| cells(["uname -r", release.as_deref().unwrap_or("?"), who]);
        lines.push(cells(["uname -r", &kernel.machine, "this machine"]));
        lines.push(said(&format!("instance {}", subject.instance), &kernel.instance));
        if subject.kind == "container" {
            lines.push(said(&format!("container {}", subject.name), &kernel.container));
        }
    }
    Chapter { title: "kernel", about, lines }
}

/// What stands before a process in its tree.
pub(crate) fn indent(process: &Process) -> String {
    "  ".repeat(process.depth)
}

/// What a process is to the reader.
pub(crate) fn role(process: &Process, found: &Anatomy) -> Option<String> {
    let subject = &found.subject;
    match process.role.as_str() {
        "holder" => Some(format!("(holder of lab {})", subject.lab)),
        "init" => Some(format!("(init of {})", subject.instance)),
        "shim" => Some("(shim: streams, log, exit code)".to_owned()),
        _ => None,
    }
}

fn processes(found: &Anatomy) -> Chapter {
    let is_container = found.subject.kind == "container";
    let number = |number: Option<i32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let mut heading = vec!["machine".to_owned(), found.subject.instance.clone()];
    if is_container {
        heading.push(found.subject.name.clone());
    } else {
        heading.push("container".to_owned());
    }
    heading.extend(["user", "command"].map(str::to_owned));
    let mut lines = vec![Line::Heading(heading)];
    for process in &found.processes {
        let what = role(process, found).unwrap_or_else(|| process.command.clone());
        lines.push(Line::Cells(vec![
            number(process.machine),
            number(process.instance),
            number(process.container),
            process.user.map_or_else(|| "-".to_owned(), |user| user.to_string()),
            format!("{}{what}", indent(process)),
        ]));
    }
    let own = found.processes.iter().filter(|one| one.role == "container").count();
    let about = match is_container {
        true => format!("{own} of its own, each with three numbers: one in every process list that has it"),
        false => format!("{} in its list", found.processes.iter().filter(|one| one.instance.is_some()).count()),
    };
    Chapter { title: "processes", about, lines }
}

fn namespaces(found: &Anatomy) -> Chapter {
    let own = found.namespaces.iter().filter(|one| one.is_own).count();
    let shared = found.namespaces.iter().filter(|one| !one.shared_with.is_empty()).count();
    let lines = found.namespaces.iter().map(|one| cells([&one.kind, &inode(one), &whose(one), &one.what])).collect();
    Chapter { title: "namespaces", about: format!("{own} of its own, {shared} shared"), lines }
}

pub(crate) fn inode(one: &Namespace) -> String {
    one.inode.map_or_else(|| "?".to_owned(), |inode| inode.to_string())
}

/// Whether a namespace is its own, or who else is in it.
pub(crate) fn whose(one: &Namespace) -> String {
    match (one.is_own, one.inode) {
        (true, _) => "own".to_owned(),
        (false, None) => "not shown to anybody".to_owned(),
        (false, Some(_)) => match &one.shared_with[..] {
            // An instance that shares it says all; that the machine has it too adds nothing.
            [first] => format!("of {first}"),
            [first, rest @ ..] => format!("of {first}, {}", rest.join(", ")),
            [] => "own".to_owned(),
        },
    }
}

/// `Added 2, changed 1, deleted 0`.
fn counts(found: &Anatomy) -> Option<String> {
    let own = found.root.own.as_ref()?;
    let total = own.added + own.changed + own.deleted;
    Some(match total {
        0 => "nothing written yet".to_owned(),
        _ => format!("{} added, {} changed, {} deleted; {} in files", own.added, own.changed, own.deleted, size(own.bytes)),
    })
}

pub(crate) fn layer_size(layer: &Layer) -> String {
    size(layer.bytes.unwrap_or(layer.packed_bytes))
}

fn root(found: &Anatomy) -> Chapter {
    let root = &found.root;
    let subject = &found.subject;
    let layers = root.layers.len();
    let many = if layers == 1 { "1 read-only layer".to_owned() } else { format!("{layers} read-only layers") };
    let image = subject.image.as_deref().unwrap_or("its image");
    let refuses = if root.is_read_only { ", and refuses writes" } else { "" };
    let about = match &root.file_system {
        Some(kind) => format!("{kind}: {many} of {image} below one that is its own{refuses}"),
        None => format!("{many} of {image}, and what it wrote"),
    };
    let mut lines = Vec::new();
    if let (Some(at), Some(seen)) = (&root.root_of_first, root.mounts_seen) {
        let text = match at.as_str() {
            "/" => format!(
                "pivot_root: its / is the top of its own mount table ({seen} mounts, none of {}), and the old root is unmounted. \
                 chroot would only begin paths elsewhere: the same mount table, and a way out for root.",
                subject.instance
            ),
            at => format!("chroot: its / is {at} of a mount table that is not its own"),
        };
        lines.push(Line::Words(text));
    }
    if let Some(counts) = counts(found) {
        lines.push(cells(["own", "writable", &counts]));
        for entry in root.own.iter().flat_map(|own| &own.entries) {
            let bytes = entry.bytes.map_or_else(String::new, size);
            lines.push(cells(["", &format!("{:>8}", bytes), &format!("{} {}", entry.kind, entry.path)]));
        }
        let own = root.own.as_ref();
        let rest = own.map_or(0, |own| (own.added + own.changed + own.deleted).saturating_sub(own.entries.len()));
        if rest > 0 {
            lines.push(cells(["", "", &format!("and {rest} more: vpclab containers diff {}", subject.name)]));
        }
    }
    for (at, layer) in root.layers.iter().enumerate().rev() {
        let made = layer.instruction.as_deref().unwrap_or("(the image does not say)");
        let shared = match layer.shared_by {
            0 => String::new(),
            1 => " [1 other container has it]".to_owned(),
            many => format!(" [{many} other containers have it]"),
        };
        let number = format!("layer {}", at + 1);
        lines.push(cells([&number, &format!("{:>8}", layer_size(layer)), &format!("{}  {made}{shared}", short(&layer.digest))]));
    }
    if !root.settings.is_empty() {
        lines.push(cells(["set", "", &root.settings.join("; ")]));
    }
    Chapter { title: "root", about, lines }
}

/// Mounts that people asked for, then how many there are of the others.
fn mounts(found: &Anatomy) -> Chapter {
    let asked: Vec<&Mount> = found.mounts.iter().filter(|mount| matches!(mount.kind.as_str(), "volume" | "bind") || is_memory(mount)).collect();
    let mut lines = Vec::new();
    for mount in &asked {
        lines.push(cells([&mount.target, &mount.kind, &mount_words(mount)]));
    }
    let count = |kind: &str| found.mounts.iter().filter(|mount| mount.kind == kind).count();
    let others = [("kernel", "of the kernel"), ("device", "devices"), ("mask", "masks over /proc and /sys"), ("names", "files of names")];
    let others: Vec<String> = others.iter().filter(|(kind, _)| count(kind) > 0).map(|(kind, what)| format!("{} {what}", count(kind))).collect();
    if !others.is_empty() {
        lines.push(Line::Words(format!("and {}", others.join(", "))));
    }
    let volumes = asked.iter().filter(|mount| mount.kind == "volume").count();
    let about = match (found.subject.kind.as_str(), volumes) {
        ("instance", _) => format!("{} mounts", found.mounts.len()),
        (_, 0) if asked.is_empty() => "no volume: what it writes goes with it".to_owned(),
        (_, 0) => "no volume".to_owned(),
        (_, 1) => "1 volume: state that is given from outside".to_owned(),
        (_, many) => format!("{many} volumes: state that is given from outside"),
    };
    Chapter { title: "mounts", about, lines }
}

fn is_memory(mount: &Mount) -> bool {
    mount.kind == "tmpfs" && !matches!(mount.target.as_str(), "/dev" | "/dev/shm")
}

/// `volume data, read-only, private, survives`.
pub(crate) fn mount_words(mount: &Mount) -> String {
    let mut words = vec![mount.source.clone()];
    words.push(if mount.is_read_only { "read-only" } else { "writable" }.to_owned());
    words.extend(mount.propagation.clone());
    words.push(match (mount.survives, mount.is_anonymous) {
        (true, true) => "goes with `rm -v`".to_owned(),
        (true, false) => "survives".to_owned(),
        (false, _) => "goes with the container".to_owned(),
    });
    words.join(", ")
}

fn limits(found: &Anatomy) -> Chapter {
    let limits = &found.limits;
    let mut lines = Vec::new();
    let has = |name: &str| limits.enforced.iter().any(|one| one == name);
    let of = |used: Option<String>, most: Option<String>| {
        format!("{} of {}", used.unwrap_or_else(|| "?".to_owned()), most.unwrap_or_else(|| "its instance's".to_owned()))
    };
    if let Some(advice) = &limits.advice {
        let about = match limits.not_enforced.is_empty() {
            true => "none: no cgroup was delegated to this user".to_owned(),
            false => format!("none: no cgroup was delegated; {} is not enforced", limits.not_enforced.join(" ")),
        };
        lines.push(Line::Type(advice.clone()));
        return Chapter { title: "limits", about, lines };
    }
    if found.subject.is_alive {
        if has("memory") {
            lines.push(cells(["memory", &of(limits.memory_used.map(size), limits.memory.map(size))]));
        }
        if has("cpu") {
            let spent = limits.cpu_used.map(|spent| format!("{:.2} s taken", spent as f64 / 1e6));
            let most = limits.cpu_percent.map_or_else(|| "as much as its instance".to_owned(), |percent| format!("{:.2} processors", percent as f64 / 100.0));
            lines.push(cells(["cpu", &format!("{}, at most {most}", spent.unwrap_or_else(|| "?".to_owned()))]));
        }
        if has("pids") {
            lines.push(cells(["pids", &of(limits.processes_used.map(|n| n.to_string()), limits.processes.map(|n| n.to_string()))]));
        }
        lines.extend(limits.group.as_ref().map(|group| cells(["cgroup", group])));
    }
    Chapter { title: "limits", about: format!("{} enforced by cgroup v2", limits.enforced.join(", ")), lines }
}

fn rights(found: &Anatomy) -> Chapter {
    let rights = &found.rights;
    let mut lines = Vec::new();
    let besides = match (rights.beyond_docker.is_empty(), rights.taken_away.is_empty()) {
        (false, true) if rights.capabilities.len() > 35 => "all that there are, over what it owns".to_owned(),
        (true, true) => "Docker's fourteen".to_owned(),
        (false, true) => format!("Docker's fourteen and {}", rights.beyond_docker.join(" ")),
        (true, false) if rights.capabilities.is_empty() => "none".to_owned(),
        (true, false) => format!("Docker's fourteen without {}", rights.taken_away.join(" ")),
        (false, false) => rights.capabilities.join(" "),
    };
    lines.push(cells(["capabilities", &format!("{}: {besides}", rights.capabilities.len())]));
    let filters = rights.seccomp_filters.map_or_else(String::new, |many| format!(", {many} above each other"));
    lines.push(cells(["seccomp", &format!("{}{filters}", rights.seccomp.as_deref().unwrap_or("?"))]));
    let kept = match rights.no_new_privileges {
        Some(true) => "yes: setuid programs give nobody more",
        Some(false) => "no",
        None => "?",
    };
    lines.push(cells(["no_new_privs", kept]));
    for range in &rights.users {
        let many = if range.count == 1 { "this one alone".to_owned() } else { format!("{} of them", range.count) };
        lines.push(cells(["users", &format!("{} inside is {} on this machine, {many}", range.inside, range.outside)]));
    }
    let about = match (rights.user, rights.is_privileged) {
        (_, true) => "privileged: all that its instance's root has".to_owned(),
        (Some(0), _) => "root inside, nobody outside".to_owned(),
        (Some(user), _) => format!("user {user} inside"),
        (None, _) => String::new(),
    };
    let about = match rights.users.iter().find(|range| range.inside == 0) {
        Some(range) if rights.user == Some(0) && !rights.is_privileged => format!("root inside is user {} outside", range.outside),
        _ => about,
    };
    Chapter { title: "rights", about, lines }
}

/// `eth0 #2`.
pub(crate) fn named(device: &Device) -> String {
    format!("{} #{}", device.name, device.index)
}

pub(crate) fn device_words(device: &Device) -> String {
    let mut words = device.addresses.clone();
    words.extend(device.mac.clone());
    words.push(format!("mtu {}", device.mtu));
    if !device.is_up {
        words.push("down".to_owned());
    }
    words.join("  ")
}

pub(crate) fn bridge_words(bridge: &Bridge) -> String {
    let mut words = vec![format!("network {}", bridge.network)];
    words.extend(bridge.is_internal.then(|| "internal: no way out".to_owned()));
    words.extend((!bridge.icc).then(|| "icc off".to_owned()));
    words.join(", ")
}

pub(crate) fn rule_words(rule: &Rule) -> String {
    let does = match rule.does.as_str() {
        "verdict" | "other" => String::new(),
        does => format!("{does}: "),
    };
    let met = match rule.packets {
        Some(1) => "  (1 packet)".to_owned(),
        Some(packets) => format!("  ({packets} packets)"),
        None => String::new(),
    };
    format!("{does}{}{met}", rule.text)
}

/// Rules that translate; the others are in the JSON.
pub(crate) fn shown_rules(found: &Anatomy) -> impl Iterator<Item = &Rule> {
    let wanted = |rule: &&Rule| rule.does == "dnat" || rule.does == "masquerade" || (rule.stage == "docker-icc" && rule.text.contains("off"));
    found.network.rules.iter().filter(wanted)
}

fn network(found: &Anatomy) -> Chapter {
    let network = &found.network;
    let subject = &found.subject;
    let mut lines = Vec::new();
    let mut about = match (network.mode.as_str(), subject.is_alive) {
        (_, false) => format!("--network {}: it has no device while it does not run", network.mode),
        ("host", _) => format!("--network host: the devices of {}", subject.instance),
        ("none", _) => "--network none: lo and nothing else".to_owned(),
        ("vpc", _) => format!("{} into its VPC", network.devices.iter().filter(|one| one.kind == "veth" || one.kind == "device").count().min(1)),
        (mode, _) if mode.starts_with("container:") => format!("--network {mode}: the devices of another container"),
        _ => match network.cables.first() {
            Some(cable) => format!("a cable into {}", cable.bridge),
            None => network.mode.clone(),
        },
    };
    if subject.kind == "instance" && subject.is_alive {
        about = "its interfaces lead into the VPC, its bridges to containers".to_owned();
    }
    if network.cables.is_empty() {
        let shown = network.devices.iter().filter(|device| device.kind != "loopback" && !device.name.starts_with("veth"));
        let bridges: Vec<&str> = network.bridges.iter().map(|bridge| bridge.device.name.as_str()).collect();
        for device in shown.filter(|device| !bridges.contains(&device.name.as_str())) {
            lines.push(cells([&named(device), &device_words(device)]));
        }
    }
    for cable in &network.cables {
        lines.push(cells([&named(&cable.inside), &device_words(&cable.inside)]));
        lines.push(cells(["  cable to", &format!("{} in {}, a port of {}", named(&cable.outside), subject.instance, cable.bridge)]));
    }
    for bridge in &network.bridges {
        lines.push(cells([&named(&bridge.device), &format!("{}  {}", bridge.device.addresses.join(" "), bridge_words(bridge))]));
        for member in &bridge.members {
            let own = if member.name == subject.name && subject.kind == "container" { " (this one)" } else { "" };
            lines.push(cells(["  port", &format!("{}  {} {}{own}", member.port, member.address, member.name)]));
        }
    }
    for device in &network.uplinks {
        lines.push(cells([&named(device), &format!("{}  of {}, into its VPC", device.addresses.join(" "), subject.instance)]));
    }
    for published in &network.published {
        let text = format!("{}:{}/{} of {} leads to {}", published.address, published.port, published.protocol, subject.instance, published.to);
        lines.push(cells(["published", &text]));
    }
    for rule in shown_rules(found) {
        lines.push(cells(["  rule", &rule_words(rule)]));
    }
    for route in &network.routes {
        lines.push(cells(["route", route]));
    }
    for line in network.resolver.iter().filter(|line| !line.starts_with('#')) {
        lines.push(cells(["resolv.conf", line]));
    }
    let is_own = |line: &&String| !line.contains("localhost") && !line.contains("ip6-") && !line.starts_with('#');
    for line in network.hosts.iter().filter(is_own) {
        lines.push(cells(["hosts", &line.split_whitespace().collect::<Vec<_>>().join(" ")]));
    }
    Chapter { title: "network", about, lines }
}
