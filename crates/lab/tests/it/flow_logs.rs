//! Flow logs in lab files: what they become, what an edit does to them, and that they are written as they were read.

use lab::{Lab, load};
use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, TrafficType};
use model::{Context, FlowLog, Model, Timestamp, tag};

use crate::texts::One;

const SHOP: &str = "vpcs:
  shop:
    cidr: 10.0.0.0/16
    subnets:
      public: { az: a, cidr: /24, route: igw }
      inside: { az: a, cidr: /24, route: nat@public }
    nat_gateways:
      out: { subnet: public }
security_groups:
  web: [ tcp/80 from anywhere ]
instances:
  web-1: { sg: web, interfaces: [ { subnet: public }, { subnet: inside } ] }
flow_logs:
";

fn shop(logs: &str) -> String {
    format!("{SHOP}{logs}\n")
}

fn read(text: &str) -> Lab {
    load("shop.yaml", &One(text.to_owned())).unwrap_or_else(|e| panic!("{}", e.render(false)))
}

fn empty() -> Model {
    Model::new("111122223333", model::Region::default(), Context::seeded(1, Timestamp(1_000)))
}

fn made(text: &str) -> Model {
    let mut model = empty();
    read(text).apply(&mut model).unwrap_or_else(|e| panic!("{}", e.render(false)));
    model
}

fn log<'m>(model: &'m Model, name: &str) -> &'m FlowLog {
    model.flow_logs.values().find(|log| tag::name(&log.tags) == Some(name)).unwrap()
}

const ALL_KINDS: &str = "  whole: {}
  rejected: { subnet: inside, traffic: reject, interval: 60, bucket: my-logs/net, hive: true, hourly: true }
  second: { instance: web-1/1, fields: [vpc-id, tcp-flags, flow-direction], log_group: /aws/vpc/flows, tags: { team: net } }
  gateway: { nat: out, traffic: ACCEPT, format: \"${srcaddr} ${dstaddr}\" }";

#[test]
fn a_file_says_whose_traffic_which_of_it_what_of_it_and_where_to() {
    let model = made(&shop(ALL_KINDS));
    let all = log(&model, "whole");
    let vpc = model.vpcs.keys().next().unwrap().clone();
    assert_eq!((&all.resource, all.traffic_type), (&FlowLogResource::Vpc(vpc), TrafficType::All));
    assert_eq!((all.interval, all.format.version()), (AggregationInterval::TenMinutes, 2));
    assert_eq!(all.destination, LogDestination::CloudWatchLogs { log_group: "whole".to_owned() });
    let rejected = log(&model, "rejected");
    assert!(matches!(&rejected.resource, FlowLogResource::Subnet(id) if tag::name(&model.subnets[id].tags) == Some("inside")));
    assert_eq!((rejected.traffic_type, rejected.interval), (TrafficType::Reject, AggregationInterval::OneMinute));
    let bucket = LogDestination::S3 { bucket: "my-logs".to_owned(), prefix: "net".to_owned(), hive_compatible: true, per_hour: true };
    assert_eq!(rejected.destination, bucket);
    let second = log(&model, "second");
    let index = |id| model.network_interfaces[id].attachment.as_ref().map(|attachment| attachment.device_index);
    assert!(matches!(&second.resource, FlowLogResource::NetworkInterface(id) if index(id) == Some(1)));
    assert!(second.format.header().ends_with("action log-status vpc-id tcp-flags flow-direction"));
    assert_eq!((second.format.version(), second.tags["team"].as_str()), (5, "net"));
    let gateway = log(&model, "gateway");
    let own = model.nat_gateways.values().find(|nat| tag::name(&nat.tags) == Some("out")).unwrap();
    assert_eq!(gateway.resource, FlowLogResource::NetworkInterface(own.network_interface_id.clone().unwrap()));
    assert_eq!(gateway.format.to_string(), "${srcaddr} ${dstaddr}");
}

#[test]
fn what_is_written_of_a_cloud_makes_the_same_flow_logs_again() {
    let model = made(&shop(ALL_KINDS));
    let exported = lab::export(&model, "again");
    assert_eq!(exported.unsaid, Vec::<String>::new());
    let again = read(&exported.text);
    assert_eq!(again.plan(&model).unwrap(), vec![], "{}", exported.text);
    assert_eq!(lab::export(&made(&exported.text), "again").text, exported.text);
}

/// The plan from one file to another, after it was carried out.
fn edited(first: &str, second: &str) -> (Vec<String>, Model, Model) {
    let before = made(first);
    let lab = read(second);
    let plan = lab.plan(&before).unwrap_or_else(|e| panic!("{}", e.render(false))).iter().map(ToString::to_string).collect();
    let mut after = before.clone();
    lab.apply(&mut after).unwrap_or_else(|e| panic!("{}", e.render(false)));
    assert_eq!(lab.plan(&after).unwrap(), vec![], "an edit ends where a new lab begins");
    (plan, before, after)
}

#[test]
fn a_flow_log_is_replaced_by_what_cannot_change_and_keeps_its_id_where_tags_do() {
    let first = shop("  a: { vpc: shop, tags: { team: net } }\n  b: { subnet: public }");
    let (plan, before, after) = edited(&first, &shop("  a: { vpc: shop, tags: { team: web } }\n  b: { subnet: public, interval: 60 }"));
    assert_eq!(plan, ["~ flow log a: tag team: net → web", "-/+ flow log b: interval: 600 s → 60 s"]);
    assert_eq!(log(&before, "a").id, log(&after, "a").id);
    assert_ne!(log(&before, "b").id, log(&after, "b").id);
    let (plan, _, after) = edited(&first, &shop("  b: { subnet: public }"));
    assert_eq!((plan, after.flow_logs.len()), (vec!["- flow log a".to_owned()], 1));
}

#[test]
fn a_flow_log_goes_and_comes_with_what_it_watches() {
    let first = shop("  a: { instance: web-1 }\n  b: { instance: web-1/1 }");
    let moved = first.replace("[ { subnet: public }, { subnet: inside } ]", "[ { subnet: inside }, { subnet: public } ]");
    let (plan, before, after) = edited(&first, &moved);
    assert!(plan.iter().any(|change| change.starts_with("-/+ flow log a: instance web-1 is replaced")), "{plan:?}");
    assert_ne!(log(&before, "a").resource, log(&after, "a").resource);
    assert_eq!(after.flow_logs.len(), 2);
}

#[test]
fn what_cannot_be_says_what_where_why_and_what_would_be() {
    for (log, message, hint) in [
        ("vpc: shopp", "no VPC is called `shopp`", "did you mean `shop`?"),
        ("subnet: publik", "no subnet is called `publik`", "did you mean `public`?"),
        ("instance: web-2", "no instance is called `web-2`", "did you mean `web-1`?"),
        ("instance: web-1/2", "instance `web-1` has no interface 2", "its interfaces are numbered from 0; it has 2"),
        ("nat: outt", "no NAT gateway is called `outt`", "did you mean `out`?"),
        ("vpc: shop, subnet: public", "flow log `x` watches several things", "one flow log each"),
        ("traffic: some", "`some` is no kind of traffic", "known: `accept`, `reject`, `all`"),
        ("interval: 120", "`120` is no interval in seconds", "known: `60`, `600`"),
        ("fields: [srcadr]", "`srcadr` is no field of flow logs", "did you mean `srcaddr`?"),
        ("fields: [nope]", "`nope` is no field of flow logs", "known: `version`, `account-id`, "),
        ("fields: [srcaddr]", "the field `srcaddr` stands there twice", "such as"),
        ("format: \"${colour}\"", "`colour` is no field of flow logs", ""),
        ("format: srcaddr", "`srcaddr` is not of the form ${field}", "such as"),
        ("format: \"${srcaddr}\", fields: [vpc-id]", "`format` and `fields` both say what a record says", "`format` names all"),
        ("bucket: My_Logs", "parameter LogDestination is invalid", ""),
        ("bucket: my-logs, log_group: flows", "a flow log has one destination", "a second flow log may go to the other"),
        ("log_group: ../x", "parameter LogGroupName is invalid", ""),
        ("hive: true", "a log group has no folders", "add `bucket: NAME`"),
        ("colour: red", "`colour` is not a key of this mapping", ""),
    ] {
        let text = shop(&format!("  x: {{ {log} }}"));
        let problems = load("shop.yaml", &One(text.clone())).and_then(|lab| lab.apply(&mut empty())).err();
        let shown = problems.unwrap_or_else(|| panic!("accepted: {log}")).render(false);
        assert!(shown.contains(message) && shown.contains(hint) && shown.contains("shop.yaml:14:"), "{log}:\n{shown}");
    }
}

#[test]
fn a_third_flow_log_of_one_thing_needs_a_quota() {
    let three = "  a: { log_group: a }\n  b: { log_group: b }\n  c: { log_group: c }";
    let refused = load("shop.yaml", &One(shop(three))).and_then(|lab| lab.apply(&mut empty())).err().unwrap().render(false);
    assert!(refused.contains("FlowLogsLimitExceeded"), "{refused}");
    let model = made(&format!("quotas: {{ flow_logs_per_resource: 3 }}\n{}", shop(three)));
    assert_eq!(model.flow_logs.len(), 3);
}
