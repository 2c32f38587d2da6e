"""Other openers beside a running guest: readers see what was flushed, and the lock moves to a second writer and back."""

import time

from harness.procs import expect, note, run
from harness.vm import Vm


def t_reader(t):
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "64M"], env)
    with Vm(t.store, url, t.work) as vm:
        for turn in range(1, 6):
            vm.run(f"tr '\\000' '\\{turn:03o}' </dev/zero | head -c 1048576 | dd of=/dev/vda iflag=fullblock bs=64k seek={turn * 64} conv=fsync 2>/dev/null")
            # a new opener, and what it reads was synced by the guest a moment ago
            run(["qemu-io", "-r", "-f", "raw", "-c", f"read -P {turn} {turn * 4}M 1M", "-c", f"read -P 0 {turn * 4 + 1}M 3M", url], env)
        vm.poweroff()


def t_two_writers(t):
    """A second process writes now and then while the guest writes: all of both is there in the end."""
    url, env = t.store.url(t.image()), t.store.env()
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "64M"], env)
    with Vm(t.store, url, t.work, "first") as vm:
        vm.send(f"stamp blocks /dev/vda {seed} 0 4096 6000")
        for turn in range(1, 7):
            vm.synced(3)
            run(["qemu-io", "-f", "raw", "-c", f"write -f -P {turn} {32 + turn}M 1M", url], env, timeout=90)
        done = vm.wait(lambda l: l.startswith("= "), 180, "the guest's writes")
        expect(done == "= 0", f"the guest's writer ended with {done}")
        reads = [a for turn in range(1, 7) for a in ("-c", f"read -P {turn} {32 + turn}M 1M")]
        run(["qemu-io", "-r", "-f", "raw", *reads, url], env)
        vm.run(f"stamp bcheck /dev/vda {seed} 0 4096 6000")
        vm.poweroff()
    with Vm(t.store, url, t.work, "second") as vm:
        _, text = vm.run(f"stamp bcheck /dev/vda {seed} 0 4096 6000")
        note(text[-1])
        vm.poweroff()
    run(["qemu-io", "-r", "-f", "raw", *reads, url], env)


def t_dead_writer(t):
    """A writer that was killed must not keep the next one out: how long that takes is printed."""
    url, env = t.store.url(t.image()), t.store.env()
    run(["qemu-img", "create", "-q", "-f", "raw", url, "16M"], env)
    with Vm(t.store, url, t.work, cache=t.crash_cache) as vm:
        vm.run("tr '\\000' '\\007' </dev/zero | head -c 1048576 | dd of=/dev/vda iflag=fullblock bs=64k conv=fsync 2>/dev/null")
        vm.kill()
    begin = time.monotonic()
    run(["qemu-io", "-f", "raw", "-c", "read -P 7 0 1M", "-c", "write -f -P 8 1M 1M", url], env, timeout=90)
    note(f"the next writer had written after {time.monotonic() - begin:.1f} s")
    run(["qemu-io", "-r", "-f", "raw", "-c", "read -P 7 0 1M", "-c", "read -P 8 1M 1M", url], env)
