//! From files to one lab: includes merged, `like` and `count` expanded, decoded with places.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::claim::Claim;

use crate::code::Code;
use crate::containers::{self, ContainerFiles};
use crate::decode::{Decode, Decoder};
use crate::diagnostic::{Diagnostic, Diagnostics, known_names};
use crate::file::{ElasticIp, Instance, Ipv6Addresses, LabFile, Promise, PublicIp, UserData};
use crate::source::{Located, Sources, Span};
use crate::yaml::{self, Node, Value};

/// Files of one lab at most, each counted as often as it is included.
const MAX_FILES: usize = 64;
/// Copies that `count` makes at most.
const MAX_COUNT: u32 = 5_000;
/// Instances of one lab at most.
const MAX_INSTANCES: usize = 100_000;
/// Longest chain of `like`.
const MAX_LIKE: usize = 64;
/// Values that `like` may repeat in all, so that a small file cannot fill the memory.
const MAX_COPIED: usize = 1_000_000;
/// Values that `count` may make in all.
const MAX_COUNTED: usize = 4_000_000;
/// Addresses of outside places at most: each is compared with all others.
const MAX_OUTSIDE: usize = 2_000;
/// Most bytes of user data (UD-1).
const MAX_USER_DATA: usize = 16 * 1024;

/// Where files come from; the room itself reads none.
pub trait Files {
    /// The content of a file. `name` is as the user or an include wrote it; `from` is the file that includes it.
    /// Answers the name to show and the text. Errors: a sentence.
    fn read(&self, name: &str, from: Option<&str>) -> Result<(String, String), String>;

    /// Where a file or folder is for whoever runs the lab, that `from` names as `name`.
    fn place(&self, name: &str, from: Option<&str>) -> String {
        let folder = from.and_then(|from| from.rsplit_once('/')).map(|(folder, _)| folder);
        match folder.filter(|_| !name.starts_with('/')) {
            Some(folder) => format!("{folder}/{name}"),
            None => name.to_owned(),
        }
    }

    /// Whether something is where [`Files::place`] says. Whoever cannot look says yes.
    fn is_there(&self, place: &str) -> bool {
        let _ = place;
        true
    }
}

/// A lab as a file describes it, names not yet resolved against a cloud.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Its name.
    pub name: String,
    /// What is written.
    pub file: LabFile,
    /// Instances with `like` and `count` expanded, by name in file order.
    pub instances: Vec<(Located<String>, Instance)>,
    /// User data by instance, files read.
    pub user_data: BTreeMap<String, String>,
    /// What containers name beside the file.
    pub container_files: ContainerFiles,
    /// Texts of policies that are in files of their own, by where the file is named.
    pub policy_files: BTreeMap<Span, String>,
    /// Where everything is written.
    pub sources: Sources,
}

impl Lab {
    /// What the file promises about traffic, in order.
    pub fn claims(&self) -> Vec<Claim> {
        let traffic = |promise: &Promise| match promise {
            Promise::Traffic(phrase) => Some(phrase.claim.clone()),
            Promise::Right(_) => None,
        };
        self.file.expect.iter().filter_map(traffic).collect()
    }

    /// What the file promises about rights, in order.
    pub fn rights(&self) -> Vec<iam::Claim> {
        let right = |promise: &Promise| match promise {
            Promise::Right(phrase) => Some(phrase.claim.clone()),
            Promise::Traffic(_) => None,
        };
        self.file.expect.iter().filter_map(right).collect()
    }

    /// The region.
    pub fn region(&self) -> model::Region {
        self.file.region.as_ref().map(|region| model::Region(region.value.clone())).unwrap_or_default()
    }
}

/// Reads a lab file and what it includes.
pub fn load(name: &str, files: &dyn Files) -> Result<Lab, Diagnostics> {
    let mut sources = Sources::default();
    let root = match read(name, None, files, &mut sources, &mut Vec::new()) {
        Ok(root) => root,
        Err(problem) => return Err(Diagnostics::new(sources, vec![*problem])),
    };
    let mut problems = Vec::new();
    let root = expand_like(root, &mut problems);
    if let Some(problem) = too_many_copies(&root) {
        problems.push(problem);
        return Err(Diagnostics::new(sources, problems));
    }
    let mut decoder = Decoder::new(&sources);
    let file = LabFile::decode(&root, &mut decoder);
    problems.extend(decoder.problems);
    let Some(file) = file else { return Err(Diagnostics::new(sources, problems)) };
    if let Some((name, _)) = file
        .outside
        .iter()
        .scan(0, |sum, (name, addresses)| {
            *sum += addresses.0.len();
            Some((name, *sum))
        })
        .find(|(_, sum)| *sum > MAX_OUTSIDE)
    {
        let message = format!("outside places have at most {MAX_OUTSIDE} addresses in all");
        problems.push(
            Diagnostic::new(Code::OutOfRange, name.span, message).label("one too many").hint("a block in a rule needs no place"),
        );
    }
    let instances = expand_count(&file, &mut problems);
    let user_data = user_data(&instances, files, &sources, &mut problems);
    containers::check(&file, &mut problems);
    let container_files = containers::read(&file, files, &sources, &mut problems);
    let policy_files = crate::identity::read_policies(&file, files, &sources, &mut problems);
    if !problems.is_empty() {
        return Err(Diagnostics::new(sources, problems));
    }
    let named = file.name.as_ref().map(|name| name.value.clone());
    let name = named.unwrap_or_else(|| stem(sources.source(0).map_or(name, |source| source.name.as_str())));
    Ok(Lab { name, file, instances, user_data, container_files, policy_files, sources })
}

/// `labs/shop.cloud.yaml` is the lab shop.
pub fn stem(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    let stem = base.split('.').next().unwrap_or(base);
    match stem {
        "" | "-" | "<stdin>" => "lab".to_owned(),
        stem => stem.to_owned(),
    }
}

/// One file with everything that it includes below it.
fn read(
    name: &str,
    from: Option<(&str, Span)>,
    files: &dyn Files,
    sources: &mut Sources,
    above: &mut Vec<String>,
) -> Result<Node, Box<Diagnostic>> {
    let place = |diagnostic: Diagnostic| match from {
        Some((_, span)) => Diagnostic { place: Some(span), ..diagnostic },
        None => diagnostic,
    };
    let (shown, text) = files.read(name, from.map(|(file, _)| file)).map_err(|why| {
        // The standard library's own word for it.
        let code = if why.contains("UTF-8") { Code::NotUtf8 } else { Code::CannotRead };
        place(Diagnostic::general(code, format!("{name}: {why}")))
    })?;
    if text.len() > yaml::MAX_BYTES {
        let message = format!("{name}: a lab file has at most {} MiB", yaml::MAX_BYTES >> 20);
        return Err(place(Diagnostic::general(Code::TooLarge, message)).hint("`count: 200` makes 200 of one instance").into());
    }
    if above.contains(&shown) {
        let way = above.iter().chain([&shown]).map(String::as_str).collect::<Vec<_>>().join(" includes ");
        return Err(place(Diagnostic::general(Code::IncludeCycle, way).label("includes itself")).into());
    }
    // Counted in all, not in depth: files that each include the next one twice would double at every level.
    if sources.len() >= MAX_FILES {
        return Err(place(Diagnostic::general(Code::IncludeCycle, format!("a lab has at most {MAX_FILES} files"))).into());
    }
    let file = sources.add(shown.clone(), text);
    let mut root = yaml::parse(sources, file)?;
    let includes: Vec<(String, Span)> = match root.get("include") {
        Some(Node { value: Value::Sequence(list), .. }) => {
            list.iter().filter_map(|node| Some((node.text()?.to_owned(), node.span))).collect()
        }
        Some(node) => node.text().map(|text| (text.to_owned(), node.span)).into_iter().collect(),
        None => Vec::new(),
    };
    above.push(shown.clone());
    // The later of two includes lies above the earlier, and this file above both.
    let mut below: Option<Node> = None;
    for (name, span) in includes {
        let included = read(&name, Some((&shown, span)), files, sources, above)?;
        below = Some(match below {
            Some(lower) => merge(lower, included),
            None => included,
        });
    }
    above.pop();
    if let Some(mut below) = below {
        if let Value::Mapping(entries) = &mut below.value {
            entries.retain(|(key, _)| !matches!(key.text(), Some("include" | "name")));
        }
        root = merge(below, root);
    }
    Ok(root)
}

/// Mappings by key; lists and single values of `over` replace those of `under`.
fn merge(under: Node, over: Node) -> Node {
    match (under.value, over.value) {
        (Value::Mapping(lower), Value::Mapping(upper)) => {
            let places: HashMap<String, usize> =
                upper.iter().enumerate().filter_map(|(at, (key, _))| Some((key.text()?.to_owned(), at))).collect();
            let mut upper: Vec<Option<(Node, Node)>> = upper.into_iter().map(Some).collect();
            let mut entries = Vec::with_capacity(lower.len() + upper.len());
            for (key, old) in lower {
                match key.text().and_then(|text| places.get(text)).and_then(|at| upper[*at].take()) {
                    Some((key, value)) => entries.push((key, merge(old, value))),
                    None => entries.push((key, old)),
                }
            }
            entries.extend(upper.into_iter().flatten());
            Node { span: over.span, value: Value::Mapping(entries) }
        }
        (_, value) => Node { span: over.span, value },
    }
}

/// Instances take from the one that `like` names what they do not say themselves.
fn expand_like(mut root: Node, problems: &mut Vec<Diagnostic>) -> Node {
    let Value::Mapping(entries) = &mut root.value else { return root };
    let Some((_, instances)) = entries.iter_mut().find(|(key, _)| key.text() == Some("instances")) else { return root };
    let Value::Mapping(instances) = &mut instances.value else { return root };
    let places: HashMap<String, usize> =
        instances.iter().enumerate().filter_map(|(at, (key, _))| Some((key.text()?.to_owned(), at))).collect();
    let mut done = vec![false; instances.len()];
    let mut copied = 0;
    for start in 0..instances.len() {
        let chain = like_chain(start, instances, &places, &done, problems);
        // From the far end: what is copied is whole before it is copied.
        for pair in chain.windows(2).rev() {
            let (copy, original) = (pair[0], pair[1]);
            let mut below = instances[original].1.clone();
            copied += below.size();
            if copied > MAX_COPIED {
                let message = format!("`like` repeats more than {MAX_COPIED} values");
                let problem = Diagnostic::new(Code::TooManyAliases, instances[copy].0.span, message);
                problems.push(problem.label("one too many").hint("`count:` makes many alike"));
                return root;
            }
            if let Value::Mapping(entries) = &mut below.value {
                entries.retain(|(key, _)| key.text() != Some("like"));
            }
            let own = &mut instances[copy].1;
            let nothing = Node { span: own.span, value: Value::Sequence(Vec::new()) };
            let own = std::mem::replace(own, nothing);
            instances[copy].1 = merge(below, own);
        }
        for at in chain {
            done[at] = true;
        }
    }
    root
}

/// An instance, the one it is like, and so on, up to the first that is whole.
fn like_chain(
    start: usize,
    instances: &[(Node, Node)],
    places: &HashMap<String, usize>,
    done: &[bool],
    problems: &mut Vec<Diagnostic>,
) -> Vec<usize> {
    let mut chain = vec![start];
    loop {
        let at = chain[chain.len() - 1];
        let Some(like) = instances[at].1.get("like").filter(|_| !done[at]) else { return chain };
        let Some(name) = like.text() else { return chain };
        let way = || chain.iter().filter_map(|i| instances[*i].0.text()).collect::<Vec<_>>().join(" like ");
        match places.get(name) {
            None => {
                let problem = Diagnostic::new(Code::UnknownInstance, like.span, format!("`like: {name}` names no instance"));
                let known = known_names(name, "instance", places.keys().map(String::as_str).collect::<BTreeSet<_>>());
                problems.push(problem.label("not found").hint(known));
                return chain;
            }
            Some(original) if chain.contains(original) => {
                let message = format!("instances copy each other: {} like {name}", way());
                problems.push(Diagnostic::new(Code::LikeCycle, like.span, message).label("leads back"));
                return chain;
            }
            Some(_) if chain.len() >= MAX_LIKE => {
                let message = format!("more than {MAX_LIKE} instances, each like the next");
                problems.push(Diagnostic::new(Code::LikeCycle, like.span, message).label("one too many"));
                return chain;
            }
            Some(original) => chain.push(*original),
        }
    }
}

/// An instance whose copies, by `count`, would fill the memory.
fn too_many_copies(root: &Node) -> Option<Diagnostic> {
    let Some(Node { value: Value::Mapping(instances), .. }) = root.get("instances") else { return None };
    let mut all = 0_usize;
    for (_, instance) in instances {
        let Some(count) = instance.get("count") else { continue };
        let copies = count.text().and_then(|text| text.parse().ok()).unwrap_or(0);
        all = all.saturating_add(instance.size().saturating_mul(copies));
        if all > MAX_COUNTED && copies <= MAX_COUNT as usize {
            let message = format!("`count` makes more than {MAX_COUNTED} values");
            return Some(Diagnostic::new(Code::OutOfRange, count.span, message).label("one too many"));
        }
    }
    None
}

/// `count: 3` makes web-1, web-2, web-3 of web.
fn expand_count(file: &LabFile, problems: &mut Vec<Diagnostic>) -> Vec<(Located<String>, Instance)> {
    let mut all: Vec<(Located<String>, Instance)> = Vec::new();
    let mut names: HashMap<String, Span> = HashMap::new();
    let mut addresses: HashMap<(Span, &str), &str> = HashMap::new();
    let outside: HashMap<&str, Span> = file.outside.iter().map(|(n, _)| (n.value.as_str(), n.span)).collect();
    for (name, instance) in file.instances.iter() {
        let copies = match &instance.count {
            None => vec![name.clone()],
            Some(count) if (1..=MAX_COUNT).contains(&count.value) => {
                (1..=count.value).map(|n| Located::new(format!("{}-{n}", name.value), name.span)).collect()
            }
            Some(count) => {
                problems.push(
                    Diagnostic::new(Code::OutOfRange, count.span, format!("`count: {}` is out of range", count.value))
                        .label(format!("1 to {MAX_COUNT}")),
                );
                continue;
            }
        };
        for address in fixed_addresses(instance) {
            problems.extend(shared_address(name, instance, &address, copies.len(), &mut addresses));
        }
        for copy in copies {
            if all.len() >= MAX_INSTANCES {
                let message = format!("a lab has at most {MAX_INSTANCES} instances");
                problems.push(Diagnostic::new(Code::OutOfRange, copy.span, message).label("one too many"));
                return all;
            }
            if let Some(first) = names.insert(copy.value.clone(), copy.span) {
                let clash =
                    Diagnostic::new(Code::NameClash, copy.span, format!("two instances would be called `{}`", copy.value));
                problems.push(clash.label("again").other(first, "first"));
            }
            if let Some(place) = outside.get(copy.value.as_str()) {
                let clash = Diagnostic::new(Code::NameClash, copy.span, format!("`{}` is an outside place already", copy.value));
                problems.push(clash.label("one name for two").other(*place, "the place"));
            }
            all.push((copy, instance.clone()));
        }
    }
    all
}

/// An address that an instance has for itself, and the subnet where it counts; a public one counts everywhere.
struct FixedAddress<'f> {
    text: String,
    span: Span,
    key: &'static str,
    subnet: &'f str,
}

fn fixed_addresses(instance: &Instance) -> Vec<FixedAddress<'_>> {
    fn subnet(written: &Option<Located<String>>) -> Option<&str> {
        written.as_ref().map(|subnet| subnet.value.as_str())
    }
    let own = subnet(&instance.subnet).unwrap_or_default();
    let interfaces = instance.interfaces.iter().map(|i| (&i.private_ip, &i.ipv6, &i.public_ip, subnet(&i.subnet).unwrap_or(own)));
    let all = std::iter::once((&instance.private_ip, &instance.ipv6, &instance.public_ip, own)).chain(interfaces);
    let mut found = Vec::new();
    for (private, ipv6, public, subnet) in all {
        if let Some(private) = private {
            found.push(FixedAddress { text: private.value.to_string(), span: private.span, key: "private_ip", subnet });
        }
        if let Some(Located { value: Ipv6Addresses::List(list), .. }) = ipv6 {
            found.extend(list.iter().map(|own| FixedAddress { text: own.value.to_string(), span: own.span, key: "ipv6", subnet }));
        }
        if let Some(Located { value: PublicIp::Elastic(ElasticIp::Address(address)), span }) = public {
            found.push(FixedAddress { text: address.to_string(), span: *span, key: "public_ip", subnet: "" });
        }
    }
    found
}

/// One written address that several instances would have, by `count` or by `like`.
fn shared_address<'f>(
    name: &'f Located<String>,
    instance: &'f Instance,
    address: &FixedAddress<'f>,
    copies: usize,
    known: &mut HashMap<(Span, &'f str), &'f str>,
) -> Option<Diagnostic> {
    let FixedAddress { text, span, key, subnet } = address;
    if copies > 1 {
        let problem = Diagnostic::new(Code::Conflict, *span, format!("{copies} instances cannot share the address {text}"));
        return Some(problem.label("with `count`"));
    }
    let first = known.insert((*span, *subnet), name.value.as_str())?;
    let place = instance.like.as_ref().map_or(name.span, |like| like.span);
    let how = if instance.like.is_some() { "`like`" } else { "an alias" };
    let message = format!("{how} gives `{}` the address {text} of `{first}` as well", name.value);
    let problem = Diagnostic::new(Code::Conflict, place, message).label("copies all keys");
    Some(problem.other(*span, "this one too").hint(format!("write a `{key}` for `{}`", name.value)))
}

fn user_data(
    instances: &[(Located<String>, Instance)],
    files: &dyn Files,
    sources: &Sources,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    // Copies share a file; it is read once.
    let mut known: HashMap<(u32, &str), Option<String>> = HashMap::new();
    for (name, instance) in instances {
        let text = match &instance.user_data {
            None => continue,
            Some(UserData::Inline(text)) if text.value.len() <= MAX_USER_DATA => Some(text.value.clone()),
            Some(UserData::Inline(text)) => known
                .entry((text.span.file, text.value.as_str()))
                .or_insert_with(|| {
                    problems.push(too_much_user_data(text.span, text.value.len()));
                    None
                })
                .clone(),
            Some(UserData::File(path)) => known
                .entry((path.span.file, path.value.as_str()))
                .or_insert_with(|| {
                    let from = sources.source(path.span.file).map(|source| source.name.as_str());
                    match files.read(&path.value, from) {
                        Ok((_, text)) if text.len() <= MAX_USER_DATA => Some(text),
                        Ok((_, text)) => {
                            problems.push(too_much_user_data(path.span, text.len()));
                            None
                        }
                        Err(why) => {
                            let problem = Diagnostic::new(Code::BadUserData, path.span, format!("{}: {why}", path.value));
                            problems.push(problem.label("cannot be read"));
                            None
                        }
                    }
                })
                .clone(),
        };
        all.extend(text.map(|text| (name.value.clone(), text)));
    }
    all
}

fn too_much_user_data(span: Span, bytes: usize) -> Diagnostic {
    let message = format!("user data has {bytes} bytes; it has at most {MAX_USER_DATA} (UD-1)");
    Diagnostic::new(Code::BadUserData, span, message).label("too long").hint("let a short script fetch or write the rest")
}
