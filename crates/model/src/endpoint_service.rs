//! The services that have endpoints, by table (VPCE-1, VPCE-5).

use ipnet::Ipv4Net;

use crate::Region;

/// A service of the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointService {
    /// Full name, such as `com.amazonaws.ap-northeast-2.s3`.
    pub name: String,
    /// Whether gateway endpoints exist for it.
    pub has_gateway: bool,
    /// Whether interface endpoints exist for it.
    pub has_interface: bool,
    /// The name that clients look up, and that private DNS overrides.
    pub private_dns_name: String,
    /// Blocks of its prefix list; empty without gateway endpoints.
    pub blocks: Vec<Ipv4Net>,
}

/// Interface endpoints only, with what stands before `.REGION.amazonaws.com` in the name clients look up.
const INTERFACE_SERVICES: &[(&str, &str)] = &[
    ("autoscaling", "autoscaling"),
    ("ec2", "ec2"),
    ("ec2messages", "ec2messages"),
    ("ecr.api", "api.ecr"),
    ("ecr.dkr", "*.dkr.ecr"),
    ("ecs", "ecs"),
    ("elasticfilesystem", "elasticfilesystem"),
    ("elasticloadbalancing", "elasticloadbalancing"),
    ("events", "events"),
    ("execute-api", "*.execute-api"),
    ("kinesis-streams", "kinesis"),
    ("kms", "kms"),
    ("lambda", "lambda"),
    ("logs", "logs"),
    ("monitoring", "monitoring"),
    ("secretsmanager", "secretsmanager"),
    ("sns", "sns"),
    ("sqs", "sqs"),
    ("ssm", "ssm"),
    ("ssmmessages", "ssmmessages"),
    ("sts", "sts"),
];

const fn block(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(a, b, c, 0), length)
}

/// The blocks that stand for S3 and DynamoDB in every region: samples of what AWS publishes, so that lists look real.
const GATEWAY_SERVICES: &[(&str, &[Ipv4Net])] =
    &[("dynamodb", &[block(52, 94, 8, 24)]), ("s3", &[block(3, 5, 140, 22), block(52, 219, 144, 22)])];

impl Region {
    /// Every service that has endpoints here, by name.
    pub fn endpoint_services(&self) -> Vec<EndpointService> {
        let full = |short: &str| format!("com.amazonaws.{self}.{short}");
        let gateways = GATEWAY_SERVICES.iter().map(|(short, blocks)| EndpointService {
            name: full(short),
            has_gateway: true,
            has_interface: true,
            private_dns_name: format!("{short}.{self}.amazonaws.com"),
            blocks: blocks.to_vec(),
        });
        let interfaces = INTERFACE_SERVICES.iter().map(|(short, host)| EndpointService {
            name: full(short),
            has_gateway: false,
            has_interface: true,
            private_dns_name: format!("{host}.{self}.amazonaws.com"),
            blocks: Vec::new(),
        });
        let mut services: Vec<_> = gateways.chain(interfaces).collect();
        services.sort_by(|a, b| a.name.cmp(&b.name));
        services
    }

    /// A service by its full name.
    pub fn endpoint_service(&self, name: &str) -> Option<EndpointService> {
        self.endpoint_services().into_iter().find(|service| service.name == name)
    }
}
