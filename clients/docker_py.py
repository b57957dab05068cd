"""docker-py against DOCKER_HOST: what a program does with containers, images, networks and volumes. The image `busybox` is there."""

import io
import tarfile
import time

import docker
import docker.errors


def raises(kind, status, work):
    try:
        work()
    except kind as error:
        assert error.response.status_code == status, error
        return str(error)
    raise AssertionError(f"{kind.__name__} was not raised")


def main():
    client = docker.from_env()
    assert client.ping()
    assert client.version()["ApiVersion"] == "1.50"
    assert client.info()["OSType"] == "linux"

    # One that runs and is gone.
    said = client.containers.run("busybox", ["sh", "-c", "echo out; echo $A"], environment={"A": "1"}, remove=True)
    assert said == b"out\n1\n", said
    try:
        client.containers.run("busybox", ["sh", "-c", "echo why >&2; exit 3"], remove=True)
        raise AssertionError("3 is no success")
    except docker.errors.ContainerError as error:
        assert error.exit_status == 3 and error.stderr == b"why\n", error
    try:
        client.containers.create("nosuch:1")
        raise AssertionError("there is no such image")
    except docker.errors.ImageNotFound:
        pass

    # One that stays.
    script = "echo begun; trap 'exit 5' TERM; while :; do sleep 0.05; done"
    one = client.containers.run("busybox", ["sh", "-c", script], name="one", detach=True, labels={"a": "b"}, ports={"80/tcp": 8080})
    one.reload()
    assert one.status == "running" and one.ports["80/tcp"][0]["HostPort"] == "8080", one.attrs
    assert [c.name for c in client.containers.list(filters={"label": "a=b"})] == ["one"]
    raises(docker.errors.APIError, 409, lambda: client.containers.create("busybox", name="one"))
    code, out = one.exec_run(["sh", "-c", "echo in; exit 9"])
    assert (code, out) == (9, b"in\n")
    code, (out, err) = one.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True)
    assert (out, err) == (b"o\n", b"e\n")
    assert one.exec_run("id -u").output.strip() == b"0"
    deadline = time.time() + 10
    while one.logs() != b"begun\n":
        assert time.time() < deadline, one.logs()
        time.sleep(0.05)
    stream = one.logs(stream=True, follow=True)
    assert next(iter(stream)) == b"begun\n"
    assert one.top()["Processes"]
    assert one.stats(stream=False)["name"] == "/one"

    # Files in and out.
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("f.txt")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    assert one.put_archive("/tmp", packed.getvalue())
    assert one.exec_run("cat /tmp/f.txt").output == b"hello"
    chunks, stat = one.get_archive("/tmp/f.txt")
    assert stat["name"] == "f.txt" and stat["size"] == 5, stat
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        assert archive.extractfile("f.txt").read() == b"hello"
    assert {"Path": "/tmp/f.txt", "Kind": 1} in one.diff()
    raises(docker.errors.NotFound, 404, lambda: one.get_archive("/nosuch"))

    one.pause()
    one.reload()
    assert one.status == "paused"
    one.unpause()
    one.rename("two")
    one.restart(timeout=0)
    one.stop(timeout=5)
    one.reload()
    assert one.status == "exited" and one.wait()["StatusCode"] in (5, 137), one.attrs["State"]

    # An image of it, and images in general.
    made = one.commit("made", "1")
    assert made.tags == ["made:1"], made.tags
    assert client.containers.run("made:1", ["cat", "/tmp/f.txt"], remove=True) == b"hello"
    archive = b"".join(made.save(named=True))
    client.images.remove("made:1")
    raises(docker.errors.ImageNotFound, 404, lambda: client.images.get("made:1"))
    assert client.images.load(archive)[0].tags == ["made:1"]
    assert client.images.get("busybox").tag("box", "2")
    client.images.remove("box:2")
    context = io.BytesIO(b"FROM busybox\nRUN echo built >/x\nCMD cat /x\n")
    image, lines = client.images.build(fileobj=context, tag="built", rm=True)
    assert any("Successfully built" in line.get("stream", "") for line in lines)
    assert client.containers.run("built", remove=True) == b"built\n"
    try:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 3\n"))
        raise AssertionError("3 is no success")
    except docker.errors.BuildError as error:
        assert "3" in str(error)

    # Networks and volumes.
    network = client.networks.create("net", ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.99.0.0/24")]))
    network.connect(one, ipv4_address="10.99.0.9")
    one.start()
    one.reload()
    assert one.attrs["NetworkSettings"]["Networks"]["net"]["IPAddress"] == "10.99.0.9"
    raises(docker.errors.APIError, 403, network.remove)
    network.disconnect(one)
    network.remove()
    volume = client.volumes.create("vol", labels={"x": "y"})
    client.containers.run("busybox", ["sh", "-c", "echo kept >/v/f"], volumes={"vol": {"bind": "/v", "mode": "rw"}}, remove=True)
    assert client.containers.run("busybox", ["cat", "/v/f"], volumes=["vol:/v:ro"], remove=True) == b"kept\n"
    volume.remove()
    raises(docker.errors.NotFound, 404, lambda: client.volumes.get("vol"))

    begun = int(time.time()) - 600
    actions = [e["Action"] for e in client.events(since=begun, until=int(time.time()) + 1, filters={"container": one.id}, decode=True)]
    for action in ("create", "start", "pause", "unpause", "rename", "die", "stop"):
        assert action in actions, actions
    one.remove(force=True)
    raises(docker.errors.NotFound, 404, lambda: client.containers.get("two"))
    client.images.remove("built")
    client.images.remove("made:1")
    assert client.containers.prune() is not None and client.df()["Images"]
    print("docker-py", docker.__version__, "is content")


main()
