"""The disk under the store is full: the guest is paused, nothing that was synced is lost, and it goes on when there is room."""

import os

from harness.procs import expect, note, run
from harness.runner import Skip
from harness.store import Store
from harness.vm import Vm


def t_disk_full(t):
    if t.store.kind != "local":
        raise Skip("a full cluster makes its clients wait, it gives no error")
    if os.geteuid() != 0:
        raise Skip("needs root, to mount a small tmpfs")
    store = Store("local", t.store.libdir)
    run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=700", "tmpfs", store.folder])
    try:
        store.open()
        full(t, store)
    finally:
        run(["umount", "-l", store.folder])
        store.close()


def full(t, store):
    url = store.url(t.image())
    seed = t.random.randrange(1 << 40)
    run(["qemu-img", "create", "-q", "-f", "raw", url, "512M"], store.env())
    with Vm(store, url, t.work, "first") as vm:
        vm.run("mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 /dev/vda && mount -t ext4 /dev/vda /mnt && mkdir /mnt/data && sync")
        vm.send(f"stamp files /mnt/data {seed} 1 30 && dd if=/dev/urandom of=/mnt/fill bs=64k count=3000 conv=fsync")
        event = vm.qmp_event("BLOCK_IO_ERROR", 120)
        expect(event["data"].get("nospace"), f"the guest's write failed, but not for lack of space: {event['data']}")
        expect(vm.qmp("query-status")["status"] == "io-error", "QEMU does not pause the guest")
        last = vm.reported.get("", 0)
        note(f"disk full: the guest is paused, batch {last} was reported")
        run(["mount", "-o", "remount,size=700m", store.folder])
        vm.qmp("cont")
        done = vm.wait(lambda l: l.startswith("= "), 180, "the guest's writes, now that there is room")
        expect(done == "= 0", f"the guest's writer ended with {done}, {vm.console[-3:]}")
        _, sums = vm.run("sha256sum /mnt/fill", timeout=180)
        vm.run("echo 3 >/proc/sys/vm/drop_caches")
        vm.run(f"stamp fcheck /mnt/data {seed} 30")
        expect(vm.run("sha256sum /mnt/fill", timeout=180)[1] == sums, "what was written while the disk was full has changed")
        vm.kill()
    with Vm(store, url, t.work, "second") as vm:
        vm.run("mount -t ext4 /dev/vda /mnt && umount /mnt && e2fsck -f -n /dev/vda && mount -t ext4 /dev/vda /mnt", timeout=180)
        vm.run(f"stamp fcheck /mnt/data {seed} 30")
        expect(vm.run("sha256sum /mnt/fill", timeout=180)[1] == sums, "what was synced after the disk was full is gone")
        vm.poweroff()
