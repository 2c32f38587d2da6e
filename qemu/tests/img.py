"""qemu-img on `rbd:` URLs: create, info, convert both ways, compare, snapshot, map, bench, resize."""

import json
import os

from harness.procs import expect, run


def seeded_file(t, name, mib=40):
    """A file with data, holes and repeated blocks; its size is a multiple of 512 but not of 4096."""
    path = t.path(name)
    with open(path, "wb") as f:
        for part in range(mib):
            kind = t.random.randrange(4)
            f.seek(part << 20)
            if kind == 1:
                f.write(bytes([part]) * (1 << 20))
            elif kind > 1:
                f.write(t.random.randbytes(1 << 20))
        f.seek(mib << 20)
        f.write(t.random.randbytes(512))
    return path


def same_bytes(one, other):
    with open(one, "rb") as a, open(other, "rb") as b:
        while True:
            x, y = a.read(1 << 20), b.read(1 << 20)
            expect(x == y, f"{one} and {other} differ before byte {a.tell()}")
            if not x:
                return


def info(t, url):
    _, text = run(["qemu-img", "info", "--output=json", "-f", "raw", url], t.store.env())
    return json.loads(text[text.index("{"):])


def t_create_info(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "1G"], env)
    expect(info(t, url)["virtual-size"] == 1 << 30, f"{info(t, url)}")
    expect(info(t, t.store.url(t.image(), by_conf=True))["virtual-size"] == 1 << 30, "with conf= it is another image")
    _, text = run(["qemu-img", "create", "-q", "-f", "raw", url, "2G"], env, status=1)
    expect("File exists" in text, f"creating it again: {text}")
    expect(info(t, url)["virtual-size"] == 1 << 30, "the second create changed the image")
    big = t.store.url(t.image("-16t"))
    run(["qemu-img", "create", "-q", "-f", "raw", big, "16T"], env)
    run(["qemu-io", "-f", "raw", "-c", "write -P 7 16383G 4k", "-c", "read -P 7 16383G 4k", "-c", "read -P 0 8191G 1M", big], env)
    expect(info(t, big)["virtual-size"] == 16 << 40, f"{info(t, big)}")
    small = t.store.url(t.image("-clusters"))
    run(["qemu-img", "create", "-q", "-f", "raw", "-o", "cluster_size=1M", small, "64M"], env)
    expect(info(t, small).get("cluster-size") == 1 << 20, f"{info(t, small)}")


def t_missing(t):
    env = t.store.env()
    for url in (t.store.url("no-such-image"), t.store.url(t.image(), snap="no-such-snap")):
        _, text = run(["qemu-img", "info", url], env, status=1)
        expect("No such file or directory" in text, text)
    url = t.store.url("image").replace(f"rbd:{t.store.pool}/", "rbd:no-such-pool/")
    for verb in (["info", url], ["create", "-f", "raw", url, "1M"]):
        _, text = run(["qemu-img", *verb], env, status=1)
        expect("No such file or directory" in text, text)


def t_convert(t):
    env = t.store.env()
    raw, back, qcow = seeded_file(t, "source.raw"), t.path("back.raw"), t.path("source.qcow2")
    first, second, third = (t.store.url(t.image(f"-{n}")) for n in (1, 2, 3))
    run(["qemu-img", "convert", "-f", "raw", "-O", "raw", raw, first], env, timeout=120)
    run(["qemu-img", "convert", "-f", "raw", "-O", "raw", first, back], env, timeout=120)
    same_bytes(raw, back)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow], env, timeout=120)
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", "-m", "16", "-W", qcow, second], env, timeout=120)
    run(["qemu-img", "convert", "-f", "raw", "-O", "raw", second, third], env, timeout=120)
    for url in (first, second, third):
        run(["qemu-img", "compare", "-f", "raw", "-F", "raw", raw, url], env, timeout=120)
    run(["qemu-img", "compare", "-f", "raw", "-F", "raw", first, third], env, timeout=120)
    # and compare bites
    at = t.random.randrange(40 << 20)
    run(["qemu-io", "-f", "raw", "-c", f"read {at} 1", "-c", f"write -P {0x5b} {at} 1", third], env)
    with open(raw, "rb") as f:
        f.seek(at)
        changed = f.read(1) != b"\x5b"
    if changed:
        _, text = run(["qemu-img", "compare", "-f", "raw", "-F", "raw", first, third], env, timeout=120, status=1)
        expect("Content mismatch" in text, text)


def t_qcow2_inside(t):
    """qcow2 with the image as its container: it grows while it is written, and qcow2 keeps its own snapshots in it."""
    env = t.store.env()
    raw, url = seeded_file(t, "source.raw", 16), t.store.url(t.image())
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, url], env, timeout=120)  # it grows the image as it writes
    run(["qemu-img", "check", "-f", "qcow2", url], env)
    run(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, url], env, timeout=120)
    at = t.random.randrange(15 << 20)
    run(["qemu-img", "snapshot", "-c", "inner", url], env)
    run(["qemu-io", "-f", "qcow2", "-c", f"write -P 0x77 {at} 300000", "-c", f"read -P 0x77 {at} 300000", url], env)
    run(["qemu-img", "check", "-f", "qcow2", url], env)
    run(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, url], env, timeout=120, status=1)
    run(["qemu-img", "snapshot", "-a", "inner", url], env)
    run(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, url], env, timeout=120)


def t_snapshot(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "32M"], env)

    def names():
        _, text = run(["qemu-img", "snapshot", "-l", url], env)
        return [line.split()[1] for line in text.splitlines()[2:]]

    for value in (1, 2, 3):
        run(["qemu-io", "-f", "raw", "-c", f"write -P {value} {value}M 2M", url], env)
        run(["qemu-img", "snapshot", "-c", f"s{value}", url], env)
    expect(names() == ["s1", "s2", "s3"], f"{names()}")
    _, text = run(["qemu-img", "snapshot", "-c", "s2", url], env, check=False)
    expect("exists" in text, f"a second s2: {text}")
    reads = {1: "-c|read -P 1 1M 2M|-c|read -P 0 3M 29M", 2: "-c|read -P 1 1M 1M|-c|read -P 2 2M 2M|-c|read -P 0 4M 28M",
             3: "-c|read -P 1 1M 1M|-c|read -P 2 2M 1M|-c|read -P 3 3M 2M"}
    for value, text in reads.items():
        run(["qemu-io", "-r", "-f", "raw", *text.split("|"), t.store.url(t.image(), snap=f"s{value}")], env)
    run(["qemu-img", "snapshot", "-a", "s2", url], env)
    run(["qemu-io", "-f", "raw", *reads[2].split("|"), url], env)
    run(["qemu-img", "snapshot", "-d", "s2", url], env)
    expect(names() == ["s1", "s3"], f"{names()}")
    for value in (1, 3):
        run(["qemu-io", "-r", "-f", "raw", *reads[value].split("|"), t.store.url(t.image(), snap=f"s{value}")], env)
    run(["qemu-io", "-f", "raw", *reads[2].split("|"), url], env)
    _, text = run(["qemu-img", "snapshot", "-d", "s2", url], env, status=1)
    expect("No such file" in text or "not find" in text.lower() or "not found" in text.lower(), text)
    # a snapshot keeps its own size
    run(["qemu-img", "resize", "-q", "-f", "raw", url, "48M"], env)
    expect(info(t, t.store.url(t.image(), snap="s3"))["virtual-size"] == 32 << 20, "s3 has grown with the image")
    expect(info(t, url)["virtual-size"] == 48 << 20, "the image has not grown")


def t_map(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "256M"], env)
    run(["qemu-io", "-f", "raw", "-c", "write -P 1 9M 1M", "-c", "write -P 1 100M 64k", url], env)
    _, text = run(["qemu-img", "map", "--output=json", "-f", "raw", url], env)
    extents = json.loads(text[text.index("["):])
    end = 0
    for e in extents:
        expect(e["start"] == end, f"the map has a gap or overlap at {end}: {extents}")
        end += e["length"]
    expect(end == 256 << 20, f"the map ends at {end}")

    def is_data(at):
        return next(e["data"] for e in extents if e["start"] <= at < e["start"] + e["length"])

    for at in (9 << 20, (10 << 20) - 1, 100 << 20, (100 << 20) + 65535):
        expect(is_data(at), f"the map says that {at} is empty: {extents}")
    data = sum(e["length"] for e in extents if e["data"])
    expect(data <= 12 << 20, f"{data} bytes are data, 1.06 MiB were written: {extents}")


def t_bench(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "64M"], env)
    for args in (["-w", "--pattern=165", "-s", "4096", "-d", "32"], ["-s", "65536", "-d", "16"],
                 ["-w", "--pattern=165", "-s", "4096", "-d", "8", "--flush-interval=64"]):
        _, text = run(["qemu-img", "bench", "-f", "raw", "-t", "writeback", "-c", "800", *args, url], env, timeout=120)
        expect("Run completed" in text, text)
    run(["qemu-io", "-f", "raw", "-c", f"read -P 165 0 {800 * 4096}", "-c", f"read -P 0 {800 * 4096} 32M", url], env)


def t_resize(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "8M"], env)
    run(["qemu-io", "-f", "raw", "-c", "write -P 3 0 8M", url], env)
    run(["qemu-img", "resize", "-q", "-f", "raw", url, "+24M"], env)
    expect(info(t, url)["virtual-size"] == 32 << 20, f"{info(t, url)}")
    run(["qemu-io", "-f", "raw", "-c", "read -P 3 0 8M", "-c", "read -P 0 8M 24M", url], env)
    _, text = run(["qemu-img", "resize", "-q", "-f", "raw", url, "4M"], env, status=1)  # not without --shrink
    run(["qemu-img", "resize", "-q", "-f", "raw", "--shrink", url, "4M"], env)
    run(["qemu-img", "resize", "-q", "-f", "raw", url, "8M"], env)
    run(["qemu-io", "-f", "raw", "-c", "read -P 3 0 4M", "-c", "read -P 0 4M 4M", url], env)
