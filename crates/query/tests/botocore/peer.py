"""botocore as the other side of the tests in botocore.rs; each command writes or reads lines of JSON.

  peer.py requests SEED [small]   parameters with every member, and the form that botocore makes of them
  peer.py signatures              requests that botocore signed
  peer.py answers                 reads (service, operation, answer, xml); says where botocore reads something else
"""

import base64
import datetime
import json
import pathlib
import random
import re
import sys
from urllib.parse import urlencode, urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize

VERSION = "1.43.11"
SERVICES = {"ec2": "2016-11-15", "sts": "2011-06-15", "iam": "2010-05-08"}
CANDIDATES = [
    "web 1 & <b>=+%;\"ü한\"",
    "web-1",
    "/",
    "/division/",
    "v1",
    "123456",
    "111122223333",
    "AKIAIOSFODNN7EXAMPLE",
    "arn:aws:iam::111122223333:policy/reader",
]


def service(name):
    raw = botocore.loaders.Loader().load_service_model(name, "service-2", SERVICES[name])
    return botocore.model.ServiceModel(raw, name)


class Values:
    """Random values for shapes: every member of every structure, one or two items in a list."""

    def __init__(self, seed, small):
        self.random, self.small = random.Random(seed), small

    def of(self, shape, raws, within=()):
        kind = shape.type_name
        raw = raws[shape.name]
        if kind == "structure":
            members = {name: member for name, member in shape.members.items() if within.count(member.name) < 1}
            return {name: self.of(member, raws, (*within, shape.name)) for name, member in members.items()}
        if kind == "list":
            most = 1 if self.small else 2
            count = max(raw.get("min", 0), self.random.randint(1, min(most, raw.get("max", most))))
            return [self.of(shape.member, raws, within) for _ in range(count)]
        if kind in ("integer", "long"):
            low, high = raw.get("min", -5), raw.get("max", 2**31 - 1 if kind == "integer" else 2**62)
            return self.random.randint(low, high)
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind in ("double", "float"):
            return self.random.randint(raw.get("min", 0) * 4, raw.get("max", 100) * 4) / 4
        if kind == "timestamp":
            micro = self.random.choice([0, 0, 250_000])
            return datetime.datetime.fromtimestamp(self.random.randint(0, 4_000_000_000), datetime.timezone.utc).replace(microsecond=micro)
        if kind == "blob":
            return bytes(self.random.randrange(256) for _ in range(self.random.randint(1, 9)))
        return self.text(raw)

    def text(self, raw):
        if "enum" in raw:
            return self.random.choice(raw["enum"])
        short = [text * max(1, -(-raw.get("min", 0) // len(text))) for text in CANDIDATES]
        pattern = raw.get("pattern", "").replace("\\u10000-\\u10FFFF", "").replace("\\p{L}\\p{Z}\\p{N}", "\\w ")
        fits = [t for t in short if len(t) <= raw.get("max", 1 << 30) and re.fullmatch(pattern or "(?s:.*)", t)]
        return self.random.choice(fits or sys.exit(f"no text is like {raw}"))


def plain(value):
    """As JSON has it."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        text = value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds" if value.microsecond else "seconds")
        return text.replace("+00:00", "Z")
    return value


def requests(seed, small):
    values = Values(seed, small)
    for name in SERVICES:
        model = service(name)
        serializer = botocore.serialize.create_serializer(model.metadata["protocol"])
        shapes = pathlib.Path(__file__).parent.parent.parent / "shapes" / f"{name}.txt"
        for key in re.findall(r"^operation (\w+)", shapes.read_text(), re.M):
            operation = model.operation_model(key)
            shape = operation.input_shape
            parameters = values.of(shape, model._shape_resolver._shape_map) if shape else {}
            body = urlencode(serializer.serialize_to_request(parameters, operation)["body"])
            print(json.dumps([name, key, plain(parameters), body], ensure_ascii=False, separators=(",", ":")))


def answers():
    """The XML of each line must be what the answer says, and the answer must have every member there is."""
    models = {name: service(name) for name in SERVICES}
    wrong = 0
    for line in sys.stdin:
        name, key, answer, xml = json.loads(line)
        operation = models[name].operation_model(key)
        parser = botocore.parsers.create_parser(models[name].metadata["protocol"])
        read = parser.parse({"status_code": 200, "headers": {}, "body": xml.encode()}, operation.output_shape)
        metadata = read.pop("ResponseMetadata")
        if plain(read) != answer or metadata["RequestId"] != "r-1":
            wrong += 1
            print(f"{name} {key}: {json.dumps(plain(read))} is not {json.dumps(answer)}")
        for gap in gaps(operation.output_shape, answer, ()) if operation.output_shape else ():
            wrong += 1
            print(f"{name} {key}: {gap} is not known")
    sys.exit(wrong > 0)


def gaps(shape, value, within):
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from gaps(member, value[name], (*within, shape.name))
            elif member.name not in within:
                yield f"{shape.name}.{name}"
    elif shape.type_name == "list":
        for item in value:
            yield from gaps(shape.member, item, within)


NOW = datetime.datetime(2026, 11, 25, 9, 0, 0, tzinfo=datetime.timezone.utc)


def signatures():
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: NOW.replace(tzinfo=None) if remove_tzinfo else NOW
    keys = [("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)]
    keys.append(("ASIAIOSFODNN7EXAMPLE", "secret/of+a=session", "FwoGZXIvYXdzEXAMPLE//token+=="))
    requests = [
        ("POST", "http://127.0.0.1:4566/", "Action=DescribeVpcs&Version=2016-11-15", {}),
        ("POST", "http://localhost/", "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=tag%3AName&Filter.1.Value.1=a+b", {"X-Odd": "  a   b  "}),
        ("GET", "https://ec2.eu-west-1.amazonaws.com/?Version=2016-11-15&Action=DescribeVpcs&Empty=&A=%20%2B~", "", {}),
        ("POST", "http://example.com:80/a//b/../c%20d/", "Action=GetCallerIdentity&Version=2011-06-15", {"X-Amz-Meta": "x"}),
        ("POST", "http://example.com/%ED%95%9C", "%C3%BC=%ED%95%9C", {"User-Agent": "not signed", "Amz-Sdk-Request": "attempt=1"}),
    ]
    for key in keys:
        for name, region in (("ec2", "eu-west-1"), ("sts", "us-east-1"), ("iam", "us-east-1")):
            for method, url, body, headers in requests:
                for presigned in (False, True):
                    credentials = botocore.credentials.Credentials(*key)
                    if presigned and body:
                        method, url, body = "GET", f"{url}?{body}", ""
                    request = botocore.awsrequest.AWSRequest(method=method, url=url, data=body.encode(), headers=headers)
                    form = botocore.auth.SigV4QueryAuth if presigned else botocore.auth.SigV4Auth
                    form(credentials, name, region).add_auth(request)
                    prepared = request.prepare()
                    parts = urlsplit(prepared.url)
                    fields = {field: text if isinstance(text, str) else text.decode() for field, text in prepared.headers.items()}
                    fields.setdefault("Host", parts.netloc.removesuffix(":80"))
                    print(json.dumps([*key, name, region, method, parts.path, parts.query, fields, body], ensure_ascii=False))


def main():
    if botocore.__version__ != VERSION:
        sys.exit(f"botocore {VERSION} is needed")
    if sys.argv[1] == "requests":
        requests(int(sys.argv[2]), "small" in sys.argv)
    elif sys.argv[1] == "signatures":
        signatures()
    else:
        answers()


if __name__ == "__main__":
    main()
