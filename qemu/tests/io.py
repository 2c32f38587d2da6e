"""qemu-io on `rbd:` URLs: a seeded mix of requests beside a plain byte array, reopened in between."""

from harness.procs import expect, note, run

SIZE = 12 << 20


class Model:
    """The image as bytes. A discarded byte may be its old value or zero until it is written again."""

    def __init__(self):
        self.value = bytearray(SIZE)
        self.maybe_zero = bytearray(SIZE)

    def write(self, at, length, byte):
        self.value[at:at + length] = bytes([byte]) * length
        self.maybe_zero[at:at + length] = bytes(length)

    def discard(self, at, length):
        self.maybe_zero[at:at + length] = b"\1" * length

    def check(self, have, when):
        expect(len(have) == SIZE, f"{when}: {len(have)} bytes")
        if have == self.value:
            return
        for at in range(SIZE):
            if have[at] != self.value[at] and not (self.maybe_zero[at] and have[at] == 0):
                raise_at = f"{when}: byte {at} is {have[at]:#x}, must be {self.value[at]:#x}"
                expect(False, raise_at)


def request(t, model):
    kind = t.random.randrange(10)
    at = t.random.randrange(SIZE)
    length = 1 + min(SIZE - at - 1, t.random.choice([0, 511, 4095, 65535, 1 << 20, t.random.randrange(1 << 21)]))
    if t.random.random() < 0.5:
        at, length = at & ~4095, max(4096, length & ~4095)
        length = min(length, SIZE - at)
    byte = t.random.randrange(1, 256)
    if kind < 5:
        model.write(at, length, byte)
        # an aio request is on its way until aio_flush: nothing else may touch its bytes before
        return [f"write -P {byte} {at} {length}"] if kind < 3 else [f"aio_write -P {byte} {at} {length}", "aio_flush"]
    if kind == 5:
        model.write(at, length, byte)
        return [f"write -f -P {byte} {at} {length}", f"read -P {byte} {at} {length}"]
    if kind == 6:
        model.write(at, length, 0)
        return [f"write -z {at} {length}"]
    if kind == 7:
        model.write(at, length, 0)
        return [f"write -z -u {at} {length}", f"read -P 0 {at} {length}"]
    if kind == 8:
        model.discard(at, length)
        return [f"discard {at} {length}"]
    return ["flush"]


def t_random(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, str(SIZE)], env)
    model = Model()
    total = 0
    for turn in range(4):
        commands = [c for _ in range(60) for c in request(t, model)]
        total += len(commands)
        # directsync and none open with rbd_cache=false, the others with the cache
        cache = t.random.choice(["writeback", "none", "writethrough", "directsync"])
        _, text = run(["qemu-io", "-f", "raw", "-t", cache, *[a for c in commands for a in ("-c", c)], url], env, timeout=120)
        expect("failed" not in text.lower() and "error" not in text.lower(), text[-1500:])
        out = t.path("out.raw")
        run(["qemu-img", "convert", "-f", "raw", "-O", "raw", "-S", "0", url, out], env, timeout=120)
        with open(out, "rb") as f:
            model.check(f.read(), f"after turn {turn} ({cache})")
    note(f"{total} requests, {SIZE} bytes compared four times")


def t_many_under_way(t):
    """Sixty-four writes at once, then all are there; the same with reads."""
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "32M"], env)
    places = t.random.sample(range(32 << 20 >> 12), 64)
    writes = [f"aio_write -P {1 + i} {p << 12} 4k" for i, p in enumerate(places)]
    reads = [f"aio_read -P {1 + i} {p << 12} 4k" for i, p in enumerate(places)]
    commands = writes + ["aio_flush"] + reads + ["aio_flush"]
    _, text = run(["qemu-io", "-f", "raw", *[a for c in commands for a in ("-c", c)], url], env)
    expect(text.count("wrote 4096/4096") == 64 and text.count("read 4096/4096") == 64, text[-1500:])
    expect("verification failed" not in text, text[-1500:])
    run(["qemu-io", "-f", "raw", *[a for c in reads for a in ("-c", c.removeprefix("aio_"))], url], env)


def t_past_the_end(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "1M"], env)
    for command in ("write 1M 4k", "write 1048000 4k", "read 1M 4k"):
        status, text = run(["qemu-io", "-f", "raw", "-c", command, url], env, check=False)
        expect(status != 0 or "failed" in text, f"{command}: {text}")


def t_verify_bites(t):
    """read -P must notice a byte that is not what it should be: otherwise every test here is worthless."""
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "1M"], env)
    run(["qemu-io", "-f", "raw", "-c", "write -P 1 0 1M", "-c", "write -P 2 77777 1", url], env)
    _, text = run(["qemu-io", "-f", "raw", "-c", "read -P 1 0 1M", url], env, check=False, status=1)
    expect("verification failed" in text, text)
    model = Model()
    have = bytearray(SIZE)
    have[SIZE - 1] = 1
    try:
        model.check(have, "")
    except Exception:
        return
    expect(False, "the model does not notice a wrong byte")
