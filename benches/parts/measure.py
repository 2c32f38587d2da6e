"""Runs fio and qemu-img: rate, latency, CPU of the whole process, peak memory."""
import json
import os
import re
import resource
import subprocess
import tempfile
import time


class Failed(SystemExit):
    """A program that failed, or that did not end and was killed."""


def run(command, env, limit_s):
    """Its output, CPU seconds (user and system, all its threads and children) and peak memory in KiB."""
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        begun, seen_kib = time.monotonic(), 0
        # wait4 and not wait: what it says is of this child and those that it waited for, and of nobody else.
        while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
            seen_kib = max(seen_kib, *map(high_water_kib, family(child.pid)))
            if time.monotonic() - begun > limit_s:
                child.kill()
            time.sleep(0.03)
        _, status, usage = ended
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if child.returncode:
        why = f"did not end within {limit_s} s" if time.monotonic() - begun > limit_s else f"failed ({child.returncode})"
        raise Failed(f"{why}: {' '.join(command)}\n{text}")
    # A new process begins with the peak of who started it, so the kernel's figure says nothing below our own.
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = usage.ru_maxrss if usage.ru_maxrss > mine else seen_kib
    return text, usage.ru_utime + usage.ru_stime, peak


def family(pid):
    """A process and those that it has started."""
    yield pid
    try:
        children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def high_water_kib(pid):
    try:
        return int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])
    except (OSError, TypeError):
        return 0  # it has ended


def fio(arguments, seconds, env, around=lambda command: command):
    command = around(["fio", "--output-format=json", "--name=bench", f"--runtime={seconds}", "--time_based", *arguments])
    output, cpu_s, peak_kib = run(command, env, seconds * 4 + 120)
    job = json.loads(output[output.index("{"):])["jobs"][0]
    side = max((job["read"], job["write"]), key=lambda s: s["total_ios"])
    p99 = side["clat_ns"].get("percentile", {}).get("99.000000", 0) / 1000
    return {
        "iops": side["iops"],
        "mib_s": side["bw_bytes"] / 2**20,
        "p99_us": p99,
        # Of the whole process: fio's own figure leaves out the library's threads.
        "cpu_us": cpu_s * 1e6 / max(side["total_ios"], 1),
        "peak_mib": peak_kib / 1024,
    }


def fill(arguments, env, limit_s=1200):
    run(["fio", "--output=/dev/null", "--name=fill", *arguments], env, limit_s)


def qemu_bench(row, image, fmt, cache, env, share):
    count = max(row.count // share, 64)
    command = ["qemu-img", "bench", "-f", fmt, "-t", cache, "-c", str(count), "-d", str(row.depth), "-s", str(row.size)]
    command += ["-S", str(row.step)] if row.step else []
    command += ["-w"] if row.write else []
    command += [f"--flush-interval={row.flush}"] if row.flush else []
    command += ["-i", "native"] if cache == "none" else []
    output, cpu_s, peak_kib = run([*command, image], env, 600)
    seconds = float(re.search(r"completed in ([0-9.]+) seconds", output)[1])
    rate = count / max(seconds, 1e-3)
    return {"iops": rate, "mib_s": rate * row.size / 2**20, "cpu_us": cpu_s * 1e6 / count, "peak_mib": peak_kib / 1024}


def forget_pages(*paths):
    """Empties the page cache of these files and folders: written out first, because only clean pages can go."""
    for path in paths:
        files = [os.path.join(d, f) for d, _, names in os.walk(path) for f in names] if os.path.isdir(path) else [path]
        for file in files:
            try:
                fd = os.open(file, os.O_RDONLY)
            except OSError:
                continue  # a socket, or gone by now
            try:
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)
