#!/usr/bin/env python3
"""Writes docs/symbols.md from src/capi/symbols.tsv and capi-tests/consumers.tsv. usage: symbols.py [OUT]

With OUT, symbols.tsv is first brought in line with the code: an entry! that the list calls a stub on both stores works on
the local one from now on, and what is a stub! in the code is a stub on both. `cluster` is set by hand, and so is the word
`store`: the function is there, but this store answers -EOPNOTSUPP.
"""
import collections
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent


def rows(path):
    lines = (top / path).read_text().splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]


def in_code():
    found = {}
    for library in ("rados", "rbd"):
        for file in (top / "src/capi" / library).glob("*.rs"):
            for item in file.read_text().split('pub unsafe extern "C" fn ')[1:]:
                body = item.split("#[unsafe(no_mangle)]")[0]
                word = re.search(r'\b(entry|stub)!\(\s*"([^"]+)"', body)
                found[word[2]] = word[1]
    return found


def sync(symbols):
    code = in_code()
    for s in symbols:
        works = {"works", "store"} & {s["local"], s["cluster"]}
        if code[s["symbol"]] == "stub":
            s["local"] = s["cluster"] = "stub"
        elif not works:
            s["local"] = "works"
    names = list(symbols[0])
    lines = ["\t".join(names)] + ["\t".join(s[n] for n in names) for s in symbols]
    (top / "src/capi/symbols.tsv").write_text("\n".join(lines) + "\n")


symbols = rows("src/capi/symbols.tsv")
if len(sys.argv) > 1:
    sync(symbols)
consumers = collections.defaultdict(list)
for row in rows("capi-tests/consumers.tsv"):
    consumers[row["symbol"]].append(row["consumer"])
unknown = set(consumers) - {s["symbol"].split("@")[0] for s in symbols}
assert not unknown, f"consumers.tsv names symbols that are not in symbols.tsv: {sorted(unknown)}"


def used_by(symbol):
    # A consumer's reference binds to the default version where there is one; the plain form is for older programs.
    name = symbol.split("@")[0]
    versioned = any(s["symbol"].startswith(name + "@@") for s in symbols)
    return [] if versioned and symbol == name else sorted(consumers[name])


def count(library, store):
    of = [s for s in symbols if s["library"] == library]
    return f"{sum(s[store] == 'works' for s in of)} of {len(of)}"


out = [
    "# Symbols",
    "",
    "Written by `make symbols` from src/capi/symbols.tsv and capi-tests/consumers.tsv; do not edit.",
    "A symbol that does not work (-) logs its name once and returns -EOPNOTSUPP; `store`: the function is there, but this",
    "store cannot do it and answers -EOPNOTSUPP.",
    "",
    "| library | works on local | works on cluster |",
    "| --- | --- | --- |",
    *(f"| {lib} | {count(lib, 'local')} | {count(lib, 'cluster')} |" for lib in ("librados", "librbd")),
    "",
    "| consumer | symbols | work on local | work on cluster |",
    "| --- | --- | --- | --- |",
]
for consumer in sorted({c for cs in consumers.values() for c in cs}):
    of = [s for s in symbols if consumer in used_by(s["symbol"])]
    works = [sum(s[store] == "works" for s in of) for store in ("local", "cluster")]
    out.append(f"| {consumer} | {len(of)} | {works[0]} | {works[1]} |")
for lib in ("librados", "librbd"):
    out += ["", f"## {lib}", "", "| symbol | consumers | local | cluster |", "| --- | --- | --- | --- |"]
    for s in symbols:
        if s["library"] == lib:
            cells = [s["symbol"], ", ".join(used_by(s["symbol"])), s["local"], s["cluster"]]
            out.append("| " + " | ".join(c.replace("stub", "-") for c in cells) + " |")
text = "\n".join(out) + "\n"
if len(sys.argv) > 1:
    pathlib.Path(sys.argv[1]).write_text(text)
else:
    sys.stdout.write(text)
