//! The Rust client against `DOCKER_HOST`: a container from its creation to its end, its streams, files, networks, volumes and events.
//! The image `busybox` is there. Whatever is not as it has to be ends it with a panic.

use std::collections::HashMap;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, HostConfig, NetworkCreateRequest, PortBinding, VolumeCreateOptions};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    ListImagesOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions, StartContainerOptions, StopContainerOptionsBuilder,
    WaitContainerOptions,
};
use futures_util::StreamExt;

/// The code that the engine answered with.
fn status(error: bollard::errors::Error) -> u16 {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => status_code,
        other => panic!("{other}"),
    }
}

fn words(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

async fn text(mut stream: impl futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin) -> (String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    while let Some(part) = stream.next().await {
        match part.expect("a part of the stream") {
            LogOutput::StdErr { message } => err += &String::from_utf8_lossy(&message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => out += &String::from_utf8_lossy(&message),
            LogOutput::StdIn { .. } => panic!("nobody typed"),
        }
    }
    (out, err)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let docker = Docker::connect_with_defaults().expect("DOCKER_HOST");
    assert_eq!(docker.ping().await.expect("ping"), "OK");
    assert_eq!(docker.version().await.expect("version").api_version.as_deref(), Some("1.50"));
    let docker = docker.negotiate_version().await.expect("a version of both");
    assert!(!docker.list_images(None::<ListImagesOptions>).await.expect("images").is_empty());

    let script = "echo begun; echo oops >&2; trap 'exit 5' TERM; while :; do sleep 0.05; done";
    let ports = HashMap::from([("80/tcp".to_owned(), Some(vec![PortBinding { host_ip: None, host_port: Some("8080".into()) }]))]);
    let body = ContainerCreateBody {
        image: Some("busybox".into()),
        cmd: words(&["sh", "-c", script]),
        labels: Some(HashMap::from([("a".to_owned(), "b".to_owned())])),
        exposed_ports: Some(HashMap::from([("80/tcp".to_owned(), HashMap::new())])),
        host_config: Some(HostConfig { port_bindings: Some(ports), binds: words(&["vol:/v"]), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    docker.create_volume(VolumeCreateOptions { name: Some("vol".into()), ..VolumeCreateOptions::default() }).await.expect("volume");
    let named = CreateContainerOptionsBuilder::default().name("one").build();
    let id = docker.create_container(Some(named.clone()), body.clone()).await.expect("create").id;
    assert_eq!(status(docker.create_container(Some(named), body).await.expect_err("the name is taken")), 409);
    let attach = AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
    let attached = docker.attach_container("one", Some(attach)).await.expect("attach");
    let mut waiting = docker.wait_container("one", None::<WaitContainerOptions>);
    docker.start_container("one", None::<StartContainerOptions>).await.expect("start");
    let seen = docker.inspect_container("one", None::<InspectContainerOptions>).await.expect("inspect");
    assert_eq!(seen.id.as_deref(), Some(id.as_str()));
    assert_eq!(seen.state.expect("state").running, Some(true));
    let filters = HashMap::from([("label".to_owned(), vec!["a=b".to_owned()])]);
    let listed = docker.list_containers(Some(ListContainersOptionsBuilder::default().filters(&filters).build())).await.expect("list");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].names.as_deref(), Some(&["/one".to_owned()][..]));

    let exec = CreateExecOptions { cmd: Some(vec!["sh", "-c", "echo in; exit 9"]), attach_stdout: Some(true), attach_stderr: Some(true), ..CreateExecOptions::default() };
    let exec = docker.create_exec("one", exec).await.expect("exec").id;
    match docker.start_exec(&exec, None).await.expect("start of exec") {
        StartExecResults::Attached { output, .. } => assert_eq!(text(output).await.0, "in\n"),
        StartExecResults::Detached => panic!("it was not to be detached"),
    }
    assert_eq!(docker.inspect_exec(&exec).await.expect("inspect of exec").exit_code, Some(9));

    docker.create_network(NetworkCreateRequest { name: "net".into(), ..NetworkCreateRequest::default() }).await.expect("network");
    let request = bollard::models::NetworkConnectRequest { container: Some("one".into()), ..Default::default() };
    docker.connect_network("net", request).await.expect("connect");
    let networks = docker.inspect_container("one", None::<InspectContainerOptions>).await.expect("inspect").network_settings.expect("settings").networks;
    assert_eq!(networks.expect("networks").len(), 2);

    docker.stop_container("one", Some(StopContainerOptionsBuilder::default().t(5).build())).await.expect("stop");
    let ended = waiting.next().await.expect("an end");
    // This client calls every code but 0 an error.
    assert!(matches!(ended, Err(bollard::errors::Error::DockerContainerWaitError { code: 5, .. })), "{ended:?}");
    assert_eq!(text(attached.output).await, ("begun\n".into(), "oops\n".into()));
    let logs = docker.logs("one", Some(LogsOptionsBuilder::default().stdout(true).stderr(true).tail("all").build()));
    assert_eq!(text(logs).await, ("begun\n".into(), "oops\n".into()));

    let filters = HashMap::from([("container".to_owned(), vec![id.clone()]), ("event".to_owned(), vec!["create".to_owned(), "die".to_owned()])]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time after 1970").as_secs();
    let until = (now + 1).to_string();
    let asked = EventsOptionsBuilder::default().since("1").until(&until).filters(&filters).build();
    let actions: Vec<_> = docker.events(Some(asked)).map(|event| event.expect("event").action.unwrap_or_default()).collect().await;
    assert_eq!(actions, ["create", "die"]);

    assert_eq!(status(docker.remove_volume("vol", None::<RemoveVolumeOptions>).await.expect_err("it is in use")), 409);
    docker.remove_container("one", Some(RemoveContainerOptionsBuilder::default().force(true).build())).await.expect("remove");
    docker.remove_network("net").await.expect("remove of the network");
    docker.remove_volume("vol", None::<RemoveVolumeOptions>).await.expect("remove of the volume");
    assert_eq!(status(docker.inspect_container("one", None::<InspectContainerOptions>).await.expect_err("it is gone")), 404);
    println!("bollard is content");
}
