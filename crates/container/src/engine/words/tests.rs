//! Tables of what is read and what is refused.

use super::*;

#[test]
fn sizes_have_units_of_1024() {
    for (text, expected) in [
        ("512", 512),
        ("64m", 64 << 20),
        ("1.5g", 3 << 29),
        ("1GiB", 1 << 30),
        ("10kb", 10 << 10),
        ("0", 0),
    ] {
        assert_eq!(bytes("--memory", text).unwrap(), expected, "{text}");
    }
    for text in ["", "m", "-1", "1x", "1.2.3", "99999999t"] {
        assert!(bytes("--memory", text).is_err(), "{text}");
    }
}

#[test]
fn processors_are_hundredths() {
    assert_eq!((cpus("1.5").unwrap(), cpus("0.01").unwrap()), (150, 1));
    assert!(
        cpus("0").is_err() && cpus("-1").is_err() && cpus("many").is_err() && cpus("NaN").is_err()
    );
}

#[test]
fn policies_of_restart() {
    assert_eq!(
        restart("on-failure:3").unwrap(),
        RestartPolicy::OnFailure(Some(3))
    );
    assert_eq!(restart("always").unwrap(), RestartPolicy::Always);
    for text in ["sometimes", "always:3", "on-failure:x", "on-failure:-1"] {
        assert!(restart(text).is_err(), "{text}");
    }
}

#[test]
fn limits_of_processes() {
    assert_eq!(
        ulimit("nofile=1024:4096").unwrap(),
        ("nofile".into(), (1024, 4096))
    );
    assert_eq!(
        ulimit("core=-1").unwrap(),
        ("core".into(), (u64::MAX, u64::MAX))
    );
    for text in ["nofile", "files=1", "nofile=x", "nofile=5:4"] {
        assert!(ulimit(text).is_err(), "{text}");
    }
}

fn read(text: &str) -> Result<MountRequest> {
    volume(text, Path::new("/project"), Some(Path::new("/home/ann")))
}

#[test]
fn short_mounts_are_volumes_or_paths() {
    let bind = |path: &str| MountSource::Bind {
        path: path.into(),
        make: true,
        propagation: None,
    };
    let named = |name: &str| MountSource::Volume {
        name: Some(name.into()),
        copy: true,
    };
    let cases = [
        ("data:/var/lib/db", named("data"), "/var/lib/db", false),
        (
            "data:/var//lib/./db/:ro",
            named("data"),
            "/var/lib/db",
            true,
        ),
        ("/srv/www:/www", bind("/srv/www"), "/www", false),
        ("./www:/www:ro,z", bind("/project/www"), "/www", true),
        ("~/www:/www", bind("/home/ann/www"), "/www", false),
        (
            "/cache",
            MountSource::Volume {
                name: None,
                copy: true,
            },
            "/cache",
            false,
        ),
        (
            "data:/a:nocopy",
            MountSource::Volume {
                name: Some("data".into()),
                copy: false,
            },
            "/a",
            false,
        ),
        ("/a:/b/../../c", bind("/a"), "/c", false),
    ];
    for (text, source, target, read_only) in cases {
        assert_eq!(
            read(text).unwrap(),
            MountRequest {
                source,
                target: target.into(),
                read_only
            },
            "{text}"
        );
    }
    for text in [
        "",
        "data",
        "data:",
        ":/a",
        "data:/",
        "da/ta:/a",
        "data:/a:fast",
        "a:b:c:d",
        "data:a",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn long_mounts_say_their_type() {
    let read = |text| mount(text, Path::new("/project"), None);
    assert_eq!(
        read("type=bind,src=./a,dst=/b,readonly").unwrap(),
        MountRequest {
            source: MountSource::Bind {
                path: "/project/a".into(),
                make: false,
                propagation: None
            },
            target: "/b".into(),
            read_only: true
        }
    );
    assert_eq!(
        read("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700")
            .unwrap()
            .source,
        MountSource::Tmpfs {
            bytes: Some(1 << 20),
            mode: Some(0o700)
        }
    );
    assert_eq!(
        read("source=data,target=/d,volume-nocopy").unwrap().source,
        MountSource::Volume {
            name: Some("data".into()),
            copy: false
        }
    );
    for text in [
        "type=bind,target=/a",
        "type=bind,source=/a",
        "type=nfs,target=/a",
        "target=/a,speed=1",
        "type=tmpfs,source=a,target=/a",
        "target=/a,ro=maybe",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn memory_is_mounted_with_size_and_mode() {
    let read = tmpfs("/run:size=64m,mode=755,ro").unwrap();
    assert_eq!(
        (read.source, read.read_only),
        (
            MountSource::Tmpfs {
                bytes: Some(64 << 20),
                mode: Some(0o755)
            },
            true
        )
    );
    assert!(
        tmpfs("run").is_err()
            && tmpfs("/").is_err()
            && tmpfs("/run:size=x").is_err()
            && tmpfs("/run:uid=3").is_err()
    );
}

#[test]
fn a_variable_without_value_is_the_callers() {
    let caller = |name: &str| (name == "HOME").then(|| "/home/ann".to_owned());
    assert_eq!(variable("A=b=c", caller).unwrap(), Some("A=b=c".into()));
    assert_eq!(
        variable("HOME", caller).unwrap(),
        Some("HOME=/home/ann".into())
    );
    assert_eq!(variable("NOBODY", caller).unwrap(), None);
    assert!(variable("=x", caller).is_err() && variable("", caller).is_err());
    let file = "\u{feff}# remark\n\n  A= b \nHOME\nEMPTY=\n#B=1\n";
    assert_eq!(
        variables("f", file, caller).unwrap(),
        ["A= b ", "HOME=/home/ann", "EMPTY="]
    );
    let error = variables("f.env", "A=1\nB C=2\n", caller)
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn signals_by_name_and_number() {
    for (text, expected) in [
        ("SIGTERM", 15),
        ("term", 15),
        ("9", 9),
        ("SIGRTMIN+3", 37),
        ("RTMAX-1", 63),
        ("WINCH", 28),
        ("SIGSYS", 31),
    ] {
        assert_eq!(signal(text).unwrap(), expected, "{text}");
    }
    for text in ["", "0", "65", "SIGNOT", "RTMIN+40", "-9"] {
        assert!(signal(text).is_err(), "{text}");
    }
}
