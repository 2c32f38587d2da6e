"""From measured rounds to medians, goals and a table."""
import statistics


def median(values):
    return statistics.median(values)


def medians(rounds):
    return {key: median([r[key] for r in rounds]) for key in rounds[0]}


def fio_row(row, pairs, baseline, memory_limit_mib):
    """`pairs`: (ours, disk) of each round. The ratio is the median of the rounds' own ratios."""
    ours, disk = medians([a for a, _ in pairs]), medians([b for _, b in pairs])
    ratios = [a["iops"] / b["iops"] for a, b in pairs]
    memory = max(a["peak_mib"] for a, _ in pairs) - baseline
    goals = []
    if row.ratio is not None:
        goals.append({"what": "ratio", "goal": row.ratio, "is": median(ratios), "met": median(ratios) >= row.ratio})
    if row.cpu_us is not None:
        goals.append({"what": "cpu us", "goal": row.cpu_us, "is": ours["cpu_us"], "met": ours["cpu_us"] <= row.cpu_us})
    goals.append({"what": "MiB", "goal": memory_limit_mib, "is": memory, "met": memory <= memory_limit_mib})
    return {
        "name": row.name, "ours": ours, "disk": disk, "ratio": median(ratios), "ratios": ratios,
        "memory_mib": memory, "goals": goals,
    }


HEAD = f"{'':29}{'ours':>9}{'disk':>9}{'ratio':>7}{'':>12}{'MiB/s':>7}{'p99 us':>8}{'disk':>8}{'cpu us':>8}{'disk':>7}{'MiB':>6}  goals"


def fio_line(r):
    low, high = min(r["ratios"]), max(r["ratios"])
    goals = [f"{g['what']} {'<=' if g['what'] != 'ratio' else '>='} {g['goal']:g}: {'met' if g['met'] else 'MISSED'}"
             for g in r["goals"] if g["what"] != "MiB" or not g["met"]]
    a, b = r["ours"], r["disk"]
    return (f"{r['name']:29}{a['iops']:9.0f}{b['iops']:9.0f}{r['ratio']:7.2f}{f'{low:.2f}-{high:.2f}':>12}{a['mib_s']:7.0f}"
            f"{a['p99_us']:8.0f}{b['p99_us']:8.0f}{a['cpu_us']:8.1f}{b['cpu_us']:7.1f}{r['memory_mib']:6.0f}  {', '.join(goals)}")


QEMU_HEAD = f"{'':29}{'ours':>9}{'raw':>9}{'qcow2':>9}{'ours/raw':>9}{'ours/qcow2':>11}{'cpu us':>8}{'raw':>7}{'qcow2':>7}"


def qemu_row(row, rounds):
    """`rounds`: for each a dictionary of ours, raw and qcow2."""
    of = {who: medians([r[who] for r in rounds]) for who in rounds[0]}
    to = {who: median([r["ours"]["iops"] / r[who]["iops"] for r in rounds]) for who in ("raw", "qcow2")}
    return {"name": row.name, **of, "to_raw": to["raw"], "to_qcow2": to["qcow2"]}


def qemu_line(r):
    rate = [r[who]["iops"] for who in ("ours", "raw", "qcow2")]
    cpu = [r[who]["cpu_us"] for who in ("ours", "raw", "qcow2")]
    return (f"{r['name']:29}" + "".join(f"{v:9.0f}" for v in rate) + f"{r['to_raw']:9.2f}{r['to_qcow2']:11.2f}"
            f"{cpu[0]:8.1f}{cpu[1]:7.1f}{cpu[2]:7.1f}")


def text(result):
    m = result["machine"]
    lines = [
        f"{m['rounds']} rounds of {m['seconds']} s, image of {m['gib']} GiB, {m['cpus']} CPUs, load {m['load_before']:.1f} before and "
        f"{m['load_after']:.1f} after, library {m['library']}; medians.",
        "ours, disk: requests a second; ratio: median, least and greatest of the rounds' ours / disk; cpu us: user and system of the whole",
        f"process for one request; MiB: peak memory above fio's own ({m['fio_mib']:.0f} MiB), at most {m['memory_limit_mib']:.0f}.",
        f"fio by itself (engine null) takes {m['fio_cpu_us']:.1f} us a request.",
    ]
    if result["fio"]:
        lines += ["", HEAD, *map(fio_line, result["fio"])]
    if result["qemu"]:
        lines += ["", "qemu-img bench: raw and qcow2 with cache=none and aio=native, ours with cache=writeback (rbd_cache = true) and rbd_cache_writethrough_until_flush = false",
                  QEMU_HEAD, *map(qemu_line, result["qemu"])]
    return "\n".join(lines)
