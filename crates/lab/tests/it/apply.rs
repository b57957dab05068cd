//! From a lab file to a cloud, and again.

use lab::load;
use model::{Context, Model, Region, Timestamp};

use crate::texts::BesideExamples;

fn shop() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml")).unwrap()
}

fn empty() -> Model {
    Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()))
}

#[test]
fn applying_twice_changes_nothing() {
    let lab = load("shop.yaml", &BesideExamples(shop())).unwrap();
    let mut model = empty();
    let planned = lab.plan(&model).unwrap();
    assert_eq!(lab.apply(&mut model).unwrap(), planned);
    assert_eq!(model.subnets.len(), 4);
    assert_eq!(model.instances.len(), 4);
    let once = model.clone();
    assert_eq!(lab.apply(&mut model).unwrap(), vec![]);
    assert_eq!(model.subnets, once.subnets);
    assert_eq!(model.instances, once.instances);
    assert_eq!(model.security_groups, once.security_groups);
}

#[test]
fn an_error_leaves_the_cloud_as_it_was() {
    let lab = load("shop.yaml", &BesideExamples(shop())).unwrap();
    let mut model = empty();
    lab.apply(&mut model).unwrap();
    let before = format!("{model:?}");
    let wrong = shop().replace("admin:    { az: a, cidr: /27", "admin:    { az: a, cidr: /24");
    assert_ne!(wrong, shop());
    let wrong = load("shop.yaml", &BesideExamples(wrong));
    assert!(wrong.and_then(|lab| lab.apply(&mut model)).is_err());
    assert_eq!(format!("{model:?}"), before);
}

#[test]
fn every_example_is_made_and_made_again_without_a_change() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let lab = load(&path.to_string_lossy(), &BesideExamples(std::fs::read_to_string(&path).unwrap()));
        let lab = lab.unwrap_or_else(|e| panic!("{e}"));
        let (mut model, mut twin) = (empty(), empty());
        lab.apply(&mut model).unwrap_or_else(|e| panic!("{e}"));
        lab.apply(&mut twin).unwrap();
        assert_eq!(model, twin, "the same seed makes the same cloud: {}", path.display());
        assert_eq!(lab.plan(&model).unwrap(), vec![], "{}", path.display());
        seen += 1;
    }
    assert!(seen > 0);
}
