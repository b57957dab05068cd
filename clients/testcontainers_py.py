"""testcontainers against DOCKER_HOST, as tests use it, without its reaper (Ryuk): containers that are waited for, their mapped
ports, a network of their own, an image of a folder. The image `busybox` is there."""

import importlib.metadata
import os
import pathlib
import tempfile

os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
# It would guess where ports are by whether this machine looks like a container.
os.environ["TESTCONTAINERS_CONNECTION_MODE"] = "docker_host"
os.environ["TESTCONTAINERS_HOST_OVERRIDE"] = "localhost"

import docker  # noqa: E402
from testcontainers.core.container import DockerContainer  # noqa: E402
from testcontainers.core.image import DockerImage  # noqa: E402
from testcontainers.core.network import Network  # noqa: E402
from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: E402

SERVE = "mkdir /www && echo $PAGE >/www/index.html && echo listening && exec httpd -f -p 80 -h /www"


def site(image="busybox"):
    ready = LogMessageWaitStrategy("listening").with_startup_timeout(20)
    return DockerContainer(image).with_command(["sh", "-c", SERVE]).with_env("PAGE", "teapots").with_exposed_ports(80).waiting_for(ready)


def fetch(url, network):
    """What a container of this network reads at a place, from the first moment that somebody listens there."""
    again = f"for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - {url} && exit; sleep 0.2; done; exit 1"
    return docker.from_env().containers.run("busybox", ["sh", "-c", again], network=network, remove=True)


def main():
    client = docker.from_env()

    # Two of a kind at once have ports of their own, and at each its container answers, at the addresses of the host.
    with site() as one, site().with_env("PAGE", "kettles") as two:
        ports = [one.get_exposed_port(80), two.get_exposed_port(80)]
        assert ports[0] != ports[1] and min(ports) > 1024, ports
        assert one.get_container_host_ip() == "localhost"
        assert fetch(f"http://127.0.0.1:{ports[0]}/", "host") == b"teapots\n"
        assert fetch(f"http://127.0.0.1:{ports[1]}/", "host") == b"kettles\n"
        assert one.get_logs() == (b"listening\n", b""), one.get_logs()
        code, said = one.exec(["sh", "-c", "cat /www/index.html; exit 3"])
        assert (code, said) == (3, b"teapots\n"), (code, said)
        one.reload()
        assert one.status == "running"
        ids = [one.get_wrapped_container().id, two.get_wrapped_container().id]
        labels = one.get_wrapped_container().labels
        assert labels["org.testcontainers"] == "true" and labels["org.testcontainers.lang"] == "python", labels
    left = [container.id for container in client.containers.list(all=True)]
    assert not set(ids) & set(left), "they are stopped and removed"

    # One that ends before it says what is waited for fails by name and not by time.
    brief = DockerContainer("busybox").with_command(["sh", "-c", "echo oops; exit 3"])
    try:
        brief.waiting_for(LogMessageWaitStrategy("listening").with_startup_timeout(1)).start()
        raise AssertionError("it never listened")
    except (RuntimeError, TimeoutError) as error:
        assert "listening" in str(error) or "exited" in str(error), error
    finally:
        assert brief.get_wrapped_container().wait()["StatusCode"] == 3
        brief.stop()

    # A network of its own, with names.
    with Network() as network:
        with site().with_network(network).with_network_aliases("shop"):
            assert fetch("http://shop/", network.name) == b"teapots\n"
        assert [found.name for found in client.networks.list(names=[network.name])] == [network.name]
    assert client.networks.list(names=[network.name]) == []

    # An image of a folder, and a file of this machine.
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "Dockerfile").write_text("FROM busybox\nRUN echo built >/made\n")
        pathlib.Path(folder, "note").write_text("from outside\n")
        with DockerImage(folder, tag="of-a-folder:1") as image:
            with site(str(image)).with_volume_mapping(f"{folder}/note", "/note", "ro") as one:
                code, said = one.exec("cat /made /note")
                assert (code, said) == (0, b"built\nfrom outside\n"), (code, said)
                assert one.exec(["sh", "-c", "echo >/note"]).exit_code != 0, "it is read-only"
    assert "of-a-folder:1" not in [tag for image in client.images.list() for tag in image.tags]
    print("testcontainers", importlib.metadata.version("testcontainers"), "is content")


main()
