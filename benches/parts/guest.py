"""The load of a guest: QEMU (TCG) with the disk, and in it load.c, which asks and times."""
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "qemu"))
from harness.procs import Failed  # noqa: E402
from harness.vm import Vm  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
SAID = re.compile(r"(\d+) requests, ([\d.]+) seconds, mean (\d+) us, p50 (\d+) us, p99 (\d+) us, p999 (\d+) us")


class Environment:
    """What a Vm asks of a store."""

    def __init__(self, env):
        self.variables = env

    def env(self, **more):
        return dict(self.variables, **more)


def build():
    subprocess.run([TOP / "qemu/guest/build"], check=True, timeout=900)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def run(env, url, work, load, seconds, snapshot):
    """Boots, runs `load`, powers off. Its figures, QEMU's CPU seconds meanwhile, its peak memory, `snapshot()` before and after."""
    what, size, threads, flush = load
    with Vm(Environment(env), url, work, cache="writeback") as vm:
        before, begun = snapshot(), cpu_s(vm.process.pid)
        _, lines = vm.run(f"load /dev/vda {what} {size} {threads} {seconds} {flush}", timeout=seconds + 120)
        used, after = cpu_s(vm.process.pid) - begun, snapshot()
        peak = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{vm.process.pid}/status").read())[1]) / 1024
        vm.poweroff()
    said = SAID.search("\n".join(lines))
    if not said:
        raise Failed(f"load said: {lines}")
    requests, took_s, mean, p50, p99, p999 = map(float, said.groups())
    figures = {"rate": requests / took_s, "mib_s": requests * size / took_s / 2**20, "mean_us": mean, "p50_us": p50, "p99_us": p99, "p999_us": p999,
               "cpu_us": used * 1e6 / requests, "peak_mib": peak}
    return figures, requests, before, after
