"""Snapshots taken from a running guest: boot from one, go on beside it, roll back to it."""

import json

from harness.procs import expect, run
from harness.vm import Vm


def listed(t, url):
    _, text = run(["qemu-img", "info", "--output=json", "-f", "raw", url], t.store.env())
    return [s["name"] for s in json.loads(text[text.index("{"):]).get("snapshots", [])]


def t_boot(t):
    url, env = t.store.url(t.image()), t.store.env()
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "256M"], env)
    with Vm(t.store, url, t.work, "first") as vm:
        vm.run("mkfs.ext4 -q /dev/vda && mount -t ext4 /dev/vda /mnt && mkdir /mnt/data")
        vm.run(f"stamp files /mnt/data {seed} 1 20 && sync")
        vm.qmp("blockdev-snapshot-internal-sync", device="disk0", name="by-qmp")
        vm.run(f"stamp files /mnt/data {seed} 21 20 && sync")
        # a second opener takes one while the guest's QEMU has the image open and its lock
        run(["qemu-img", "snapshot", "-c", "by-img", url], env, timeout=90)
        vm.run(f"stamp files /mnt/data {seed} 41 20 && rm -f /mnt/data/f0* && sync")
        vm.poweroff()
    expect(listed(t, url) == ["by-qmp", "by-img"], f"snapshots are {listed(t, url)}")

    for snap, last in (("by-qmp", 20), ("by-img", 40)):
        at = t.store.url(t.image(), snap=snap)
        with Vm(t.store, at, t.work, snap, snapshot=True) as vm:
            vm.run("mount -t ext4 /dev/vda /mnt")
            vm.run(f"stamp fcheck /mnt/data {seed} {last}")
            # what the guest writes now goes to QEMU's temporary overlay
            vm.run("rm -rf /mnt/data && dd if=/dev/zero of=/mnt/new bs=1M count=8 2>/dev/null && sync")
            vm.poweroff()
        status, text = run(["qemu-io", "-f", "raw", "-c", "write 0 4k", at], env, check=False)
        expect(status != 0 and "read-only" in text.lower(), f"a snapshot can be written: {text}")

    with Vm(t.store, url, t.work, "head") as vm:
        status, text = vm.run(f"mount -t ext4 /dev/vda /mnt && stamp fcheck /mnt/data {seed} 60", check=False)
        lost = {line.split(":")[0] for line in text if line.startswith("bad ")}
        expect(status == 1 and lost and all("/f0" in l for l in lost), f"the head is not what was written last: {text}")
        vm.poweroff()

    run(["qemu-img", "snapshot", "-a", "by-qmp", url], env, timeout=120)
    with Vm(t.store, url, t.work, "back") as vm:
        vm.run(f"mount -t ext4 /dev/vda /mnt && stamp fcheck /mnt/data {seed} 20")
        vm.poweroff()
    run(["qemu-img", "snapshot", "-d", "by-qmp", url], env)
    expect(listed(t, url) == ["by-img"], f"after -d: {listed(t, url)}")
    with Vm(t.store, t.store.url(t.image(), snap="by-img"), t.work, "other", snapshot=True) as vm:
        vm.run(f"mount -t ext4 /dev/vda /mnt && stamp fcheck /mnt/data {seed} 40")
        vm.poweroff()
