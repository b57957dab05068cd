//! The JSON Schema of the lab file, for editors. The mappings derive theirs; what is written as one word or
//! one sentence is described here.

use std::borrow::Cow;

use model::container::{Readiness, RestartPolicy};
use model::lan::{FilterRule, RoutingProtocol, Service, StaticRoute};
use schemars::transform::Transform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::container::{
    Bytes, Capability, CommandLine, Cpus, Dependencies, HealthCommand, ImageName, ImagePhrase, Milliseconds, MountPhrase, PublishPhrase,
    Settings,
};
use super::gateway::{RouteWord, SubnetRoute};
use super::instance::{ElasticIp, Ipv6Addresses, PublicIp, SecondaryAddresses, UserData};
use super::lan::{Devices, InterfaceAddress, LinkPhrase, Mac, Rate};
use super::transit::{AttachmentWord, TransitRoute};
use super::network::{Dhcp, DhcpChoice, InternetGatewayChoice, SubnetIpv6, SubnetSize, VpcIpv6};
use super::{AclPhrase, LabFile, ListenPhrase, ManagedPolicy, Policies, Policy, Promise, RulePhrase, Trust};
use crate::decode::{Named, OneOrMany, Pairs};
use crate::source::Located;

/// The JSON Schema (2020-12) of a lab file.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<LabFile>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "vpclab lab file".into());
    }
    schema
}

/// Adds the short form of a mapping: the value of one of its keys, which is no mapping, or nobody could tell them apart.
pub(super) struct Shorten(pub &'static str);

impl Transform for Shorten {
    fn transform(&mut self, schema: &mut Schema) {
        let short = schema.get("properties").and_then(|p| p.get(self.0)).cloned();
        let Some(mut short) = short else { return };
        if let Some(forms) = short.get_mut("anyOf").and_then(serde_json::Value::as_array_mut) {
            forms.retain(|form| form.get("additionalProperties").is_none());
        }
        let mut long = std::mem::take(schema);
        let description = long.remove("description");
        *schema = json_schema!({ "anyOf": [short, long] });
        if let Some(description) = description {
            schema.insert("description".into(), description);
        }
    }
}

/// Lets nothing stand for an empty mapping: `db-data:`.
pub(super) struct OrNothing;

impl Transform for OrNothing {
    fn transform(&mut self, schema: &mut Schema) {
        schema.insert("type".into(), serde_json::json!(["object", "null"]));
    }
}

/// A nameless type's schema is written where it is used.
macro_rules! inline_schema {
    ($($type:ty => $name:literal, $schema:expr;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let make: fn(&mut SchemaGenerator) -> Schema = $schema;
                make(generator)
            }
        }
    )*};
}

inline_schema! {
    RulePhrase => "Rule", |_| json_schema!({
        "type": "string",
        "description": "[out] PROTO[/PORTS] (from|to) PEER[, PEER…]",
        "examples": ["tcp/80,443 from anywhere", "tcp/3306 from sg:web", "out tcp/443 to anywhere"]
    });
    AclPhrase => "AclEntry", |_| json_schema!({
        "type": "string",
        "description": "NUMBER (allow|deny) [out] PROTO[/PORTS] (from|to) BLOCK[, BLOCK…]",
        "examples": ["100 allow tcp/443 from anywhere", "110 allow out tcp/1024-65535 to anywhere"]
    });
    ListenPhrase => "Listener", |_| json_schema!({ "type": "string", "pattern": "^(tcp|udp)/[0-9A-Za-z, -]+$", "examples": ["tcp/80", "udp/53", "tcp/http"] });
    // YAML makes a mapping of one key of most claims: `a -> b tcp/80: open`.
    Promise => "Claim", |_| json_schema!({
        "description": "[only] SOURCES -> DESTINATIONS PROTO[/PORTS] [over ipv4|ipv6] [through NODE]: RESULT [via NODE], or (user|role) NAME ACTION[, ACTION…] [on TARGET[, …]] [with KEY=VALUE[, …]]: allowed|denied",
        "examples": ["web-1 -> db-1 tcp/3306: open", "user dev ec2:TerminateInstances on instance web: denied"],
        "anyOf": [
            { "type": "string" },
            { "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": { "type": "string" } }
        ]
    });
    InternetGatewayChoice => "InternetGatewayChoice", |_| json_schema!({ "enum": [true, false, "auto"] });
    SubnetSize => "SubnetSize", |_| json_schema!({ "type": "string", "pattern": "^([0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?/[0-9]+$", "examples": ["/26", "10.0.1.0/24"] });
    VpcIpv6 => "VpcIpv6", |_| json_schema!({
        "examples": [true, "2001:db8:0:100::/56"],
        "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": "^[0-9A-Fa-f:]+/[0-9]+$" }]
    });
    SubnetIpv6 => "SubnetIpv6", |_| json_schema!({
        "examples": [true, "2001:db8:0:101::/64"],
        "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": "^([0-9A-Fa-f:]+)?/64$" }]
    });
    Ipv6Addresses => "Ipv6Addresses", |_| json_schema!({
        "examples": [true, "::10", 2],
        "anyOf": [
            { "type": "boolean" }, { "type": "integer", "minimum": 0 }, { "type": "string", "format": "ipv6" },
            { "type": "array", "items": { "type": "string", "format": "ipv6" } }
        ]
    });
    SubnetRoute => "SubnetRoute", |_| json_schema!({
        "examples": ["igw", "nat@public-a", "eigw", ["nat@public-a", "eigw"], "tgw hub", "none"],
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
    });
    RouteWord => "RouteTarget", |_| json_schema!({ "type": "string", "examples": ["igw", "eigw", "vpn", "nat@public-a", "peering ab", "tgw hub", "instance fw", "blackhole"] });
    AttachmentWord => "Attachment", |_| json_schema!({ "type": "string", "examples": ["app", "vpc app", "tgw rim"] });
    TransitRoute => "TransitRouteTarget", |_| json_schema!({ "type": "string", "examples": ["app", "vpc app", "tgw rim", "blackhole"] });
    PublicIp => "PublicIp", |_| json_schema!({ "anyOf": [{ "type": "boolean" }, { "const": "eip" }, { "type": "string", "format": "ipv4" }] });
    ElasticIp => "ElasticIp", |_| json_schema!({ "anyOf": [{ "const": "eip" }, { "type": "string", "format": "ipv4" }] });
    SecondaryAddresses => "SecondaryAddresses", |_| json_schema!({
        "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "format": "ipv4" }, { "type": "array", "items": { "type": "string", "format": "ipv4" } }]
    });
    UserData => "UserData", |_| json_schema!({
        "anyOf": [
            { "type": "string" },
            { "type": "object", "properties": { "file": { "type": "string" } }, "required": ["file"], "additionalProperties": false }
        ]
    });
    ImageName => "Image", |_| json_schema!({ "type": "string", "examples": ["nginx", "nginx:1.27"] });
    ImagePhrase => "ImageSource", |generator| json_schema!({
        "examples": ["pull nginx:1.27", "archive app.tar", "build ./web"],
        "anyOf": [{ "type": "string", "pattern": "^(pull|archive|build)\\s" }, generator.subschema_for::<super::container::ImageWritten>()]
    });
    PublishPhrase => "Publish", |_| json_schema!({
        "examples": ["8080->80", "127.0.0.1:8080->80", "53->53/udp"],
        "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 65535 }, { "type": "string", "pattern": "^[0-9A-Za-z][0-9.: >/A-Za-z-]*$" }]
    });
    MountPhrase => "Mount", |_| json_schema!({ "type": "string", "pattern": "/", "examples": ["db-data:/var/lib/mysql", "./site:/site:ro", "tmpfs:/run"] });
    CommandLine => "Command", |_| json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": ["string", "integer"] } }] });
    HealthCommand => "HealthCommand", |_| json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": ["string", "integer"] } }] });
    Settings => "Settings", |_| json_schema!({
        "anyOf": [{ "type": ["object", "null"], "additionalProperties": { "type": ["string", "integer"] } }, { "type": "array", "items": { "type": "string", "pattern": "=" } }]
    });
    Dependencies => "Dependencies", |_| json_schema!({
        "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
            { "type": "object", "additionalProperties": { "anyOf": [{ "enum": ["started", "healthy", "completed"] }, { "type": ["object", "null"] }] } }
        ]
    });
    Capability => "Capability", |_| json_schema!({ "type": "string", "pattern": "^[A-Za-z_]+$", "examples": ["NET_ADMIN"] });
    Milliseconds => "Duration", |_| json_schema!({ "type": "string", "pattern": "^([0-9.]+(ns|us|ms|s|m|h))+$", "examples": ["2s", "1m30s", "500ms"] });
    Bytes => "Size", |_| json_schema!({ "type": "string", "pattern": "^[0-9.]+ ?([kKmMgGtT]?[iI]?[bB]|[kKmMgGtT])$", "examples": ["512m", "1.5g"] });
    Cpus => "Cpus", |_| json_schema!({ "type": ["number", "string"], "examples": [0.5, 2] });
    LinkPhrase => "Link", |_| json_schema!({ "type": "string", "pattern": " -- ", "description": "END[, END…] -- END [RATE] [DELAY] [utp|fiber|coax [LENGTH]] [loss|duplicate|reorder SHARE] [queue FRAMES] [mtu BYTES] [ppp|hdlc] [down]", "examples": ["pc-1 -- sw-1", "r-1:eth0 -- sw-1 1G 5us", "r-1:serial0 -- r-2:serial0 ppp 64k", "r-1:eth2 -- vpc:shop"] });
    Rate => "Rate", |_| json_schema!({ "type": "string", "pattern": "^[0-9.]+ ?(b|[kKMG]|[kKMG]?(bps|bit/s|b/s))$", "examples": ["10M", "64k", "1G"] });
    InterfaceAddress => "InterfaceAddress", |_| json_schema!({ "type": "string", "pattern": "^(dhcp|[0-9A-Fa-f.:]+/[0-9]+)$", "examples": ["10.0.1.10/24", "dhcp"] });
    Mac => "MacAddress", |_| json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$", "examples": ["02:00:00:00:00:0a"] });
    Policies => "Policies", |_| json_schema!({
        "examples": ["ReadOnlyAccess", ["netadmin", "AmazonEC2ReadOnlyAccess"]],
        "anyOf": [{ "type": ["string", "null"] }, { "type": "array", "items": { "type": "string" } }]
    });
    Policy => "Policy", |_| json_schema!({
        "description": "Statements, `(allow|deny) ACTION[, …] [on RESOURCE[, …]] [if OPERATOR KEY VALUE[, …] [and …]]` or in AWS's words; a document of AWS's; or `file: PATH`",
        "examples": [["allow ec2:Describe*", "deny ec2:TerminateInstances on instance/* if StringEquals ec2:ResourceTag/env prod"]],
        "anyOf": [
            { "type": "string", "pattern": "^(allow|deny) " },
            { "type": "array", "minItems": 1, "items": { "anyOf": [{ "type": "string", "pattern": "^(allow|deny) " }, { "type": "object", "required": ["Effect"] }] } },
            { "type": "object", "required": ["Statement"] },
            { "type": "object", "required": ["Effect"] },
            { "type": "object", "properties": { "file": { "type": "string" } }, "required": ["file"], "additionalProperties": false }
        ]
    });
    ManagedPolicy => "ManagedPolicy", |generator| {
        let (plain, described) = (generator.subschema_for::<Policy>(), generator.subschema_for::<super::iam::DescribedPolicy>());
        json_schema!({ "anyOf": [plain, described] })
    };
    Trust => "Trust", |_| json_schema!({
        "examples": ["ec2", "user dev", ["role deploy", "account 111122223333"]],
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, { "type": "object", "required": ["Statement"] }]
    });
    DhcpChoice => "DhcpChoice", |generator| json_schema!({ "anyOf": [{ "const": "none" }, generator.subschema_for::<Dhcp>()] });
}

/// A value with a place looks like the value.
impl<T: FileWord> JsonSchema for Located<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::word_schema(generator)
    }
}

/// What one word may be.
pub trait FileWord {
    /// Name of the type in the schema.
    const NAME: &'static str;
    /// Its schema.
    fn word_schema(generator: &mut SchemaGenerator) -> Schema;
}

macro_rules! words {
    ($($type:ty => $name:literal, $schema:tt;)*) => {$(
        impl FileWord for $type {
            const NAME: &'static str = $name;
            fn word_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

words! {
    // Text may be written as a plain whole number: a tag `port: 22`.
    String => "Text", { "type": ["string", "integer"] };
    bool => "Boolean", { "type": "boolean" };
    // YAML 1.1 reads `no` as false.
    RestartPolicy => "Restart", { "anyOf": [{ "const": false }, { "type": "string", "pattern": "^(no|always|unless-stopped|on-failure(:[0-9]+)?)$" }], "examples": ["no", "on-failure:3", "always", "unless-stopped"] };
    Readiness => "Readiness", { "type": "string", "examples": ["started", "healthy", "completed"] };
    u64 => "Number", { "type": "integer", "minimum": 0 };
    u32 => "Number", { "type": "integer", "minimum": 0 };
    u16 => "Number", { "type": "integer", "minimum": 0, "maximum": 65535 };
    u8 => "Number", { "type": "integer", "minimum": 0, "maximum": 255 };
    std::net::Ipv4Addr => "Ipv4Address", { "type": "string", "format": "ipv4" };
    std::net::Ipv6Addr => "Ipv6Address", { "type": "string", "format": "ipv6" };
    std::net::IpAddr => "Address", { "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] };
    RoutingProtocol => "RoutingProtocol", { "enum": ["rip", "ospf"] };
    StaticRoute => "StaticRoute", { "type": "string", "pattern": " (via|dev) ", "examples": ["10.0.3.0/24 via 10.0.2.2", "default via 10.0.1.1"] };
    FilterRule => "FilterRule", { "type": "string", "pattern": "^(allow|deny) ", "description": "(allow|deny) PROTO[/PORTS] [from BLOCK] [to BLOCK] [in INTERFACE] [out INTERFACE]", "examples": ["deny tcp/23", "allow tcp/80 to 10.0.2.0/24"] };
    Service => "Service", { "type": "string", "pattern": "^(dhcp|dns|echo|ftp|http|https|smtp|snmp|telnet|tftp)( |$)", "examples": ["http", "telnet 2323", "dhcp 10.0.1.100-10.0.1.199 gateway 10.0.1.1", "dns www.example=10.0.1.20"] };
    ipnet::Ipv4Net => "Ipv4Block", { "type": "string", "pattern": "^[0-9.]+/[0-9]+$", "examples": ["10.0.0.0/16"] };
    ipnet::IpNet => "Block", { "type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]+$" };
}

macro_rules! words_of_their_own {
    ($($type:ty),*) => {$(
        impl FileWord for $type {
            const NAME: &'static str = stringify!($type);
            fn word_schema(generator: &mut SchemaGenerator) -> Schema {
                <$type as JsonSchema>::json_schema(generator)
            }
        }
    )*};
}

words_of_their_own!(
    InternetGatewayChoice, SubnetSize, VpcIpv6, SubnetIpv6, Ipv6Addresses, SubnetRoute, RouteWord, AttachmentWord, TransitRoute, PublicIp, ElasticIp, ImageName, Capability,
    Milliseconds, Bytes, Cpus, Rate, InterfaceAddress, Mac
);

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl<T: JsonSchema> JsonSchema for Devices<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("DevicesOf{}", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let named = |value| json_schema!({ "type": ["object", "null"], "additionalProperties": { "anyOf": [value, { "type": "null" }] }, "propertyNames": { "pattern": NAME } });
        let name = json_schema!({ "type": "string", "pattern": NAME });
        json_schema!({ "anyOf": [name, { "type": "array", "items": name }, named(generator.subschema_for::<T>())] })
    }
}

/// What a name looks like.
const NAME: &str = "^[A-Za-z][A-Za-z0-9._-]*$";

macro_rules! mappings {
    ($($type:ident, $names:expr;)*) => {$(
        impl<T: JsonSchema> JsonSchema for $type<T> {
            fn schema_name() -> Cow<'static, str> {
                format!("{}Of{}", stringify!($type), T::schema_name()).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let value = generator.subschema_for::<T>();
                let mut schema = json_schema!({ "type": ["object", "null"], "additionalProperties": value });
                let names: Option<&str> = $names;
                if let Some(pattern) = names {
                    schema.insert("propertyNames".into(), serde_json::json!({ "pattern": pattern }));
                }
                schema
            }
        }
    )*};
}

mappings! {
    Named, Some(NAME);
    Pairs, None;
}
