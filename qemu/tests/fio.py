"""fio, engines rbd and rados: writes with a checksum in every block, and a second process that verifies them."""

import json
import os

from harness.procs import expect, run, spawn


def fio(t, engine, *args, check=True, timeout=150):
    env = t.store.env(CEPH_CONF=t.store.conf)
    # fio leaves a state file where it stands
    args = ["env", "-C", t.work, "fio", "--output-format=json", "--name=job", f"--ioengine={engine}",
            "--clientname=admin", f"--pool={t.store.pool}", *args]
    status, text = run(args, env, timeout=timeout, check=check)
    return status, (json.loads(text[text.index("{"):]) if check else text)


def rbd(t, image, *args, **kw):
    return fio(t, "rbd", f"--rbdname={image}", "--verify=crc32c", "--verify_fatal=1",
               "--randrepeat=1", f"--randseed={t.options.seed}", *args, **kw)


def t_rbd(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "64M"], env)
    jobs = (["--rw=randwrite", "--bs=4k", "--iodepth=32", "--size=16M", "--fsync=32"],
            ["--rw=write", "--bs=1M", "--iodepth=8", "--offset=16M", "--size=32M"],
            ["--rw=randwrite", "--bssplit=512/10:4k/40:20k/30:64k/20", "--bs_unaligned=0", "--iodepth=16", "--offset=48M", "--size=16M"])
    for job in jobs:
        _, result = rbd(t, t.image(), *job, "--do_verify=0")
        written = result["jobs"][0]["write"]["io_bytes"]
        expect(result["jobs"][0]["error"] == 0 and written >= 16 << 20, f"fio wrote {written} bytes: {result['jobs'][0]['error']}")
    for job in jobs:
        _, result = rbd(t, t.image(), *job, "--verify_only")
        read = result["jobs"][0]["read"]["io_bytes"]
        expect(result["jobs"][0]["error"] == 0 and read >= 16 << 20, f"fio verified {read} bytes")
    # it bites: one byte changed in the middle
    at = 16 << 20 | t.random.randrange(32 << 20)
    _, old = run(["qemu-io", "-f", "raw", "-c", f"read -v {at} 1", url], env)
    byte = int(old.split(":")[1].split()[0], 16)
    run(["qemu-io", "-f", "raw", "-c", f"write -P {byte ^ 0x40} {at} 1", url], env)
    status, text = rbd(t, t.image(), *jobs[1], "--verify_only", check=False)
    expect(status != 0 and "verify" in text, f"fio does not notice the byte changed at {at}: {status} {text[-500:]}")


def t_rbd_trim_and_mix(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "64M"], env)
    _, result = fio(t, "rbd", f"--rbdname={t.image()}", "--rw=randrw", "--bs=4k", "--iodepth=16",
                    "--size=8M", "--verify=crc32c", "--verify_fatal=1", "--fsync=100")
    expect(result["jobs"][0]["error"] == 0, f"{result['jobs'][0]['error']}")
    _, result = fio(t, "rbd", f"--rbdname={t.image()}", "--rw=randtrim", "--bs=64k", "--iodepth=8",
                    "--size=64M")
    trimmed = result["jobs"][0]["trim"]["io_bytes"]
    expect(result["jobs"][0]["error"] == 0 and trimmed == 64 << 20, f"fio trimmed {trimmed} bytes")
    run(["qemu-io", "-f", "raw", "-c", "read -P 0 0 64M", url], env)


def t_neighbours(t):
    """Several processes on one store, each on its own image; one is killed, the others do not notice."""
    env = t.store.env(CEPH_CONF=t.store.conf)
    images = [t.image(f"-{n}") for n in range(4)]
    for image in images:
        run(["qemu-img", "create", "-q", "-f", "raw", t.store.url(image), "64M"], t.store.env())

    def start(image, *more):
        return spawn(["env", "-C", t.work, "fio", "--name=job", "--ioengine=rbd", "--clientname=admin", f"--pool={t.store.pool}",
                      f"--rbdname={image}", "--rw=randwrite", "--bs=4k", "--iodepth=16", "--fsync=64", "--verify=crc32c", "--verify_fatal=1",
                      "--size=16M", f"--output={t.path(image)}", *more], env, stdin=-3, stdout=-3, stderr=-3)

    victim = start(images[0], "--thread", "--time_based", "--runtime=600")
    others = [start(image, "--loops=3") for image in images[1:]]
    try:
        others[0].wait(120)
        expect(victim.poll() is None, "the one to be killed has ended by itself")
        victim.kill()
        for image, process in zip(images[1:], others):
            process.wait(120)
            with open(t.path(image)) as f:
                expect(process.returncode == 0, f"fio on {image}: {process.returncode}: {f.read()[-1500:]}")
    finally:
        for process in [victim, *others]:
            process.kill()
            process.wait()
    for image in images:  # the killed one's image opens as well
        run(["qemu-io", "-f", "raw", "-c", "write -f -P 1 32M 1M", "-c", "read -P 1 32M 1M", t.store.url(image)], t.store.env(), timeout=90)


def t_rados(t):
    _, result = fio(t, "rados", "--rw=randwrite", "--bs=4k", "--iodepth=16", "--size=4M", "--nrfiles=4",
                    "--verify=crc32c", "--verify_fatal=1", f"--conf={t.store.conf}")
    job = result["jobs"][0]
    expect(job["error"] == 0, f"error {job['error']}")
    expect(job["write"]["io_bytes"] == 4 << 20 and job["read"]["io_bytes"] == 4 << 20, f"{job['write']['io_bytes']} {job['read']['io_bytes']}")
