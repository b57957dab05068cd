//! What a Dockerfile comes to: stages, arguments, settings, and mistakes where they are.

use std::collections::BTreeMap;

use super::bench::{Bench, files, paths};
use container::build::BuildOptions;

#[test]
fn only_the_stages_that_are_needed_are_built() {
    let bench = Bench::new(&[("a", "1"), ("b", "2")]);
    bench.write(
        "Dockerfile",
        "ARG base=first\nFROM scratch AS first\nCOPY a /a\nFROM scratch AS never\nCOPY not-there /x\nFROM ${base} AS second\nCOPY b /b\n\
         FROM scratch\nCOPY --from=second / /all/\nCOPY --from=0 /a /zero\nLABEL a=b\nFROM nonsense/that-is:nowhere AS last\n",
    );
    let target = |name: &str| bench.build_with(BuildOptions { target: Some(name.into()), ..BuildOptions::default() });
    let (image, told) = target("3");
    let found = files(&bench.store, &image.unwrap());
    let expected = [("all/", "Directory"), ("all/a", "1"), ("all/b", "2"), ("zero", "1")];
    assert_eq!(found, expected.map(|(path, content)| (path.to_owned(), content.to_owned())).into());
    assert!(
        told.starts_with("Step 1/9 : ARG base=first\nStep 2/9 : FROM scratch AS first\n") && !told.contains("never"),
        "{told}"
    );
    assert_eq!(files(&bench.store, &target("SECOND").0.unwrap()).len(), 2);
    let error = target("secnd").0.unwrap_err().to_string();
    assert!(error.contains("did you mean second?"), "{error}");
}

#[test]
fn arguments_are_seen_where_they_are_declared() {
    let bench = Bench::new(&[]);
    bench.write(
        "Dockerfile",
        "ARG G=global\nFROM scratch\nARG A=default\nARG G\nARG TARGETARCH\nENV E=$A.$G.$NONE.$TARGETARCH\nARG E=hidden\nLABEL e=$E no=$HTTP_PROXY\nFROM scratch AS second\nENV X=${A:-none}${G:-none}\n",
    );
    let given = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = BuildOptions {
        arguments: given(&[("A", "given"), ("UNUSED", "x")]),
        target: Some("0".into()),
        ..BuildOptions::default()
    };
    let (image, told) = bench.build_with(options);
    let process = image.unwrap().config.config.unwrap();
    let machine = container::oci::Platform::host().architecture;
    assert_eq!(process.env.unwrap().last().unwrap(), &format!("E=given.global..{machine}"));
    assert_eq!(
        process.labels.unwrap()["e"],
        format!("given.global..{machine}"),
        "the image's variables are above those of the build"
    );
    assert!(told.contains("[Warning] One or more build-args [UNUSED] were not consumed"), "{told}");
    let process = bench.build_with(BuildOptions::default()).0.unwrap().config.config.unwrap();
    assert_eq!(process.env.unwrap().last().unwrap(), "X=nonenone");
}

#[test]
fn an_image_says_what_its_dockerfile_says() {
    let bench = Bench::new(&[]);
    let text = "FROM scratch\nMAINTAINER me\nENV A=1 B=\"two words\"\nENV C three words\nEXPOSE 80 53/udp 8000-8001\nVOLUME /data [\nVOLUME [\"/x\"]\n\
                USER app:web\nWORKDIR /w\nSTOPSIGNAL SIGQUIT\nSHELL [\"/bin/bash\", \"-c\"]\nHEALTHCHECK --interval=2s --retries=4 CMD curl x\n\
                ONBUILD COPY . /app\nCMD echo hello\nENTRYPOINT [\"/go\"]\n";
    let image = bench.dockerfile(&text.replace("VOLUME /data [\n", "VOLUME /data\n"));
    let process = image.config.config.clone().unwrap();
    assert_eq!(image.config.author.as_deref(), Some("me"));
    assert_eq!(process.env.unwrap()[1..], ["A=1", "B=two words", "C=three words"]);
    let keys = |map: Option<BTreeMap<String, serde_json::Value>>| map.unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(keys(process.exposed_ports), ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]);
    assert_eq!(keys(process.volumes), ["/data", "/x"]);
    assert_eq!((process.user.as_deref(), process.working_dir.as_deref()), (Some("app:web"), Some("/w")));
    assert_eq!(process.stop_signal.as_deref(), Some("SIGQUIT"));
    assert_eq!(process.cmd.unwrap(), ["/bin/bash", "-c", "echo hello"]);
    assert_eq!(process.entrypoint.unwrap(), ["/go"]);
    let check = process.healthcheck.unwrap();
    assert_eq!(
        (check.test.unwrap(), check.interval, check.retries),
        (vec!["CMD-SHELL".into(), "curl x".into()], Some(2_000_000_000), Some(4))
    );
    assert_eq!(process.on_build.unwrap(), ["COPY . /app"]);
    // Whoever builds on top runs the trigger, and has it no more; a new entrypoint takes the old command away.
    let (_, _) = (bench.store.tag(&image.id.to_string(), &"base:1".parse().unwrap()).unwrap(), ());
    bench.write("file", "f");
    let image = bench.dockerfile("FROM base:1\nENTRYPOINT [\"/other\"]\n");
    let process = image.config.config.clone().unwrap();
    assert_eq!((process.on_build, process.cmd), (None, None));
    assert!(paths(&bench.store, &image).contains(&"app/file".to_owned()));
    let (_, told) = bench.build_with(BuildOptions::default());
    assert!(told.contains("# Executing 1 build trigger\n"), "{told}");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let bench = Bench::new(&[("a", ""), ("b", "")]);
    for (text, place, why) in [
        ("", "1:1", "is empty"),
        ("FORM x\n", "1:1", "did you mean FROM?"),
        ("RUN x\n", "1:1", "FROM comes first"),
        ("FROM scratch\nRUNN x\n", "2:1", "did you mean RUN?"),
        ("FROM scratch\n# c\nENV A\n", "3:5", "must have two arguments"),
        ("FROM scratch\nENV A=1 B\n", "2:9", "can't find ="),
        ("FROM scratch\nENV A=1 \\\n  # comment\n\n  B='x\n", "5:5", "ends the text is missing"),
        ("FROM scratch\nLABEL a=${b:z}\n", "2:12", "is followed by"),
        ("FROM scratch as\n", "1:14", "one or three arguments"),
        ("FROM $X\n", "1:6", "base name should not be blank"),
        ("FROM scratch\nCOPY --frm=x a b\n", "2:6", "did you mean --from?"),
        ("FROM scratch\nCOPY --from=5 a b\n", "2:13", "no stage 5"),
        ("FROM scratch\nCOPY nope /\n", "2:6", "not in the build context"),
        ("FROM scratch\nCOPY a\n", "2:6", "at least two arguments"),
        ("FROM scratch\nCOPY a b x\n", "2:10", "more than one source"),
        ("FROM scratch\nCOPY a /a\nCOPY a b /a/\n", "3:10", "is a file of the image"),
        ("FROM scratch\nCOPY a /a\nCOPY a /a/b/c\n", "3:8", "no folder"),
        ("FROM scratch\nEXPOSE 99999\n", "2:8", "99999"),
        ("FROM scratch\nSTOPSIGNAL SIGNO\n", "2:12", "no signal"),
        ("FROM scratch\nHEALTHCHECK --interval=1 CMD x\n", "2:13", "no span of time"),
        ("FROM scratch\nHEALTHCHECK MAYBE\n", "2:13", "unknown type"),
        ("FROM scratch\nSHELL bash\n", "2:7", "JSON form"),
        ("FROM scratch\nONBUILD FROM x\n", "2:9", "cannot be in ONBUILD"),
        ("FROM scratch\nCOPY <<EOF /x\nno end\n", "2:6", "has no end"),
        ("FROM scratch\nRUN x\n", "2:1", "nothing to run"),
        ("FROM scratch\nRUN --mount=type=secret,target=/x x\n", "2:13", "no secrets"),
        ("FROM scratch\nRUN --security=insecure x\n", "2:5", "--security=insecure is not there"),
        ("FROM scratch AS a\nFROM scratch AS A\n", "2:17", "a stage `a` already"),
        ("# escape=x\nFROM scratch\n", "1:1", "the escape is"),
    ] {
        let error = bench.error(text);
        assert!(error.contains(&format!("Dockerfile:{place}\n")) && error.contains(why), "{text:?}: {error}");
    }
}

#[test]
fn directives_change_how_lines_are_read() {
    let bench = Bench::new(&[("a", "1")]);
    let image = bench.dockerfile("# syntax=docker/dockerfile:1\n# escape=`\n\nFROM scratch\nENV P=C:\\x\nCOPY a `\n  /b\n");
    assert_eq!(image.config.config.as_ref().unwrap().env.as_ref().unwrap().last().unwrap(), "P=C:\\x");
    assert_eq!(paths(&bench.store, &image), ["b"]);
}
