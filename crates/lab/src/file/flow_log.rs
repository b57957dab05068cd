//! Flow logs: whose traffic, which of it, where to.

use super::document;
use crate::decode::{OneOrMany, Pairs};
use crate::source::Located;

document! {
    /// A flow log. `vpc`, `subnet`, `instance` or `nat` says whose traffic it records; without one, that of the only VPC.
    FlowLog: "a mapping such as `{ vpc: shop }`" {
        /// Every interface of a VPC.
        vpc: Option<Located<String>>,
        /// Every interface of a subnet.
        subnet: Option<Located<String>>,
        /// The interface of an instance: `web-1`, or `web-1/1` for a second one.
        instance: Option<Located<String>>,
        /// The interface of a NAT gateway.
        nat: Option<Located<String>>,
        /// Which traffic: accept, reject or all. Default: all.
        traffic: Option<Located<String>>,
        /// Seconds that packets of one flow are counted together: 60 or 600. Default: 600.
        interval: Option<Located<u32>>,
        /// What a record says, as AWS writes it: `${version} ${srcaddr} …`. Default: the fourteen fields of version 2.
        format: Option<Located<String>>,
        /// Fields behind those of the default format: vpc-id, subnet-id, instance-id, tcp-flags, type, pkt-srcaddr, pkt-dstaddr,
        /// region, az-id, flow-direction, traffic-path …
        fields: OneOrMany<Located<String>>,
        /// The log group that records go to. Default: the flow log's name.
        log_group: Option<Located<String>>,
        /// The bucket that records go to instead, with a folder if there is one: `my-logs` or `my-logs/net`.
        bucket: Option<Located<String>>,
        /// Whether folders of the bucket are named as Hive names partitions. Default: false.
        hive: Option<Located<bool>>,
        /// Whether each hour has a folder in the bucket. Default: false.
        hourly: Option<Located<bool>>,
        /// The ARN of the role that delivers records, as AWS's API shows it. Nothing here needs one.
        role: Option<Located<String>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}
