//! Containers, volumes and images: what may be asked for, and what a refusal leaves.

use std::collections::BTreeMap;

use model::container::*;
use model::operation::*;
use model::*;

use crate::cloud::*;

/// A running instance, and a volume `data`.
fn home() -> (Model, InstanceId) {
    let mut model = empty();
    let vpc = vpc(&mut model, "10.0.0.0/16");
    let subnet = subnet(&mut model, &vpc, "10.0.0.0/24");
    let id = instance(&mut model, &subnet);
    set_volume(&mut model, "data", Volume::default()).unwrap();
    (model, id)
}

fn nginx() -> ContainerSpec {
    ContainerSpec { image: "nginx".into(), ..ContainerSpec::default() }
}

fn publish(host: u16, container: u16) -> PortMapping {
    let (host, container) = (PortRange::one(host), PortRange::one(container));
    PortMapping { protocol: PortProtocol::Tcp, host, container, host_address: [0, 0, 0, 0].into() }
}

fn mount(name: &str, target: &str) -> MountSpec {
    let source = MountSource::Volume { name: name.into(), copy: true };
    MountSpec { target: target.into(), source, read_only: false }
}

fn named<const N: usize>(all: [(&str, ContainerSpec); N]) -> BTreeMap<String, ContainerSpec> {
    all.into_iter().map(|(name, spec)| (name.to_owned(), spec)).collect()
}

fn waits(other: &str) -> ContainerSpec {
    ContainerSpec { depends_on: [(other.to_owned(), Readiness::Started)].into(), ..nginx() }
}

#[test]
fn containers_of_an_instance_are_set_as_a_whole_and_end_with_it() {
    let (mut model, id) = home();
    let generation = model.generation;
    set_containers(&mut model, &id, named([("web", nginx()), ("side", waits("web"))])).unwrap();
    assert!(model.generation > generation);
    set_containers(&mut model, &id, named([("web", nginx())])).unwrap();
    assert_eq!(model.containers[&id].keys().collect::<Vec<_>>(), ["web"]);
    terminate_instances(&mut model, std::slice::from_ref(&id)).unwrap();
    settle(&mut model);
    assert!(model.containers.is_empty());
    let code = refused(&mut model, |m| set_containers(m, &id, named([("web", nginx())])));
    assert_eq!(code, "IncorrectInstanceState");
}

#[test]
fn what_cannot_run_is_refused_whole() {
    let (mut model, id) = home();
    let range = |from, to| PortRange { from, to };
    let with = |change: &dyn Fn(&mut ContainerSpec)| {
        let mut spec = nginx();
        change(&mut spec);
        spec
    };
    let limits = |resources: Resources| with(&|s| s.resources = resources);
    for (why, containers) in [
        ("name", named([("-web", nginx())])),
        ("name of one letter", named([("w", nginx())])),
        ("image", named([("web", with(&|s| s.image = "Nginx:latest".into()))])),
        ("port 0", named([("web", with(&|s| s.publish = vec![publish(0, 80)]))])),
        ("ranges", named([("web", with(&|s| s.publish = vec![PortMapping { host: range(80, 82), ..publish(80, 80) }]))])),
        ("twice", named([("web", with(&|s| s.publish = vec![publish(80, 80), publish(80, 8080)]))])),
        ("two", named([("aa", with(&|s| s.publish = vec![publish(80, 80)])), ("bb", with(&|s| s.publish = vec![publish(80, 1)]))])),
        ("target", named([("web", with(&|s| s.mounts = vec![mount("data", "var/lib")]))])),
        ("way up", named([("web", with(&|s| s.mounts = vec![mount("data", "/var/../etc")]))])),
        ("root", named([("web", with(&|s| s.mounts = vec![mount("data", "//")]))])),
        ("one target", named([("web", with(&|s| s.mounts = vec![mount("data", "/a"), mount("data", "/a/")]))])),
        ("volume", named([("web", with(&|s| s.mounts = vec![mount("other", "/a")]))])),
        ("nobody to wait for", named([("web", waits("db"))])),
        ("circle", named([("aa", waits("bb")), ("bb", waits("aa"))])),
        ("shared network in a circle", named([("aa", with(&|s| s.network = NetworkChoice::Container("aa".into())))])),
        ("host network", named([("web", with(&|s| (s.network, s.publish) = (NetworkChoice::Host, vec![publish(80, 80)])))])),
        ("memory", named([("web", limits(Resources { memory_bytes: Some(512), ..Resources::default() }))])),
        ("pids", named([("web", limits(Resources { pids: Some(0), ..Resources::default() }))])),
        ("working directory", named([("web", with(&|s| s.working_directory = Some("srv".into())))])),
    ] {
        assert_eq!(refused(&mut model, |m| set_containers(m, &id, containers)), "InvalidParameterValue", "{why}");
    }
}

#[test]
fn a_port_is_the_instances_or_a_containers_whichever_came_first() {
    let (mut model, id) = home();
    let web = || named([("web", ContainerSpec { publish: vec![publish(80, 8080)], ..nginx() })]);
    let listen = |port| Guest { listen: vec![Listener::Tcp(port)], ..Guest::default() };
    set_guest(&mut model, &id, listen(80)).unwrap();
    assert_eq!(refused(&mut model, |m| set_containers(m, &id, web())), "InvalidParameterValue");
    set_guest(&mut model, &id, listen(22)).unwrap();
    set_containers(&mut model, &id, web()).unwrap();
    assert_eq!(refused(&mut model, |m| set_guest(m, &id, listen(80))), "InvalidParameterValue");
    assert_eq!(model.published_ports(&id), [TrafficMatch::Tcp(PortRange::one(80))]);
}

#[test]
fn a_volume_in_use_stays_and_an_image_of_a_name_has_a_source() {
    let (mut model, id) = home();
    set_containers(&mut model, &id, named([("web", ContainerSpec { mounts: vec![mount("data", "/a")], ..nginx() })])).unwrap();
    assert_eq!(refused(&mut model, |m| remove_volume(m, "data")), "DependencyViolation");
    set_containers(&mut model, &id, BTreeMap::new()).unwrap();
    remove_volume(&mut model, "data").unwrap();
    assert_eq!(refused(&mut model, |m| remove_volume(m, "data")), "InvalidParameterValue");
    let image = |source| ContainerImage { source, origin: Origin::default() };
    let pull = |text: &str| image(ImageSource::Pull(text.into()));
    assert_eq!(refused(&mut model, |m| set_container_image(m, "web", pull("UPPER"))), "InvalidParameterValue");
    set_container_image(&mut model, "web", pull("nginx:1.27")).unwrap();
    remove_container_image(&mut model, "web").unwrap();
    assert_eq!(refused(&mut model, |m| remove_container_image(m, "web")), "InvalidParameterValue");
}

#[test]
fn what_was_written_before_there_were_containers_is_still_read() {
    let (mut model, id) = home();
    set_containers(&mut model, &id, named([("web", waits("db")), ("db", nginx())])).unwrap();
    let whole = serde_json::to_value(&model).unwrap();
    assert_eq!(serde_json::from_value::<Model>(whole.clone()).unwrap(), model);
    let mut old = whole;
    let object = old.as_object_mut().unwrap();
    for table in ["containers", "volumes", "container_images"] {
        object.remove(table).unwrap();
    }
    let (containers, volumes) = (BTreeMap::new(), BTreeMap::new());
    assert_eq!(serde_json::from_value::<Model>(old).unwrap(), Model { containers: containers.into(), volumes: volumes.into(), ..model });
    let least: ContainerSpec = serde_json::from_value(serde_json::json!({ "image": "nginx" })).unwrap();
    assert_eq!(least, nginx(), "keys of a spec may be missing");
}
