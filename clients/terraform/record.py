"""Makes a recording of the calls that Terraform made, for tests where there is none: record.py TRACE… >FILE, of traces by
TF_LOG=TRACE, TF_LOG_PATH=TRACE and -parallelism=1, in their order. What a recording says is written in
crates/vpclab/tests/it/terraform/replay.rs.
"""

import pathlib
import re
import sys
import urllib.parse

NAMES = re.compile(r"(?<![A-Za-z0-9:-])(?:([a-z]+(?:-[a-z]+)*)-[0-9a-f]{17}|AKIA[A-Z0-9]{16})(?![A-Za-z0-9:-])")


def names(text):
    """What a text names, each once, in its order: kind and name."""
    found = {}
    for match in NAMES.finditer(text):
        found.setdefault(match[0], match[1] or "key")
    return [(kind, name) for name, kind in found.items()]


def calls(trace):
    """Each call of a trace: form, status, code, answer."""
    part = r"Request (\w+)/(\w+) Details:.*?\n((?:\w[^\n]*&)?Action=[^\n]*)\n-----.*?Response \1/\2 Details:.*?HTTP/1.1 (\d+).*?\n-----[^\n]*\n(.*?)(?=\n\d{4}-\d\d-\d\dT)"
    for match in re.finditer(part, trace, re.S):
        code = re.search("<Code>(.*?)</Code>", match[5])
        yield match[3], match[4], code[1] if code else "-", match[5]


def main():
    recorded = [(path, *call) for path in sys.argv[1:] for call in calls(open(path, errors="replace").read())]
    told = [urllib.parse.unquote_plus(form) for _, form, *_ in recorded]
    known, counts, part = {}, {}, None
    for number, (path, form, status, code, answer) in enumerate(recorded):
        if path != part:
            part = path
            print("#", pathlib.Path(path).stem)
        # Before this answer nobody knew what it names.
        for name, symbol in known.items():
            form = form.replace(urllib.parse.quote_plus(name), "{" + symbol + "}")
        new = [(kind, name) for kind, name in names(answer) if name not in known]
        bound = []
        for kind, name in new:
            # What no later call names need not be known.
            if any(name in later for later in told[number + 1:]):
                counts[kind] = counts.get(kind, 0) + 1
                known[name] = f"{kind}.{counts[kind]}"
                place = [other for other_kind, other in new if other_kind == kind].index(name)
                bound.append(f"{known[name]}@{place}")
        print(form)
        print(" ".join(["=", status, code, *bound]))


main()
