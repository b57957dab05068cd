//! Flow logs: records as text and back, and windows in which no packet is counted twice or never.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fabric::flow_log::{Action, Batch, Flow, FlowKey, Harvest, Line, Logger, Place, Record, Sighting, Status};
use fabric::{Direction, Fabric};
use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, LogField, LogFormat, TrafficType};
use model::operation::{CreateFlowLog, create_flow_log};
use model::{Model, NetworkInterfaceId, Timestamp};
use proptest::prelude::*;

use crate::support::World;

const MADE: u64 = 1_000_000;

/// Three tiers with one flow log; the interfaces that it watches.
fn cloud(resource: FlowLogResource, traffic_type: TrafficType, interval: AggregationInterval) -> (Model, Fabric, BTreeSet<NetworkInterfaceId>) {
    let mut model = World::t3().model;
    model.context.now = Timestamp(MADE);
    let request = CreateFlowLog {
        resource,
        traffic_type,
        interval,
        format: LogFormat::new(LogField::ALL.to_vec()).unwrap(),
        destination: LogDestination::CloudWatchLogs { log_group: "flows".to_owned() },
        deliver_logs_permission_arn: None,
        tags: Default::default(),
        origin: Default::default(),
    };
    create_flow_log(&mut model, request).unwrap();
    let fabric = Fabric::compile(&model);
    let watched = fabric.logged.iter().map(|index| fabric.interfaces[*index].id.clone()).collect();
    (model, fabric, watched)
}

fn of_vpc(traffic_type: TrafficType, interval: AggregationInterval) -> (Model, Fabric, BTreeSet<NetworkInterfaceId>) {
    let vpc = World::t3().model.vpcs.keys().next().unwrap().clone();
    cloud(FlowLogResource::Vpc(vpc), traffic_type, interval)
}

fn of_interface(name: &str) -> (Model, Fabric, NetworkInterfaceId) {
    let id = World::t3().eni(name).id.clone();
    let (model, fabric, watched) = cloud(FlowLogResource::NetworkInterface(id.clone()), TrafficType::All, AggregationInterval::TenMinutes);
    assert_eq!(watched, BTreeSet::from([id.clone()]));
    (model, fabric, id)
}

fn key(direction: Direction, source: &str, destination: &str, ports: (u16, u16)) -> FlowKey {
    FlowKey {
        direction,
        action: Action::Accept,
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: 6,
        source_port: ports.0,
        destination_port: ports.1,
    }
}

fn seen(interface: &NetworkInterfaceId, flow: FlowKey, packets: u64) -> Harvest {
    let sighting = Sighting { interface: interface.clone(), flow, packets, bytes: packets * 60, tcp_flags: 2 };
    Harvest { sightings: vec![sighting], ..Harvest::default() }
}

/// The only batch of a window that ends at this second.
fn only(batches: Vec<Batch>, end: u64) -> Vec<Record> {
    let [batch] = <[Batch; 1]>::try_from(batches).unwrap_or_else(|all| panic!("{} batches", all.len()));
    assert_eq!(batch.end, Timestamp(end));
    batch.records
}

fn shown(record: &Record, fields: &[LogField]) -> Vec<String> {
    fields.iter().map(|field| record.field(*field, 5)).collect()
}

#[test]
fn the_primary_address_stands_in_for_what_is_not_the_interfaces_own_fl_6() {
    let (mut model, fabric, web) = of_interface("web1");
    model.context.now = Timestamp(MADE);
    let mut logger = Logger::default();
    let now = Timestamp(MADE + 5);
    let harvest = seen(&web, key(Direction::Ingress, "10.0.0.11", "10.0.0.15", (40_000, 80)), 1);
    logger.absorb(&model, &fabric, &harvest, now, now);
    let harvest = seen(&web, key(Direction::Egress, "10.0.0.15", "10.0.0.11", (80, 40_000)), 1);
    logger.absorb(&model, &fabric, &harvest, now, now);
    let records = only(logger.close(&model, &fabric, Timestamp(MADE + 600)), MADE + 600);
    let addresses = [
        LogField::SourceAddress, LogField::DestinationAddress, LogField::PacketSourceAddress, LogField::PacketDestinationAddress,
        LogField::FlowDirection, LogField::TrafficPath,
    ];
    let all: BTreeSet<Vec<String>> = records.iter().map(|record| shown(record, &addresses)).collect();
    let texts = |words: [&str; 6]| words.map(str::to_owned).to_vec();
    assert_eq!(
        all,
        BTreeSet::from([
            texts(["10.0.0.11", "10.0.0.10", "10.0.0.11", "10.0.0.15", "ingress", "-"]),
            texts(["10.0.0.10", "10.0.0.11", "10.0.0.15", "10.0.0.11", "egress", "1"]),
        ])
    );
}

#[test]
fn the_way_out_and_services_are_told_by_addresses_fl_10_fl_12() {
    let (model, fabric, web) = of_interface("web1");
    let mut logger = Logger::default();
    for (to, path, service) in [("192.0.2.77", "8", "-"), ("10.0.20.10", "1", "-"), ("3.5.140.9", "8", "S3"), ("52.94.8.1", "8", "DYNAMODB")] {
        let harvest = seen(&web, key(Direction::Egress, "10.0.0.10", to, (40_000, 443)), 1);
        let mut logger = std::mem::take(&mut logger);
        logger.absorb(&model, &fabric, &harvest, Timestamp(MADE), Timestamp(MADE));
        let records = only(logger.close(&model, &fabric, Timestamp(MADE + 600)), MADE + 600);
        let fields = [LogField::TrafficPath, LogField::PacketDestinationService, LogField::PacketSourceService];
        assert_eq!(shown(&records[0], &fields), [path, service, "-"], "{to}");
    }
}

#[test]
fn a_window_without_traffic_is_nodata_and_one_that_nobody_watched_skipdata_fl_5() {
    let (model, fabric, web) = of_interface("web1");
    let mut logger = Logger::default();
    let flow = || key(Direction::Egress, "10.0.0.10", "192.0.2.77", (40_000, 443));
    let status = |records: &[Record]| records.iter().map(|record| record.field(LogField::LogStatus, 2)).collect::<Vec<_>>();
    let nothing = Harvest::default();
    logger.absorb(&model, &fabric, &nothing, Timestamp(MADE), Timestamp(MADE + 300));
    let records = only(logger.close(&model, &fabric, Timestamp(MADE + 600)), MADE + 600);
    assert_eq!(status(&records), ["NODATA"]);
    let dashes = LogFormat::default().fields()[3..10].iter().map(|field| records[0].field(*field, 2)).collect::<String>();
    assert_eq!((dashes.as_str(), records[0].field(LogField::Action, 2).as_str()), ("-------", "-"));
    assert_eq!((records[0].start, records[0].end), (Timestamp(MADE), Timestamp(MADE + 600)));

    // Nobody looked from 300 on until well into the third window: what is found then may be of any time.
    logger.absorb(&model, &fabric, &seen(&web, flow(), 3), Timestamp(MADE + 300), Timestamp(MADE + 1_300));
    let records = only(logger.close(&model, &fabric, Timestamp(MADE + 1_300)), MADE + 1_200);
    assert_eq!(status(&records), ["SKIPDATA"]);
    let records = only(logger.close(&model, &fabric, Timestamp(MADE + 1_800)), MADE + 1_800);
    assert_eq!(status(&records), ["OK"]);

    let lost = Harvest { lost: BTreeSet::from([web.clone()]), ..seen(&web, flow(), 1) };
    logger.absorb(&model, &fabric, &lost, Timestamp(MADE + 1_900), Timestamp(MADE + 1_900));
    let records = only(logger.close(&model, &fabric, Timestamp(MADE + 2_400)), MADE + 2_400);
    assert_eq!(status(&records), ["OK", "SKIPDATA"]);
}

#[test]
fn after_a_pause_windows_go_on_where_the_clock_is() {
    let (model, fabric, web) = of_interface("web1");
    let mut logger = Logger::default();
    let harvest = seen(&web, key(Direction::Egress, "10.0.0.10", "192.0.2.77", (40_000, 443)), 3);
    logger.absorb(&model, &fabric, &harvest, Timestamp(MADE + 10), Timestamp(MADE + 10));
    // The lab was down for a day: nothing is to be told of that, but what was counted before is.
    let later = MADE + 86_400 + 30;
    logger.resume(&model, Timestamp(later));
    logger.absorb(&model, &fabric, &Harvest::default(), Timestamp(later), Timestamp(later));
    let records = only(logger.close(&model, &fabric, Timestamp(later)), MADE + 600);
    assert!(matches!(&records[..], [Record { status: Status::Ok(Flow { packets: 3, .. }), .. }]), "{records:?}");
    assert_eq!(only(logger.close(&model, &fabric, Timestamp(later + 600)), MADE + 86_400 + 600).len(), 1);
}

#[test]
fn a_clock_behind_the_one_of_creations_has_windows_too() {
    let (model, fabric, web) = of_interface("web1");
    let mut logger = Logger::default();
    // As a lab's clock is, which what it waits for moves on.
    let now = MADE - 86_400 + 7;
    let harvest = seen(&web, key(Direction::Egress, "10.0.0.10", "192.0.2.77", (40_000, 443)), 3);
    logger.absorb(&model, &fabric, &harvest, Timestamp(now), Timestamp(now));
    assert_eq!(logger.close(&model, &fabric, Timestamp(now + 592)), []);
    let records = only(logger.close(&model, &fabric, Timestamp(now + 593)), MADE - 86_400 + 600);
    assert!(matches!(&records[..], [Record { status: Status::Ok(Flow { packets: 3, .. }), start: Timestamp(start), .. }] if *start == now));
}

#[test]
fn only_the_traffic_that_is_asked_for_is_recorded_and_the_rest_is_not_nothing() {
    for (traffic, actions) in [
        (TrafficType::All, vec!["ACCEPT", "REJECT"]),
        (TrafficType::Accept, vec!["ACCEPT"]),
        (TrafficType::Reject, vec!["REJECT"]),
    ] {
        let (model, fabric, watched) = of_vpc(traffic, AggregationInterval::OneMinute);
        let web = watched.first().unwrap();
        let mut logger = Logger::default();
        for action in [Action::Accept, Action::Reject] {
            let flow = FlowKey { action, ..key(Direction::Egress, "10.0.0.10", "192.0.2.77", (40_000, 443)) };
            logger.absorb(&model, &fabric, &seen(web, flow, 1), Timestamp(MADE), Timestamp(MADE));
        }
        let records = only(logger.close(&model, &fabric, Timestamp(MADE + 60)), MADE + 60);
        let own: Vec<String> = records.iter().filter(|r| r.interface == *web).map(|r| r.field(LogField::Action, 2)).collect();
        assert_eq!(own, actions, "{traffic:?}");
        assert_eq!(records.iter().filter(|r| r.status == Status::NoData).count(), watched.len() - 1);
    }
}

#[test]
fn more_flows_than_are_kept_are_said_to_be_skipped() {
    let (model, fabric, web) = of_interface("web1");
    let mut logger = Logger::default();
    let flow = |n: u16, source: &str| key(Direction::Ingress, source, "10.0.0.10", (n, 443));
    let all = ["192.0.2.1", "192.0.2.2"].into_iter().flat_map(|source| (0..15_000).map(move |n| flow(n, source)));
    let sightings = all.map(|flow| Sighting { interface: web.clone(), flow, packets: 1, bytes: 40, tcp_flags: 0 }).collect();
    logger.absorb(&model, &fabric, &Harvest { sightings, ..Harvest::default() }, Timestamp(MADE), Timestamp(MADE));
    let records = only(logger.close(&model, &fabric, Timestamp(MADE + 600)), MADE + 600);
    assert_eq!(records.len(), 20_001);
    assert_eq!(records.last().map(|record| &record.status), Some(&Status::SkipData));
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn record() -> impl Strategy<Value = Record> {
    let flow = (
        (any::<bool>(), any::<bool>(), address(), address(), any::<u8>(), any::<u16>(), any::<u16>()),
        (any::<u64>(), any::<u64>(), any::<u8>(), any::<bool>(), proptest::option::of(1u8..=8)),
    );
    let status = prop_oneof![
        Just(Status::NoData),
        Just(Status::SkipData),
        flow.prop_map(|((out, rejected, source, destination, protocol, from, to), (packets, bytes, tcp_flags, served, traffic_path))| {
            let key = FlowKey {
                direction: if out { Direction::Egress } else { Direction::Ingress },
                action: if rejected { Action::Reject } else { Action::Accept },
                source,
                destination,
                protocol,
                source_port: from,
                destination_port: to,
            };
            let service = served.then(|| "S3".to_owned());
            Status::Ok(Flow { key, packets, bytes, tcp_flags, source_service: service, destination_service: None, traffic_path })
        }),
    ];
    (status, any::<u32>(), any::<u32>(), any::<bool>()).prop_map(|(status, start, end, has_instance)| Record {
        interface: "eni-0123456789abcdef0".parse().unwrap(),
        place: Place {
            account_id: "111122223333".to_owned(),
            vpc_id: "vpc-1".parse().unwrap(),
            subnet_id: "subnet-1".parse().unwrap(),
            instance_id: has_instance.then(|| "i-1".parse().unwrap()),
            region: "ap-northeast-2".to_owned(),
            zone_id: "apne2-az1".to_owned(),
            primary: [10, 0, 0, 10].into(),
            primary_ipv6: None,
        },
        start: Timestamp(start.into()),
        end: Timestamp(end.into()),
        status,
    })
}

fn format() -> impl Strategy<Value = LogFormat> {
    let count = LogField::ALL.len();
    proptest::sample::subsequence(LogField::ALL.to_vec(), 1..=count).prop_shuffle().prop_map(|fields| LogFormat::new(fields).unwrap())
}

proptest! {
    /// What is written is read as it was, field by field, in any format.
    #[test]
    fn records_read_back_as_they_are_written(record in record(), format in format()) {
        let line = Line::parse(&record.line(&format), &format).unwrap();
        for field in LogField::ALL {
            let wanted = format.fields().contains(field).then(|| record.field(*field, format.version()));
            prop_assert_eq!(line.get(*field), wanted.as_deref());
        }
        let longer = record.line(&format) + " x";
        prop_assert!(Line::parse(&longer, &format).is_err());
    }

    /// However often one looks, and whenever: every packet is in exactly one record, windows follow each other without a gap, a
    /// flow has one record a window, and every interface that is watched has one.
    #[test]
    fn windows_part_time_and_packets(
        steps in proptest::collection::vec((0u64..40, 0usize..5, 0u16..4, 1u64..1_000), 1..60),
        minute in any::<bool>(),
    ) {
        let interval = if minute { AggregationInterval::OneMinute } else { AggregationInterval::TenMinutes };
        let (model, fabric, watched) = of_vpc(TrafficType::All, interval);
        let interfaces: Vec<_> = watched.iter().collect();
        let mut logger = Logger::default();
        let (mut now, mut until, mut total, mut batches) = (MADE, MADE, 0, Vec::new());
        for (passed, at, port, packets) in steps {
            now += passed;
            let flow = key(Direction::Egress, "10.0.0.10", "192.0.2.77", (port, 443));
            let harvest = seen(interfaces[at % interfaces.len()], flow, packets);
            logger.absorb(&model, &fabric, &harvest, Timestamp(until), Timestamp(now));
            total += packets;
            until = now;
            batches.extend(logger.close(&model, &fabric, Timestamp(now)));
        }
        batches.extend(logger.close(&model, &fabric, Timestamp(now + 600)));
        let length = u64::from(interval.seconds());
        let mut recorded = 0;
        for (at, batch) in batches.iter().enumerate() {
            prop_assert_eq!(batch.start, Timestamp(MADE + at as u64 * length));
            prop_assert_eq!(batch.end, batch.start.plus(length));
            let mut flows: BTreeMap<_, u64> = BTreeMap::new();
            for record in &batch.records {
                prop_assert!(batch.start <= record.start && record.start <= record.end && record.end <= batch.end);
                if let Status::Ok(flow) = &record.status {
                    *flows.entry((record.interface.clone(), flow.key.clone())).or_default() += 1;
                    recorded += flow.packets;
                }
            }
            prop_assert!(flows.values().all(|count| *count == 1));
            let told: BTreeSet<_> = batch.records.iter().map(|record| record.interface.clone()).collect();
            prop_assert_eq!(&told, &watched);
            let both = batch.records.iter().filter(|r| r.status == Status::NoData && flows.keys().any(|(id, _)| *id == r.interface));
            prop_assert_eq!(both.count(), 0);
        }
        prop_assert_eq!(recorded, total);
    }
}
