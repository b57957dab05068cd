//! Instances, key pairs, guests (INST-1 … INST-9, UD-1, IMDS-5, IMDS-7, PIP-1 … PIP-3, EIP-6, EIP-8, ENI-8, VPC-13),
//! rule by rule.

use std::net::Ipv4Addr;

use model::instance_type::Architecture;
use model::operation::*;
use model::*;

use crate::cloud::*;

fn image(model: &Model) -> ImageId {
    image::default_for(&model.region, Architecture::X86_64)
}

/// A VPC with an internet gateway, a subnet that gives public addresses, and one that does not.
fn home(model: &mut Model) -> (VpcId, SubnetId, SubnetId) {
    let vpc = vpc(model, "10.0.0.0/16");
    igw(model, &vpc);
    let public = subnet(model, &vpc, "10.0.0.0/24");
    let attribute = SubnetAttribute::MapPublicIpOnLaunch(true);
    let request = ModifySubnetAttribute { subnet_id: public.clone(), attribute };
    modify_subnet_attribute(model, request).unwrap();
    let private = subnet(model, &vpc, "10.0.1.0/24");
    (vpc, public, private)
}

fn in_subnet(model: &Model, subnet: &SubnetId) -> RunInstances {
    RunInstances { subnet_id: Some(subnet.clone()), ..RunInstances::of(image(model)) }
}

fn run(model: &mut Model, request: RunInstances) -> Vec<InstanceId> {
    run_instances(model, request).unwrap()
}

fn state(model: &Model, id: &InstanceId) -> InstanceState {
    model.instances[id].state
}

fn public_ip(model: &Model, id: &InstanceId) -> Option<Ipv4Addr> {
    let primary = interface_of(model, id);
    model.public_ip_of(&primary, primary.primary_address())
}

fn one(id: &InstanceId) -> Vec<InstanceId> {
    vec![id.clone()]
}

#[test]
fn states_follow_one_another_and_no_others() {
    use InstanceState::*;
    let mut model = empty();
    let (_, _, subnet) = home(&mut model);
    let request = in_subnet(&model, &subnet);
    let id = run(&mut model, request).remove(0);
    let wrong = "IncorrectInstanceState";
    assert_eq!(state(&model, &id), Pending, "INST-2");
    assert_eq!(refused(&mut model, |m| stop_instances(m, &one(&id))), wrong);
    settle(&mut model);
    assert_eq!(state(&model, &id), Running);
    let started = start_instances(&mut model, &one(&id)).unwrap();
    assert_eq!((started[0].previous, started[0].current), (Running, Running), "no change");
    reboot_instances(&mut model, &one(&id)).unwrap();
    assert_eq!((state(&model, &id), model.instances[&id].reboots), (Running, 1), "INST-2");
    let stopped = stop_instances(&mut model, &one(&id)).unwrap();
    assert_eq!((stopped[0].previous, stopped[0].current), (Running, Stopping));
    assert!(model.instances[&id].state_transition_reason.starts_with("User initiated (1970-01-12 "));
    assert_eq!(refused(&mut model, |m| start_instances(m, &one(&id))), wrong, "while stopping");
    assert_eq!(refused(&mut model, |m| reboot_instances(m, &one(&id))), wrong);
    settle(&mut model);
    assert_eq!(state(&model, &id), Stopped);
    start_instances(&mut model, &one(&id)).unwrap();
    assert_eq!((state(&model, &id), model.instances[&id].state_transition_reason.as_str()), (Pending, ""));
    terminate_instances(&mut model, &one(&id)).unwrap();
    assert_eq!(state(&model, &id), ShuttingDown, "INST-2: from pending as well");
    settle(&mut model);
    assert_eq!(state(&model, &id), Terminated);
    assert_eq!(refused(&mut model, |m| start_instances(m, &one(&id))), wrong);
    let again = terminate_instances(&mut model, &one(&id)).unwrap();
    assert_eq!((again[0].previous, again[0].current), (Terminated, Terminated), "INST-3: idempotent");
    model.advance_to(model.context.now.plus(3_000));
    assert!(model.instances.contains_key(&id), "INST-3: visible for about an hour");
    model.advance_to(model.context.now.plus(700));
    assert!(!model.instances.contains_key(&id));
    assert_eq!(refused(&mut model, |m| terminate_instances(m, &one(&id))), "InvalidInstanceID.NotFound");
}

#[test]
fn one_bad_id_fails_the_whole_call() {
    let mut model = empty();
    let (_, _, subnet) = home(&mut model);
    let good = instance(&mut model, &subnet);
    let both = [good, "i-0".parse().unwrap()];
    type Verb = fn(&mut Model, &[InstanceId]) -> Result<Vec<StateChange>, ApiError>;
    for verb in [start_instances as Verb, stop_instances, terminate_instances] {
        assert_eq!(refused(&mut model, |m| verb(m, &both)), "InvalidInstanceID.NotFound", "INST-3");
        assert_eq!(refused(&mut model, |m| verb(m, &[])), "MissingParameter");
    }
}

#[test]
fn a_protected_instance_saves_its_zone() {
    let mut model = empty();
    let (id, here, _) = home(&mut model);
    let zone_c = CreateSubnet {
        availability_zone: Some("ap-northeast-2c".to_owned()),
        ..CreateSubnet::new(id, net("10.0.2.0/24"))
    };
    let there = create_subnet(&mut model, zone_c).unwrap();
    let (kept, beside, far) = (instance(&mut model, &here), instance(&mut model, &here), instance(&mut model, &there));
    let protect = |on| ModifyInstanceAttribute {
        disable_api_termination: Some(on),
        ..ModifyInstanceAttribute::of(kept.clone())
    };
    modify_instance_attribute(&mut model, protect(true)).unwrap();
    assert_eq!(refused(&mut model, |m| terminate_instances(m, &[kept.clone(), beside.clone()])), "OperationNotPermitted");
    let error = terminate_instances(&mut model, &[kept.clone(), beside.clone(), far.clone()]).unwrap_err();
    assert_eq!(error.code, ErrorCode::OperationNotPermitted, "INST-4");
    let states = [&kept, &beside, &far].map(|id| state(&model, id));
    use InstanceState::{Running, ShuttingDown};
    assert_eq!(states, [Running, Running, ShuttingDown], "INST-4: the other zone goes");
    modify_instance_attribute(&mut model, protect(false)).unwrap();
    terminate_instances(&mut model, &[kept, beside]).unwrap();
}

#[test]
fn stop_protection_holds_until_it_is_taken_off() {
    let mut model = empty();
    let (_, _, subnet) = home(&mut model);
    let request = RunInstances { disable_api_stop: true, ..in_subnet(&model, &subnet) };
    let id = run(&mut model, request).remove(0);
    settle(&mut model);
    assert_eq!(refused(&mut model, |m| stop_instances(m, &one(&id))), "OperationNotPermitted");
    let request = ModifyInstanceAttribute { disable_api_stop: Some(false), ..ModifyInstanceAttribute::of(id.clone()) };
    modify_instance_attribute(&mut model, request).unwrap();
    stop_instances(&mut model, &one(&id)).unwrap();
}

#[test]
fn an_auto_assigned_address_is_given_back_on_stop_and_a_new_one_comes_on_start() {
    let mut model = empty();
    let (_, public, private) = home(&mut model);
    let id = instance(&mut model, &public);
    let first = public_ip(&model, &id).expect("SUB-6, PIP-1");
    let kept = interface_of(&model, &id).private_ip_addresses;
    reboot_instances(&mut model, &one(&id)).unwrap();
    settle(&mut model);
    assert_eq!(public_ip(&model, &id), Some(first), "PIP-2: reboot keeps it");
    stop_instances(&mut model, &one(&id)).unwrap();
    settle(&mut model);
    assert_eq!(public_ip(&model, &id), None, "PIP-2");
    start_instances(&mut model, &one(&id)).unwrap();
    let second = public_ip(&model, &id).expect("PIP-2");
    assert_ne!(second, first, "PIP-1: it cannot be kept");
    assert_eq!(interface_of(&model, &id).private_ip_addresses, kept, "INST-5");

    let hidden = instance(&mut model, &private);
    assert_eq!(public_ip(&model, &hidden), None);
    for (subnet, wish, expected) in [(&public, false, false), (&private, true, true)] {
        let interface = LaunchInterface {
            subnet_id: Some(subnet.clone()),
            associate_public_ip_address: Some(wish),
            ..LaunchInterface::default()
        };
        let request = RunInstances { network_interfaces: vec![interface], ..RunInstances::of(image(&model)) };
        let id = run(&mut model, request).remove(0);
        assert_eq!(public_ip(&model, &id).is_some(), expected, "SUB-6: the launch decides");
    }
}

#[test]
fn with_two_interfaces_no_address_is_assigned() {
    let mut model = empty();
    let (_, public, _) = home(&mut model);
    let interface = |device_index, public_ip| LaunchInterface {
        device_index,
        subnet_id: Some(public.clone()),
        associate_public_ip_address: public_ip,
        ..LaunchInterface::default()
    };
    let launch = |model: &Model, interfaces| RunInstances { network_interfaces: interfaces, ..RunInstances::of(image(model)) };
    let asked = launch(&model, vec![interface(0, Some(true)), interface(1, None)]);
    assert_eq!(refused(&mut model, |m| run_instances(m, asked)), "InvalidParameterCombination", "PIP-3");
    let two = launch(&model, vec![interface(0, None), interface(1, None)]);
    let two = run(&mut model, two).remove(0);
    assert_eq!(public_ip(&model, &two), None, "PIP-3: two at launch");

    // One at launch keeps what it has when a second comes, and gets none again after a stop.
    let host = instance(&mut model, &public);
    let second = eni(&mut model, &public);
    let attach = AttachNetworkInterface { network_interface_id: second, instance_id: host.clone(), device_index: 1 };
    attach_network_interface(&mut model, attach).unwrap();
    assert!(public_ip(&model, &host).is_some());
    stop_instances(&mut model, &one(&host)).unwrap();
    settle(&mut model);
    start_instances(&mut model, &one(&host)).unwrap();
    settle(&mut model);
    assert_eq!(public_ip(&model, &host), None, "PIP-3");
}

#[test]
fn an_elastic_ip_displaces_the_auto_assigned_one_and_outlives_the_instance() {
    let mut model = empty();
    let (_, public, _) = home(&mut model);
    let id = instance(&mut model, &public);
    let first = public_ip(&model, &id).unwrap();
    let elastic = eip(&mut model);
    let eni = interface_of(&model, &id).id;
    let association = associate_eip(&mut model, &elastic, &eni);
    let address = model.addresses[&elastic].public_ip;
    assert_eq!(public_ip(&model, &id), Some(address), "EIP-6");
    disassociate_address(&mut model, &AssociationName::Association(association)).unwrap();
    assert_eq!(public_ip(&model, &id), None, "EIP-6: after a while, not at once");
    settle(&mut model);
    let third = public_ip(&model, &id).expect("EIP-6");
    assert!(third != first && third != address, "EIP-6: a new one");

    associate_eip(&mut model, &elastic, &eni);
    stop_instances(&mut model, &one(&id)).unwrap();
    settle(&mut model);
    start_instances(&mut model, &one(&id)).unwrap();
    settle(&mut model);
    assert_eq!(public_ip(&model, &id), Some(address), "EIP-8: stop and start keep it");
    assert_eq!(interface_of(&model, &id).auto_public_ip, None);
    terminate_instances(&mut model, &one(&id)).unwrap();
    settle(&mut model);
    assert_eq!(model.addresses[&elastic].association, None, "EIP-8: still allocated");
}

#[test]
fn interfaces_go_with_the_instance_or_stay() {
    let mut model = empty();
    let (_, public, _) = home(&mut model);
    let existing = eni(&mut model, &public);
    let interfaces = vec![
        LaunchInterface { subnet_id: Some(public.clone()), ..LaunchInterface::default() },
        LaunchInterface { device_index: 1, network_interface_id: Some(existing.clone()), ..LaunchInterface::default() },
    ];
    let request = RunInstances { network_interfaces: interfaces, ..RunInstances::of(image(&model)) };
    let id = run(&mut model, request).remove(0);
    let flags = |model: &Model| -> Vec<bool> {
        model.interfaces_of(&id).iter().map(|e| e.attachment.as_ref().unwrap().delete_on_termination).collect()
    };
    assert_eq!(flags(&model), [true, false], "ENI-8");
    settle(&mut model);
    terminate_instances(&mut model, &one(&id)).unwrap();
    assert_eq!(model.network_interfaces.len(), 2, "they stay while it shuts down");
    settle(&mut model);
    assert_eq!(model.network_interfaces.keys().collect::<Vec<_>>(), [&existing], "ENI-8");
    assert_eq!(model.network_interfaces[&existing].attachment, None);
}

#[test]
fn as_many_are_launched_as_there_are_addresses_for() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let small = subnet(&mut model, &id, "10.0.0.0/28");
    let request = |model: &Model, min_count, max_count| RunInstances { min_count, max_count, ..in_subnet(model, &small) };
    let twelve = request(&model, 12, 20);
    assert_eq!(refused(&mut model, |m| run_instances(m, twelve)), "InsufficientFreeAddressesInSubnet", "SUB-5");
    let some = request(&model, 2, 20);
    let ids = run(&mut model, some);
    assert_eq!(ids.len(), 11, "as many as fit");
    let launches: std::collections::BTreeSet<_> = ids.iter().map(|id| &model.instances[id].reservation_id).collect();
    assert_eq!(launches.len(), 1);
    assert_eq!(ids.iter().map(|id| model.instances[id].ami_launch_index).collect::<Vec<_>>(), (0..11).collect::<Vec<_>>());
    for (min, max) in [(0, 1), (2, 1)] {
        let wrong = request(&model, min, max);
        assert_eq!(refused(&mut model, |m| run_instances(m, wrong)), "InvalidParameterValue");
    }
}

#[test]
fn a_launch_names_things_that_exist_and_fit_together() {
    let mut model = empty();
    let (_, public, _) = home(&mut model);
    let other = vpc(&mut model, "10.1.0.0/16");
    let foreign = model.security_groups.values().find(|g| g.vpc_id == other).unwrap().id.clone();
    let base = in_subnet(&model, &public);
    let interface = |change: fn(&mut LaunchInterface)| {
        let mut interface = LaunchInterface { subnet_id: Some(public.clone()), ..LaunchInterface::default() };
        change(&mut interface);
        RunInstances { subnet_id: None, network_interfaces: vec![interface], ..base.clone() }
    };
    let arm = image::default_for(&model.region, Architecture::Arm64);
    let free = eni(&mut model, &public);
    let with_existing = |subnet: bool| {
        let interface = LaunchInterface {
            network_interface_id: Some(free.clone()),
            subnet_id: subnet.then(|| public.clone()),
            ..LaunchInterface::default()
        };
        RunInstances { subnet_id: None, network_interfaces: vec![interface], ..base.clone() }
    };
    let listed = interface(|_| {}).network_interfaces;
    let cases: Vec<(&str, &str, RunInstances)> = vec![
        ("image", "InvalidAMIID.NotFound", RunInstances { image_id: "ami-0".parse().unwrap(), ..base.clone() }),
        ("type", "InvalidParameterValue", RunInstances { instance_type: "t3.giant".into(), ..base.clone() }),
        ("architecture", "InvalidParameterValue", RunInstances { image_id: arm, ..base.clone() }),
        ("key", "InvalidKeyPair.NotFound", RunInstances { key_name: Some("mine".into()), ..base.clone() }),
        ("UD-1", "InvalidParameterValue", RunInstances { user_data: Some(vec![0; 16_385]), ..base.clone() }),
        (
            "IMDS-5",
            "InvalidParameterValue",
            RunInstances {
                metadata_options: MetadataOptionsRequest { http_put_response_hop_limit: Some(65), ..Default::default() },
                ..base.clone()
            },
        ),
        ("INST-9", "InvalidGroup.NotFound", RunInstances { security_group_ids: vec![foreign], ..base.clone() }),
        ("VPC-13", "VPCIdNotSpecified", RunInstances { subnet_id: None, ..base.clone() }),
        ("subnet", "InvalidSubnetID.NotFound", RunInstances { subnet_id: "subnet-0".parse().ok(), ..base.clone() }),
        ("zone", "InvalidParameterValue", RunInstances { availability_zone: Some("ap-northeast-2c".into()), ..base.clone() }),
        ("names", "InvalidParameterCombination", RunInstances { security_groups: vec!["default".into()], ..base.clone() }),
        ("both", "InvalidParameterCombination", RunInstances { network_interfaces: listed, ..base.clone() }),
        ("ENI-3", "InvalidParameterValue", interface(|i| i.device_index = 1)),
        ("ENI-4", "PrivateIpAddressLimitExceeded", interface(|i| i.secondary_private_ip_address_count = 2)),
        ("SUB-2", "InvalidParameterValue", interface(|i| i.private_ip_addresses = vec!["10.0.0.1".parse().unwrap()])),
        ("existing and subnet", "InvalidParameterCombination", with_existing(true)),
        ("one interface for two", "InvalidParameterCombination", RunInstances { max_count: 2, ..with_existing(false) }),
        (
            "one address for two",
            "InvalidParameterCombination",
            RunInstances { max_count: 2, private_ip_address: Some("10.0.0.9".parse().unwrap()), ..base.clone() },
        ),
    ];
    for (what, code, request) in cases {
        assert_eq!(refused(&mut model, |m| run_instances(m, request)), code, "{what}");
    }
    let at = RunInstances { private_ip_address: Some("10.0.0.9".parse().unwrap()), ..base.clone() };
    let id = run(&mut model, at).remove(0);
    assert_eq!(interface_of(&model, &id).primary_address(), Ipv4Addr::new(10, 0, 0, 9));
    run(&mut model, with_existing(false));
    assert_eq!(refused(&mut model, |m| run_instances(m, with_existing(false))), "InvalidNetworkInterface.InUse");
}

#[test]
fn without_a_subnet_it_is_a_default_one() {
    let mut model = empty();
    create_default_vpc(&mut model, CreateDefaultVpc::default()).unwrap();
    let zones = [None, Some("ap-northeast-2c".to_owned())];
    for (zone, expected) in zones.into_iter().zip(["ap-northeast-2a", "ap-northeast-2c"]) {
        let request = RunInstances {
            availability_zone: zone,
            security_groups: vec!["default".to_owned()],
            ..RunInstances::of(image(&model))
        };
        let id = run(&mut model, request).remove(0);
        assert_eq!(model.instances[&id].availability_zone, expected, "VPC-13");
        assert!(public_ip(&model, &id).is_some(), "VPC-11: default subnets give public addresses");
    }
    let subnets: Vec<_> = model.subnets.keys().cloned().collect();
    let empty_ones = subnets.iter().filter(|s| model.network_interfaces.values().all(|eni| eni.subnet_id != **s));
    for subnet in empty_ones.cloned().collect::<Vec<_>>() {
        delete_subnet(&mut model, &subnet).unwrap();
    }
    let request = RunInstances { availability_zone: Some("ap-northeast-2d".to_owned()), ..RunInstances::of(image(&model)) };
    assert_eq!(refused(&mut model, |m| run_instances(m, request)), "MissingInput", "VPC-13");
}

#[test]
fn some_attributes_change_only_while_stopped() {
    let mut model = empty();
    let (_, public, _) = home(&mut model);
    let id = instance(&mut model, &public);
    let of = || ModifyInstanceAttribute::of(id.clone());
    let kind = |name: &str| ModifyInstanceAttribute { instance_type: Some(name.to_owned()), ..of() };
    let data = |bytes: usize| ModifyInstanceAttribute { user_data: Some(vec![1; bytes]), ..of() };
    for request in [kind("t3.small"), data(1)] {
        assert_eq!(refused(&mut model, |m| modify_instance_attribute(m, request)), "IncorrectInstanceState", "INST-7");
    }
    assert_eq!(refused(&mut model, |m| modify_instance_attribute(m, of())), "InvalidParameterCombination");
    stop_instances(&mut model, &one(&id)).unwrap();
    settle(&mut model);
    let second = CreateNetworkInterface {
        secondary_private_ip_address_count: 3,
        ..CreateNetworkInterface::in_subnet(public.clone())
    };
    modify_instance_attribute(&mut model, kind("t3.small")).unwrap();
    let second = create_network_interface(&mut model, second).unwrap();
    let attach = AttachNetworkInterface { network_interface_id: second, instance_id: id.clone(), device_index: 1 };
    attach_network_interface(&mut model, attach).unwrap();
    for (request, code, why) in [
        (kind("t3.micro"), "PrivateIpAddressLimitExceeded", "ENI-4"),
        (kind("t4g.small"), "InvalidParameterValue", "another architecture"),
        (data(16_385), "InvalidParameterValue", "UD-1"),
        (ModifyInstanceAttribute { source_dest_check: Some(false), ..of() }, "InvalidInstanceID", "two interfaces"),
        (ModifyInstanceAttribute { groups: Some(vec![]), ..data(1) }, "InvalidParameterValue", "SG-28, all or none"),
    ] {
        assert_eq!(refused(&mut model, |m| modify_instance_attribute(m, request)), code, "{why}");
    }
    modify_instance_attribute(&mut model, data(3)).unwrap();
    assert_eq!(model.instances[&id].user_data.as_deref(), Some(&[1; 3][..]));
    let vpc = model.subnets[&public].vpc_id.clone();
    let request = CreateSecurityGroup {
        group_name: "web".to_owned(),
        description: "x".to_owned(),
        vpc_id: Some(vpc),
        ..CreateSecurityGroup::default()
    };
    let web = create_security_group(&mut model, request).unwrap();
    modify_instance_attribute(&mut model, ModifyInstanceAttribute { groups: Some(vec![web.clone()]), ..of() }).unwrap();
    let has: Vec<_> = model.interfaces_of(&id).iter().map(|eni| eni.groups == [web.clone()]).collect();
    assert_eq!(has, [true, false], "SG-30: the primary interface only");
    terminate_instances(&mut model, &one(&id)).unwrap();
    assert_eq!(refused(&mut model, |m| modify_instance_attribute(m, data(1))), "IncorrectInstanceState");
}

#[test]
fn metadata_defaults_come_from_the_image() {
    let mut model = empty();
    let (_, public, _) = home(&mut model);
    let images = image::offered(&model.region);
    let of = |v2: bool| images.iter().find(|i| i.requires_imds_v2 == v2 && i.architecture == Architecture::X86_64).unwrap();
    for (v2, hops) in [(true, 2), (false, 1)] {
        let request = RunInstances { image_id: of(v2).id.clone(), ..in_subnet(&model, &public) };
        let id = run(&mut model, request).remove(0);
        let options = &model.instances[&id].metadata_options;
        assert_eq!((options.http_tokens_required, options.http_put_response_hop_limit), (v2, hops), "IMDS-7");
        let change = MetadataOptionsRequest {
            http_tokens_required: Some(!v2),
            http_put_response_hop_limit: Some(64),
            ..MetadataOptionsRequest::default()
        };
        modify_instance_metadata_options(&mut model, &id, change).unwrap();
        let options = &model.instances[&id].metadata_options;
        let shown = (options.http_tokens_required, options.http_put_response_hop_limit, options.http_endpoint_enabled);
        assert_eq!(shown, (!v2, 64, true), "what is not given stays");
        let wrong = MetadataOptionsRequest { http_put_response_hop_limit: Some(0), ..MetadataOptionsRequest::default() };
        let code = refused(&mut model, |m| modify_instance_metadata_options(m, &id, wrong));
        assert_eq!(code, "InvalidParameterValue", "IMDS-5");
    }
}

#[test]
fn key_pairs_have_names_of_their_own() {
    let mut model = empty();
    let pair = |name: &str, key: &str| ImportKeyPair {
        key_name: name.to_owned(),
        public_key: key.to_owned(),
        ..ImportKeyPair::default()
    };
    let key = "ssh-ed25519 AAAA me";
    let id = import_key_pair(&mut model, pair("mine", key)).unwrap();
    for (request, code) in [
        (pair("mine", key), "InvalidKeyPair.Duplicate"),
        (pair("", key), "MissingParameter"),
        (pair(" x", key), "InvalidParameterValue"),
        (pair("other", "-----BEGIN"), "InvalidKey.Format"),
    ] {
        assert_eq!(refused(&mut model, |m| import_key_pair(m, request)), code);
    }
    assert_eq!(delete_key_pair(&mut model, &KeyPairName::Name("nobody's".to_owned())), Ok(None));
    assert_eq!(delete_key_pair(&mut model, &KeyPairName::Id(id.clone())), Ok(Some(id.clone())));
    assert_eq!(refused(&mut model, |m| delete_key_pair(m, &KeyPairName::Id(id))), "InvalidKeyPair.NotFound");
}

#[test]
fn outside_places_and_instances_share_one_set_of_names() {
    let mut model = empty();
    let (_, public, _) = home(&mut model);
    let mut request = in_subnet(&model, &public);
    request.tags.insert("Name".to_owned(), "web-1".to_owned());
    let id = run(&mut model, request).remove(0);
    let own = public_ip(&model, &id).unwrap().to_string();
    let place = |addresses: &[&str]| OutsideHost {
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        origin: Origin::default(),
    };
    set_outside_host(&mut model, "office", place(&["203.0.113.7", "2001:db8::7"])).unwrap();
    let reserved = RESERVED_NAMES.map(|name| (name, "198.51.100.1"));
    let others = [
        ("web-1", "198.51.100.1"),
        ("a b", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1"),
        ("home", "203.0.113.7"),
        ("home", "224.0.0.1"),
        ("home", "127.0.0.1"),
        ("home", &own),
    ];
    for (name, address) in reserved.into_iter().chain(others) {
        let code = refused(&mut model, |m| set_outside_host(m, name, place(&[address])));
        assert_eq!(code, "InvalidParameterValue", "{name} {address}");
    }
    assert_eq!(refused(&mut model, |m| set_outside_host(m, "home", place(&[]))), "InvalidParameterValue");
    set_outside_host(&mut model, "office", place(&["203.0.113.7", "203.0.113.8"])).unwrap();
    assert_eq!(model.outside["office"].addresses.len(), 2, "given anew");
    remove_outside_host(&mut model, "office").unwrap();
    assert_eq!(refused(&mut model, |m| remove_outside_host(m, "office")), "InvalidParameterValue");
}

#[test]
fn a_guest_goes_with_its_instance() {
    let mut model = empty();
    let (_, public, _) = home(&mut model);
    let id = instance(&mut model, &public);
    let listen = |ports: &[u16]| Guest { listen: ports.iter().map(|p| Listener::Tcp(*p)).collect(), ..Guest::default() };
    assert_eq!(refused(&mut model, |m| set_guest(m, &id, listen(&[80, 80]))), "InvalidParameterValue");
    set_guest(&mut model, &id, listen(&[80, 443])).unwrap();
    terminate_instances(&mut model, &one(&id)).unwrap();
    settle(&mut model);
    assert!(model.guests.is_empty());
    assert_eq!(refused(&mut model, |m| set_guest(m, &id, listen(&[80]))), "IncorrectInstanceState");
}
