//! Which files `COPY` and `ADD` bring, where they go, and whose they are.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use container::Digest;
use container::tar::Kind;

use super::bench::{Bench, entries, files, paths};
use crate::common::{entry, gzip, link, tar};

#[test]
fn files_are_copied_as_docker_copies_them() {
    let bench = Bench::new(&[("a.txt", "a"), ("b.txt", "b"), ("dir/c", "c"), ("dir/deep/d", "d"), ("x.md", "x")]);
    for (copy, expected) in [
        ("COPY a.txt /", "a.txt"),
        ("COPY a.txt /b", "b"),
        ("COPY a.txt /b/", "b/ b/a.txt"),
        ("COPY *.txt /t/", "t/ t/a.txt t/b.txt"),
        ("COPY ?.md x", "x"),
        ("COPY dir /to", "to/ to/c to/deep/ to/deep/d"),
        ("COPY dir/ /to/", "to/ to/c to/deep/ to/deep/d"),
        ("COPY [\"a.txt\", \"/with space/\"]", "with space/ with space/a.txt"),
        ("COPY a.txt dir /all/", "all/ all/a.txt all/c all/deep/ all/deep/d"),
        ("COPY --parents dir/deep/d a.txt /p/", "p/ p/a.txt p/dir/ p/dir/deep/ p/dir/deep/d"),
        ("COPY --parents ./dir/./deep/d /p/", "p/ p/deep/ p/deep/d"),
        ("COPY --exclude=*.txt --exclude=dir/deep . /e/", "e/ e/Dockerfile e/dir/ e/dir/c e/x.md"),
        ("WORKDIR /work\nCOPY a.txt .", "work/ work/a.txt"),
        ("WORKDIR /work\nWORKDIR sub\nCOPY a.txt ../", "work/ work/a.txt work/sub/"),
        ("ARG N=a\nCOPY ${N}.txt /$N", "a"),
    ] {
        let image = bench.dockerfile(&format!("FROM scratch\n{copy}\n"));
        assert_eq!(paths(&bench.store, &image).join(" "), expected, "{copy}");
    }
}

#[test]
fn documents_written_in_the_dockerfile_become_files() {
    let bench = Bench::new(&[]);
    let text = "FROM scratch\nARG A=1\nCOPY <<one <<-\"two\" /d/\na=$A \\$A\none\n\t\tb=$A\n\ttwo\n";
    let image = bench.dockerfile(text);
    let found = files(&bench.store, &image);
    assert_eq!((found["d/one"].as_str(), found["d/two"].as_str()), ("a=1 $A\n", "b=$A\n"));
}

#[test]
fn owners_and_modes_are_those_that_are_asked_for() {
    let bench = Bench::new(&[("passwd", "app:x:7:8::/:/bin/sh\n"), ("group", "app:x:9:\nweb:x:33:\n"), ("f", "f")]);
    let begin = "FROM scratch\nCOPY passwd group /etc/\n";
    for (flags, owner, mode) in [
        ("", (0, 0), 0o644),
        ("--chown=app", (7, 9), 0o644),
        ("--chown=app:web --chmod=4711", (7, 33), 0o4711),
        ("--chown=5", (5, 5), 0o644),
        ("--chown=5:web", (5, 33), 0o644),
    ] {
        fs::set_permissions(bench.context().join("f"), fs::Permissions::from_mode(0o644)).unwrap();
        let image = bench.dockerfile(&format!("{begin}COPY {flags} f /f\n"));
        let all = entries(&bench.store, &image);
        let (entry, _) = all.iter().find(|(entry, _)| entry.path == b"f").unwrap();
        assert_eq!(((entry.uid, entry.gid), entry.mode), (owner, mode), "{flags}");
    }
    for (flags, why) in
        [("--chown=nobody", "the image has no user `nobody`"), ("--chown=1:x", "no group `x`"), ("--chmod=9", "octal")]
    {
        let error = bench.error(&format!("{begin}COPY {flags} f /f\n"));
        assert!(error.contains(why) && error.contains("Dockerfile:3:"), "{error}");
    }
}

#[test]
fn archives_are_unpacked_by_add_and_bombs_are_not() {
    let mut bench = Bench::new(&[("plain.txt", "no archive")]);
    let inner = tar(&[
        (entry("d/", Kind::Directory), b""),
        (entry("d/f", Kind::File), b"data"),
        (link("d/l", Kind::HardLink, "d/f"), b""),
    ]);
    fs::write(bench.context().join("a.tar.gz"), gzip(&inner)).unwrap();
    fs::write(bench.context().join("a.tar"), &inner).unwrap();
    for (add, expected) in [
        ("ADD a.tar.gz /to/", "to/ to/d/ to/d/f to/d/l"),
        ("ADD a.tar /to", "to/ to/d/ to/d/f to/d/l"),
        ("ADD --unpack=false a.tar /to", "to"),
        ("ADD plain.txt /to", "to"),
        ("COPY a.tar.gz /to/", "to/ to/a.tar.gz"),
    ] {
        let image = bench.dockerfile(&format!("FROM scratch\n{add}\n"));
        assert_eq!(paths(&bench.store, &image).join(" "), expected, "{add}");
        if add.starts_with("ADD a") {
            assert_eq!(files(&bench.store, &image)["to/d/l"], "-> to/d/f");
        }
    }
    for (name, entries) in [
        ("up", vec![(entry("../f", Kind::File), &b""[..])]),
        ("hard", vec![(link("f", Kind::HardLink, "../../etc/passwd"), &b""[..])]),
        ("behind", vec![(link("d", Kind::Symlink, "/etc"), &b""[..]), (entry("d/f", Kind::File), &b""[..])]),
        ("whiteout", vec![(entry(".wh.etc", Kind::File), &b""[..])]),
    ] {
        fs::write(bench.context().join("bad.tar"), tar(&entries)).unwrap();
        let error = bench.error("FROM scratch\nADD bad.tar /\n");
        assert!(error.contains("refused"), "{name}: {error}");
    }
    let cut = &inner[..inner.len() - 1_024];
    fs::write(bench.context().join("bad.tar"), cut).unwrap();
    assert!(bench.error("FROM scratch\nADD bad.tar /\n").contains("cut off"));
    fs::write(bench.context().join("a.tar.xz"), b"\xfd7zXZ\0").unwrap();
    assert!(bench.error("FROM scratch\nADD a.tar.xz /\n").contains("xz"));
    // A megabyte of zeros is a thousand bytes of gzip.
    let bomb = tar(&[(entry("zeros", Kind::File), &vec![0; 1 << 20])]);
    fs::write(bench.context().join("bomb.tar.gz"), gzip(&bomb)).unwrap();
    bench.store.limits.bytes = 100_000;
    let error = bench.error("FROM scratch\nADD bomb.tar.gz /\n");
    assert!(error.contains("more than 100.0 kB") && error.contains("Dockerfile:2"), "{error}");
}

#[test]
fn a_url_is_fetched_and_its_checksum_counts() {
    let bench = Bench::new(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/dir/file.txt", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            let mut stream = stream.unwrap();
            let mut request = [0; 4_096];
            let count = stream.read(&mut request).unwrap();
            let is_there = request[..count].starts_with(b"GET /dir/file.txt ");
            let status = if is_there { "200 OK" } else { "404 Not Found" };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: 5\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(b"hello").unwrap();
        }
    });
    let right = Digest::of(b"hello");
    let image = bench.dockerfile(&format!("FROM scratch\nADD --checksum={right} {url} /to/\n"));
    let all = entries(&bench.store, &image);
    let (found, data) = all.iter().find(|(entry, _)| entry.path == b"to/file.txt").unwrap();
    assert_eq!((found.mode, found.mtime.0, &data[..]), (0o600, 784_111_777, &b"hello"[..]));
    let wrong = Digest::of(b"other");
    let error = bench.error(&format!("FROM scratch\nADD --checksum={wrong} {url} /to/\n"));
    assert!(error.contains("not what its digest promises"), "{error}");
    let error = bench.error(&format!("FROM scratch\nADD {url}x /to/\n"));
    assert!(error.contains("404"), "{error}");
    server.join().unwrap();
    for (line, why) in [
        ("COPY http://a.example/x /", "COPY takes no URL"),
        ("ADD https://a.example/x.git /", "git repositories are not fetched"),
        ("ADD --checksum=sha256:12 Dockerfile /", "--checksum is for URLs"),
    ] {
        let error = bench.error(&format!("FROM scratch\n{line}\n"));
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn links_of_the_image_lead_to_places_of_the_image() {
    let bench = Bench::new(&[("f", "f"), ("usr/lib/x", "x"), ("root/lib/y", "y")]);
    symlink("/usr/lib", bench.context().join("lib")).unwrap();
    symlink("../../../usr", bench.context().join("u")).unwrap();
    let begin = "FROM scratch\nCOPY usr /usr\nCOPY l* u /\nCOPY . /\n";
    let image = bench.dockerfile(&format!("{begin}COPY f /lib/\nCOPY f /u/lib/new/\nCOPY root/ /\nCOPY --link f /lib\n"));
    let found = paths(&bench.store, &image);
    for path in ["usr/lib/f", "usr/lib/new/f", "usr/lib/y"] {
        assert!(found.contains(&path.to_owned()), "{path}: {found:?}");
    }
    let last = entries(&bench.store, &image);
    assert_eq!(last.last().unwrap().0.path, b"lib", "--link follows none");
}
