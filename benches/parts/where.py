"""Where the CPU time of a request goes: perf's samples of the whole process, by thread and by what it does there."""
import collections
import os
import re
import subprocess

THREADS = {
    "fio": "caller (fio's own thread)", "logrbd-finish": "callbacks", "logrbd-io": "tasks (map, GC, misses)",
    "store-writer": "store: commits", "store-read": "store: data files", "store-events": "store: events",
}
COPY = re.compile(r"memmove|memcpy|memset|copy_to_iter|copy_from_iter|copy_folio|copy_page|copy_user")
SQLITE = re.compile(r"^(sqlite3|pager|pcache|btree|wal|vdbe|unix|balance|moveTo|getPage|insertCell|fillInCell|posixIo|cellSize|defragment)")


def kind(thread, dso, symbol):
    if COPY.search(symbol):
        return "copying" if "kernel" not in dso else "copying in the kernel (page cache)"
    if "kernel" in dso or dso == "[vdso]":
        return "kernel" if dso != "[vdso]" else "clock"
    if "crc" in symbol:
        return "checksums"
    if SQLITE.match(symbol):
        return "SQLite"
    if dso.startswith("lib") and "rados" in dso:
        return "library"
    if dso == "fio":
        return "fio"
    return "libc and others (malloc, syscall entry)"


def record(command, data):
    return ["perf", "record", "-q", "-F", "1999", "-o", data, "--", *command]


def table(data, cpu_us):
    """Lines: us a request by thread and kind; `cpu_us` is the whole."""
    fields = ["perf", "report", "-i", data, "--no-children", "-g", "none", "-t", "\t", "-F", "overhead,comm,dso,sym", "--stdio"]
    out = subprocess.run(fields, capture_output=True, text=True, timeout=300, env=dict(os.environ, LC_ALL="C")).stdout
    shares = collections.Counter()
    for line in out.splitlines():
        parts = [p.strip() for p in line.split("\t")]
        if line.startswith("#") or len(parts) < 4 or not parts[0].endswith("%"):
            continue
        symbol = re.sub(r"^\[.\]\s*", "", parts[3])
        shares[(THREADS.get(parts[1], "others"), kind(parts[1], parts[2], symbol))] += float(parts[0][:-1])
    whole = sum(shares.values()) or 1
    threads = collections.Counter()
    for (thread, _), share in shares.items():
        threads[thread] += share
    lines = []
    for thread, share in threads.most_common():
        lines.append(f"{thread:42}{share / whole * cpu_us:9.2f}")
        for (of, what), part in shares.most_common():
            if of == thread and part / whole * cpu_us >= cpu_us / 200:
                lines.append(f"    {what:38}{part / whole * cpu_us:9.2f}")
    return lines
