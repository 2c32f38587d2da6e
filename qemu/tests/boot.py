"""A guest makes a file system on a new image, writes, powers off, and boots again: from that image."""

import json

from harness.procs import expect, note, run
from harness.vm import Vm

# The initramfs copied to the disk is a root file system; `disk=root` switches to it.
INSTALL = "cd / && cp -a bin sbin lib lib64 modules etc init /mnt/ && mkdir /mnt/proc /mnt/sys /mnt/dev /mnt/mnt /mnt/tmp"


def t_new_image(t):
    url = t.store.url(t.image())
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "256M"], t.store.env())
    with Vm(t.store, url, t.work, "first") as vm:
        if t.store.ours:
            got = vm.libraries()
            expect(got and all(l.startswith(t.store.libdir) for l in got), f"QEMU has mapped {got}, not {t.store.libdir}")
        expect(vm.ready.endswith(f" vda={256 << 11}"), f"the guest sees {vm.ready}")
        vm.run("mkfs.ext4 -q /dev/vda && mount -t ext4 /dev/vda /mnt")
        vm.run(INSTALL)
        vm.run(f"mkdir /mnt/data && stamp files /mnt/data {seed} 1 40")
        _, sums = vm.run("cd /mnt/data && sha256sum *")
        expect(len(sums) > 10, f"only {len(sums)} files")
        vm.poweroff()
    with Vm(t.store, url, t.work, "second", root=True) as vm:
        expect(" root=/dev/vda " in vm.ready, f"the guest did not boot from the image: {vm.ready}")
        vm.run(f"stamp fcheck /data {seed} 40")
        _, again = vm.run("cd /data && sha256sum *")
        expect(again == sums, "checksums differ after the second boot")
        vm.run("sync; mount -o remount,ro /")
        vm.poweroff()
    with Vm(t.store, url, t.work, "third") as vm:
        vm.run("e2fsck -f -n /dev/vda")
        vm.poweroff()


def data_bytes(t, url):
    _, text = run(["qemu-img", "map", "--output=json", "-f", "raw", url], t.store.env())
    return sum(e["length"] for e in json.loads(text[text.index("["):]) if e["data"])


def t_trim(t):
    """What the guest trims is no data any more, and what it keeps stays."""
    url = t.store.url(t.image())
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "256M"], t.store.env())
    with Vm(t.store, url, t.work, "first", discard="unmap") as vm:
        vm.run("mkfs.ext4 -q /dev/vda && mount -t ext4 /dev/vda /mnt && mkdir /mnt/data")
        vm.run(f"stamp files /mnt/data {seed} 1 10 && dd if=/dev/urandom of=/mnt/big bs=1M count=96 2>/dev/null && sync")
        full = data_bytes(t, url)
        expect(full >= 96 << 20, f"96 MiB were written, the map has {full} bytes of data")
        vm.run("rm /mnt/big && sync && fstrim /mnt", timeout=180)
        vm.poweroff()
    left = data_bytes(t, url)
    note(f"data before fstrim {full >> 20} MiB, after {left >> 20} MiB")
    # QEMU asks for whole objects of 4 MiB: one that keeps a block is all data
    expect(left <= full - (40 << 20), f"{full} bytes were data, after fstrim it is still {left}")
    with Vm(t.store, url, t.work, "second") as vm:
        vm.run("e2fsck -f -n /dev/vda && mount -t ext4 /dev/vda /mnt")
        vm.run(f"stamp fcheck /mnt/data {seed} 10")
        vm.poweroff()
