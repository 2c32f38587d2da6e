"""A guest makes a file system on a new image, writes, powers off, and boots again: from that image."""

from harness.procs import expect, run
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
