"""aws-vpc-analyzer on a folder of `aws ec2 describe-...` answers: every ordered pair of interfaces, one packet.

Arguments: the folder, the file to answer to, the packet whose pairs are timed (`tcp/443`), others that are not. Times are
of the processor: the machine is shared.
"""

import asyncio
import importlib.metadata
import json
import logging
import sys
import time
import types

from netgraph.core.graph_manager import GraphManager
from netgraph.core.path_analyzer import PathAnalyzer

imported = time.process_time()
folder, target, *packets = sys.argv[1:]
logging.disable(logging.CRITICAL)


class Folder:
    """What the analyzer asks of an account, answered from the folder: nothing waits for a network."""

    def __init__(self):
        def read(name, key):
            with open(f"{folder}/{name}.json", encoding="utf-8") as file:
                return json.load(file)[key]

        self.client = types.SimpleNamespace(region="ap-northeast-2", account_id="111122223333")
        self.vpcs = read("vpcs", "Vpcs")
        self.instances = [i for r in read("instances", "Reservations") for i in r["Instances"]]
        self.subnets = read("subnets", "Subnets")
        self.groups = read("security-groups", "SecurityGroups")
        self.lists = read("network-acls", "NetworkAcls")
        self.tables = read("route-tables", "RouteTables")
        self.interfaces = read("network-interfaces", "NetworkInterfaces")

    # The account has one VPC, so a filter by VPC leaves everything.
    async def describe_instances(self, **_):
        return self.instances

    async def describe_subnets(self, **_):
        return self.subnets

    async def describe_security_groups(self, **_):
        return self.groups

    async def describe_network_acls(self, **_):
        return self.lists

    async def describe_route_tables(self, **_):
        return self.tables

    async def describe_internet_gateways(self, **_):
        return []

    async def describe_nat_gateways(self, **_):
        return []

    async def describe_network_interfaces(self, **_):
        return self.interfaces


async def main():
    account = Folder()
    # Nothing is ever fetched anew: the default of sixty seconds would cost it more.
    graph = GraphManager(account, ttl_seconds=86_400)
    built = await graph.build_topology([vpc["VpcId"] for vpc in account.vpcs])
    if not built.success or built.warnings:
        sys.exit(f"the account was not read: {built.warnings}")
    loaded = time.process_time()
    analyzer = PathAnalyzer(graph)
    ends = sorted((i["NetworkInterfaceId"], i["PrivateIpAddress"]) for i in account.interfaces)
    digits = {"reachable": "1", "blocked": "0"}

    async def ask(packet):
        protocol, port = packet.split("/")
        lines = []
        for source, own in ends:
            line = []
            for _, address in ends:
                if address == own:
                    line.append("0")
                    continue
                result = await analyzer.analyze(source, address, int(port), protocol)
                line.append(digits.get(result.status.value, "?"))
            lines.append("".join(line))
        return lines

    pairs = {packets[0]: await ask(packets[0])}
    answered = time.process_time()
    for packet in packets[1:]:
        pairs[packet] = await ask(packet)
    answer = {
        "version": importlib.metadata.version("aws-vpc-analyzer"),
        "load": loaded - imported,
        "answer": answered - loaded,
        "whole": answered,
        "pairs": pairs,
    }
    with open(target, "w", encoding="utf-8") as file:
        json.dump(answer, file)


asyncio.run(main())
