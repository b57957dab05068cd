//! What the instance metadata service answers (IMDS-1 … IMDS-10).

use std::collections::BTreeMap;

use fabric::{Fabric, InstanceIndex, Interface};
use iam::account::Owner;
use model::instance::{InstanceProfileAssociation, MetadataOptions};
use model::{InstanceId, Model, Timestamp};

use crate::identity::Book;

/// Longest life of a token, seconds (IMDS-2).
const LONGEST_LIFE: u64 = 21_600;
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
const PREFIX: &str = "/latest/";

/// Tokens that live, each with its instance and end (IMDS-6).
#[derive(Debug, Default)]
pub struct Tokens {
    live: BTreeMap<String, (InstanceId, Timestamp)>,
    drawn: u64,
}

/// A request as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, `PUT`.
    pub method: String,
    /// Path with a leading slash.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// IP TTL of the packets that carry it, where that is limited (IMDS-5).
    pub hop_limit: Option<u8>,
}

impl Response {
    fn error(status: u16) -> Response {
        let body = format!("{status}\n").into_bytes();
        Response { status, content_type: "text/plain", headers: Vec::new(), body, hop_limit: None }
    }

    fn text(body: impl Into<Vec<u8>>) -> Response {
        Response { status: 200, content_type: "text/plain", headers: Vec::new(), body: body.into(), hop_limit: None }
    }
}

/// What is said of an instance's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The role's name.
    pub name: String,
    /// The document `iam/info`.
    pub info: String,
    /// The document with its credentials; empty where nobody asks for it.
    pub credentials: String,
}

/// The role of an instance from the lab's identities; none where its profile is gone or has no role. Credentials are made where `path` asks
/// for them: one that cannot be had is said in the document, as AWS does.
pub fn role_of(book: &Book, account: &str, profile: &InstanceProfileAssociation, instance: &str, path: &str) -> Option<Role> {
    let known = book.instance_role(account, &profile.arn)?;
    let updated = crate::host::now().iso8601();
    let info = serde_json::json!({
        "Code": "Success",
        "LastUpdated": updated,
        "InstanceProfileArn": profile.arn,
        "InstanceProfileId": known.profile_id,
    });
    let asks = path.trim_end_matches('/').ends_with(&format!("iam/security-credentials/{}", known.role));
    let credentials = asks.then(|| match book.credentials(account, &profile.arn, instance) {
        Ok(key) => {
            let (token, expires) = match &key.owner {
                Owner::Session(session) => (session.token.as_str(), session.expires),
                Owner::Root | Owner::User(_) => ("", key.created),
            };
            serde_json::json!({
                "Code": "Success",
                "LastUpdated": key.created.iso8601(),
                "Type": "AWS-HMAC",
                "AccessKeyId": key.id,
                "SecretAccessKey": key.secret,
                "Token": token,
                "Expiration": expires.iso8601(),
            })
        }
        Err(error) => serde_json::json!({"Code": "AssumeRoleUnauthorizedAccess", "Message": error.message, "LastUpdated": updated}),
    });
    let text = |value: serde_json::Value| serde_json::to_string_pretty(&value).unwrap_or_default();
    Some(Role { name: known.role, info: text(info), credentials: credentials.map(text).unwrap_or_default() })
}

/// Answers a request that came from an instance. `now` is the engine's clock.
pub fn answer(
    model: &Model,
    fabric: &Fabric,
    instance: InstanceIndex,
    tokens: &mut Tokens,
    now: Timestamp,
    request: &Request,
    role: Option<&Role>,
) -> Response {
    let id = &fabric.instances[instance].id;
    let Some(known) = model.instances.get(id) else { return Response::error(404) };
    let options = &known.metadata_options;
    if !options.http_endpoint_enabled {
        return Response::error(403);
    }
    match request.method.as_str() {
        "PUT" => issue(id, options, tokens, now, request),
        "GET" | "HEAD" => {
            if let Some(refusal) = check(id, options, tokens, now, request) {
                return refusal;
            }
            let mut response = read(model, fabric, instance, &request.path, role);
            if request.method == "HEAD" {
                response.body.clear();
            }
            response
        }
        _ => Response::error(405),
    }
}

/// IMDS-2, IMDS-4.
fn issue(id: &InstanceId, options: &MetadataOptions, tokens: &mut Tokens, now: Timestamp, request: &Request) -> Response {
    let limited = |response: Response| Response { hop_limit: Some(options.http_put_response_hop_limit), ..response };
    // Tokens come from `latest` alone.
    if request.path != "/latest/api/token" || request.headers.contains_key("x-forwarded-for") {
        return limited(Response::error(403));
    }
    let life = request.headers.get(TTL_HEADER).and_then(|text| text.trim().parse::<u64>().ok());
    let Some(life) = life.filter(|life| (1..=LONGEST_LIFE).contains(life)) else {
        return limited(Response::error(400));
    };
    tokens.live.retain(|_, (_, end)| *end > now);
    let token = tokens.draw(id);
    tokens.live.insert(token.clone(), (id.clone(), now.plus(life)));
    let headers = vec![("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", life.to_string())];
    limited(Response { headers, ..Response::text(token) })
}

impl Tokens {
    /// A token that cannot be guessed: random bits of the machine, and a counter so that two are never equal.
    fn draw(&mut self, id: &InstanceId) -> String {
        use std::hash::{BuildHasher, Hasher};
        self.drawn += 1;
        let word = |salt: u64| {
            // RandomState is seeded from the system's random numbers.
            let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
            hasher.write(id.as_str().as_bytes());
            hasher.write_u64(self.drawn ^ salt);
            hasher.finish()
        };
        let bytes: Vec<u8> = (0..5).flat_map(|salt| word(salt).to_be_bytes()).collect();
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let token: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect();
        format!("AQAEA{token}==")
    }
}

/// IMDS-3: `None` when the request may go on.
fn check(id: &InstanceId, options: &MetadataOptions, tokens: &Tokens, now: Timestamp, request: &Request) -> Option<Response> {
    match request.headers.get(TOKEN_HEADER) {
        Some(token) => {
            let good = tokens.live.get(token).is_some_and(|(owner, end)| owner == id && *end > now);
            (!good).then(|| Response::error(401))
        }
        None if options.http_tokens_required => Some(Response::error(401)),
        None => None,
    }
}

fn read(model: &Model, fabric: &Fabric, instance: InstanceIndex, path: &str, role: Option<&Role>) -> Response {
    // Versions that AWS has published are all answered as the latest one.
    let path = match path.strip_prefix(PREFIX) {
        Some(rest) => rest.to_owned(),
        None if matches!(path, "/" | "") => return Response::text("latest\n"),
        None if path == "/latest" => String::new(),
        None => match path.trim_start_matches('/').split_once('/') {
            Some((version, rest)) if is_version(version) => rest.to_owned(),
            _ => return Response::error(404),
        },
    };
    if path == "user-data" {
        let data = model.instances.get(&fabric.instances[instance].id).and_then(|i| i.user_data.clone());
        return match data {
            Some(data) => Response { content_type: "application/octet-stream", ..Response::text(data) },
            None => Response::error(404),
        };
    }
    let mut tree = tree(model, fabric, instance);
    if let Some(role) = role {
        tree.insert("meta-data/iam/info".to_owned(), role.info.clone());
        tree.insert(format!("meta-data/iam/security-credentials/{}", role.name), role.credentials.clone());
    }
    if let Some(value) = tree.get(&path) {
        let content_type = if path.starts_with("dynamic/") || path.starts_with("meta-data/iam/") { "application/json" } else { "text/plain" };
        return Response { content_type, ..Response::text(value.clone()) };
    }
    list(&tree, &path)
}

fn is_version(text: &str) -> bool {
    text.len() == 10 && text.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

/// One name a line, folders with a slash (IMDS-8).
fn list(tree: &BTreeMap<String, String>, path: &str) -> Response {
    let prefix = if path.is_empty() { String::new() } else { format!("{}/", path.trim_end_matches('/')) };
    let mut names: Vec<String> = tree
        .keys()
        .filter_map(|key| key.strip_prefix(&prefix))
        .map(|rest| match rest.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => rest.to_owned(),
        })
        .collect();
    names.dedup();
    if names.is_empty() { Response::error(404) } else { Response::text(names.join("\n")) }
}

/// Every path below `/latest/` with its value (IMDS-9).
fn tree(model: &Model, fabric: &Fabric, index: InstanceIndex) -> BTreeMap<String, String> {
    let row = &fabric.instances[index];
    let Some(instance) = model.instances.get(&row.id) else { return BTreeMap::new() };
    let mut tree = BTreeMap::new();
    let mut put = |path: &str, value: String| drop(tree.insert(format!("meta-data/{path}"), value));
    put("ami-id", instance.image_id.to_string());
    put("ami-launch-index", instance.ami_launch_index.to_string());
    put("instance-action", "none".to_owned());
    put("instance-id", instance.id.to_string());
    put("instance-life-cycle", "on-demand".to_owned());
    put("instance-type", instance.instance_type.clone());
    put("reservation-id", instance.reservation_id.to_string());
    put("placement/availability-zone", instance.availability_zone.clone());
    put("placement/region", model.region.to_string());
    if let Some(zone) = model.region.zone(&instance.availability_zone) {
        put("placement/availability-zone-id", zone.id);
    }
    put("services/domain", "amazonaws.com".to_owned());
    put("services/partition", "aws".to_owned());
    if let Some(key) = instance.key_name.as_ref().and_then(|name| model.key_pairs.get(name)) {
        put("public-keys/0/openssh-key", key.public_key.clone());
    }
    if instance.metadata_options.instance_metadata_tags {
        for (key, value) in &instance.tags {
            put(&format!("tags/instance/{key}"), value.clone());
        }
    }
    if let Some(primary) = row.interfaces.first() {
        let primary = &fabric.interfaces[*primary];
        let address = primary.primary_address();
        put("local-ipv4", address.to_string());
        put("mac", primary.mac.to_string());
        put("hostname", model.region.private_name(address));
        put("local-hostname", model.region.private_name(address));
        put("security-groups", group_names(fabric, primary));
        if let Some(public) = primary.addresses[0].public {
            put("public-ipv4", public.to_string());
            if fabric.vpcs[primary.vpc].has_names() {
                put("public-hostname", model.region.public_name(public));
            }
        }
    }
    for (device, interface) in row.interfaces.iter().enumerate() {
        for (path, value) in of_interface(model, fabric, device, &fabric.interfaces[*interface]) {
            put(&path, value);
        }
    }
    tree.insert("dynamic/instance-identity/document".to_owned(), identity(model, fabric, index));
    tree
}

fn group_names(fabric: &Fabric, interface: &Interface) -> String {
    interface.groups.iter().map(|g| fabric.groups[*g].name.clone()).collect::<Vec<_>>().join("\n")
}

fn of_interface(model: &Model, fabric: &Fabric, device: usize, interface: &Interface) -> Vec<(String, String)> {
    let base = format!("network/interfaces/macs/{}", interface.mac);
    let subnet = &fabric.subnets[interface.subnet];
    let vpc = &fabric.vpcs[interface.vpc];
    let lines = |texts: Vec<String>| texts.join("\n");
    let mut values = vec![
        ("device-number", device.to_string()),
        ("interface-id", interface.id.to_string()),
        ("local-hostname", model.region.private_name(interface.primary_address())),
        ("local-ipv4s", lines(interface.addresses.iter().map(|a| a.private.to_string()).collect())),
        ("mac", interface.mac.to_string()),
        ("owner-id", model.account_id.clone()),
        ("security-group-ids", lines(interface.groups.iter().map(|g| fabric.groups[*g].id.to_string()).collect())),
        ("security-groups", group_names(fabric, interface)),
        ("subnet-id", subnet.id.to_string()),
        ("subnet-ipv4-cidr-block", subnet.cidr.to_string()),
        ("vpc-id", vpc.id.to_string()),
        ("vpc-ipv4-cidr-block", vpc.blocks.first().map(ToString::to_string).unwrap_or_default()),
        ("vpc-ipv4-cidr-blocks", lines(vpc.blocks.iter().map(ToString::to_string).collect())),
    ];
    let public: Vec<String> = interface.addresses.iter().filter_map(|a| a.public).map(|p| p.to_string()).collect();
    if let Some(first) = interface.addresses.iter().find_map(|a| a.public) {
        values.push(("public-ipv4s", lines(public)));
        if vpc.has_names() {
            values.push(("public-hostname", model.region.public_name(first)));
        }
    }
    let associations = interface.addresses.iter().filter_map(|a| Some((a.public?, a.private)));
    let associations = associations.map(|(public, private)| (format!("ipv4-associations/{public}"), private.to_string()));
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(associations);
    values.map(|(name, value)| (format!("{base}/{name}"), value)).collect()
}

fn identity(model: &Model, fabric: &Fabric, index: InstanceIndex) -> String {
    let row = &fabric.instances[index];
    let Some(instance) = model.instances.get(&row.id) else { return String::new() };
    let address = row.interfaces.first().map(|i| fabric.interfaces[*i].primary_address().to_string());
    let document = serde_json::json!({
        "accountId": model.account_id,
        "architecture": "x86_64",
        "availabilityZone": instance.availability_zone,
        "imageId": instance.image_id.as_str(),
        "instanceId": instance.id.as_str(),
        "instanceType": instance.instance_type,
        "pendingTime": instance.launch_time.iso8601(),
        "privateIp": address,
        "region": model.region.0,
        "version": "2017-09-30",
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}
