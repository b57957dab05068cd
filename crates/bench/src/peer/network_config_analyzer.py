"""network-config-analyzer on a folder of Kubernetes resources: its connectivity map, all pods, protocols and ports.

Arguments: the folder, the file to answer to, packets (`tcp/443`) whose pairs are read out of the map. Times
are of the processor: the machine is shared.
"""

import contextlib
import importlib.metadata
import io
import json
import sys
import time

from nca.NetworkConfig.ResourcesHandler import ResourcesHandler
from nca.Resources.PolicyResources.NetworkPolicy import PolicyConnectionsFilter

imported = time.process_time()
folder, target, *packets = sys.argv[1:]

remarks = io.StringIO()
with contextlib.redirect_stdout(remarks), contextlib.redirect_stderr(remarks):
    files = [[f"{folder}/{name}.yaml"] for name in ("policies", "namespaces", "pods")]
    config = ResourcesHandler().get_network_config(*files, None)
    loaded = time.process_time()
    # What its query `connectivityMap` computes, before it makes text of it.
    allowed = config.allowed_connections(res_conns_filter=PolicyConnectionsFilter.only_all_allowed_connections())
    answered = time.process_time()

    # It keeps two pods of each replica set whose pods are alike; the others are as these.
    owners = {}
    with open(f"{folder}/pods.yaml", encoding="utf-8") as file:
        for pod in json.load(file)["items"]:
            owners[pod["metadata"]["name"]] = pod["metadata"]["ownerReferences"][0]["name"]
    names = sorted(owners)
    kept = {}
    for peer in config.peer_container.get_all_peers_group():
        kept.setdefault(owners[peer.name], []).append(peer.name)
    for pods in kept.values():
        pods.sort()

    def stands_for(name, other):
        pods = kept[owners[name]]
        return (pods[0], pods[-1]) if owners[name] == owners[other] else (pods[0], kept[owners[other]][0])

    numbers = {"tcp": 6, "udp": 17}
    open_pairs = {packet: set() for packet in [*packets, "any"]}
    conns = allowed.all_allowed_conns
    for cube in conns:
        cube = conns.get_connectivity_cube(cube)
        sources = [peer.name for peer in cube["src_peers"] if getattr(peer, "name", None) in owners]
        targets = [peer.name for peer in cube["dst_peers"] if getattr(peer, "name", None) in owners]
        fits = ["any"]
        for packet in packets:
            protocol, port = packet.split("/")
            if numbers[protocol] in cube["protocols"] and int(port) in cube["dst_ports"].port_set:
                fits.append(packet)
        for packet in fits:
            open_pairs[packet].update((source, to) for source in sources for to in targets)

    def lines(pairs):
        return [
            "".join("1" if name != other and stands_for(name, other) in pairs else "0" for other in names) for name in names
        ]

    answer = {
        "version": importlib.metadata.version("network-config-analyzer"),
        "load": loaded - imported,
        "answer": answered - loaded,
        "whole": answered,
        "kept": sum(len(pods) for pods in kept.values()),
        "pairs": {packet: lines(pairs) for packet, pairs in open_pairs.items()},
    }
with open(target, "w", encoding="utf-8") as file:
    json.dump(answer, file)
