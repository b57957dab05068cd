//! Volumes beside an instance's disk: they come and go while it runs, and are copied whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox::{InstanceSpec, SelfCommand, remove_tree};

use crate::common::{Lab, eventually, output};

fn folder(lab: &Lab, of: &str) -> PathBuf {
    lab.directory.path().join(of)
}

fn begin(lab: &Lab, key: &str, volumes: &[(&str, &Path)]) {
    let mut spec = InstanceSpec::new(key, key);
    spec.root.disk = Some(folder(lab, "disks").join(key));
    spec.root.volumes = seen(volumes);
    lab.client.start_instance(spec).unwrap();
}

fn seen(volumes: &[(&str, &Path)]) -> BTreeMap<PathBuf, PathBuf> {
    volumes.iter().map(|(target, source)| (PathBuf::from(target), source.to_path_buf())).collect()
}

fn finish(lab: Lab) {
    let _ = lab.handle.client().unwrap().shutdown();
    remove_tree(lab.directory.path(), &SelfCommand::current().unwrap()).unwrap();
}

#[test]
fn a_volume_goes_from_one_running_instance_to_another_with_what_is_on_it() {
    let lab = Lab::launch();
    let data = folder(&lab, "volumes").join("data");
    begin(&lab, "one", &[("/mnt/sdf", &data)]);
    begin(&lab, "two", &[]);
    assert_eq!(output(&lab, "one", "echo kept > /mnt/sdf/file && cat /mnt/sdf/file"), "kept\n");
    assert_eq!(output(&lab, "two", "ls /mnt"), "");
    lab.client.set_volumes("one", BTreeMap::new()).unwrap();
    eventually("the volume is gone", || output(&lab, "one", "ls /mnt/sdf").is_empty());
    lab.client.set_volumes("two", seen(&[("/mnt/sdg", &data)])).unwrap();
    eventually("the volume is there", || output(&lab, "two", "cat /mnt/sdg/file 2> /dev/null") == "kept\n");
    // Twice changes nothing; a start finds it again.
    lab.client.set_volumes("two", seen(&[("/mnt/sdg", &data)])).unwrap();
    lab.client.stop_instances(&["two"], Duration::ZERO).unwrap();
    begin(&lab, "two", &[("/mnt/sdg", &data)]);
    assert_eq!(output(&lab, "two", "cat /mnt/sdg/file"), "kept\n");
    finish(lab);
}

#[test]
fn a_copy_of_a_disk_starts_another_instance_as_it_was_then() {
    let lab = Lab::launch();
    begin(&lab, "one", &[]);
    output(&lab, "one", "echo then > /srv/file && echo own > /usr/local/bin/own && rm /etc/passwd && ln -s file /srv/link");
    let (disk, copy) = (folder(&lab, "disks").join("one"), folder(&lab, "volumes").join("copy"));
    lab.client.copy_disk(&disk, &copy).unwrap();
    output(&lab, "one", "echo later > /srv/file");
    // What is there already stays as it is.
    lab.client.copy_disk(&disk, &copy).unwrap();
    lab.client.copy_disk(&copy, &folder(&lab, "disks").join("two")).unwrap();
    begin(&lab, "two", &[]);
    let told = output(&lab, "two", "cat /srv/link /usr/local/bin/own; test -e /etc/passwd || echo gone");
    assert_eq!(told, "then\nown\ngone\n");
    finish(lab);
}

#[test]
fn a_folder_that_is_not_there_is_copied_as_an_empty_one_and_moves_take_nothing_away() {
    let lab = Lab::launch();
    let at = |name: &str| folder(&lab, "volumes").join(name);
    lab.client.copy_disk(&at("none"), &at("empty")).unwrap();
    begin(&lab, "one", &[("/mnt/sdf", &at("empty"))]);
    assert_eq!(output(&lab, "one", "ls -A /mnt/sdf && echo x > /mnt/sdf/x"), "");
    lab.client.set_volumes("one", BTreeMap::new()).unwrap();
    lab.client.copy_disk(&at("none"), &at("other")).unwrap();
    lab.client.move_disk(&at("empty"), &at("other")).unwrap();
    lab.client.move_disk(&at("none"), &at("nowhere")).unwrap();
    lab.client.move_disk(&at("empty"), &at("moved")).unwrap();
    begin(&lab, "two", &[("/mnt/sdf", &at("moved"))]);
    assert_eq!(output(&lab, "two", "cat /mnt/sdf/x"), "x\n");
    finish(lab);
}
