"""From the rounds on a cluster to medians, ratios, goals, a table and plots."""
import statistics

from . import plot

SHOWN = ("rate", "mib_s", "mean_us", "p50_us", "p99_us", "p999_us", "cpu_us", "osd_cpu_us", "osd_ops", "osd_bytes", "peak_mib")
GOALS = {"rate": "rate", "cpu": "cpu_us", "p99": "p99_us", "ops": "osd_ops", "memory": "peak_mib"}


def row(of, rounds):
    """`rounds`: for each {"ceph": figures, "ours": figures}. A ratio is the median of the rounds' own ratios."""
    medians = {who: {k: statistics.median([r[who][k] for r in rounds]) for k in SHOWN} for who in rounds[0]}
    ratios = {}
    if "ours" in medians:
        for k in SHOWN:
            each = [r["ours"][k] / r["ceph"][k] for r in rounds if r["ceph"][k]]
            ratios[k] = statistics.median(each) if each else None
    goals = []
    for goal, key in GOALS.items():
        want = getattr(of, goal)
        if want is not None and ratios.get(key) is not None:
            met = ratios[key] >= want if goal == "rate" else ratios[key] <= want
            goals.append({"what": goal, "goal": want, "is": ratios[key], "met": met})
    return {"name": of.name, **medians, "ratios": ratios, "goals": goals, "rounds": rounds}


HEAD = (f"{'':32}{'':6}{'rate/s':>9}{'MiB/s':>8}{'mean us':>9}{'p50':>8}{'p99':>9}{'p99.9':>9}{'cpu us':>8}{'osd cpu':>9}"
        f"{'osd ops':>9}{'osd KiB':>9}{'MiB':>6}")


def figures(f):
    return (f"{f['rate']:9.0f}{f['mib_s']:8.1f}{f['mean_us']:9.0f}{f['p50_us']:8.0f}{f['p99_us']:9.0f}{f['p999_us']:9.0f}{f['cpu_us']:8.1f}"
            f"{f['osd_cpu_us']:9.1f}{f['osd_ops']:9.4f}{f['osd_bytes'] / 1024:9.1f}{f['peak_mib']:6.0f}")


def lines(r):
    yield from (f"{r['name'] if who == 'ceph' else '':32}{who:6}{figures(r[who])}" for who in ("ceph", "nocache", "ours") if who in r)
    if r["ratios"]:
        def cell(key, width, digits=2):
            value = r["ratios"][key]
            return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"
        text = (cell("rate", 9) + cell("mib_s", 8) + cell("mean_us", 9) + cell("p50_us", 8) + cell("p99_us", 9) + cell("p999_us", 9) + cell("cpu_us", 8)
                + cell("osd_cpu_us", 9) + cell("osd_ops", 9, 4) + cell("osd_bytes", 9) + cell("peak_mib", 6))
        goals = ", ".join(f"{g['what']} {'>=' if g['what'] == 'rate' else '<='} {g['goal']:g} {'met' if g['met'] else 'MISSED'}" for g in r["goals"])
        yield f"{'':32}{'ratio':6}{text}  {goals}"


def text(result):
    m = result["machine"]
    out = [f"{m['osds']} OSDs, size {m['size']}; {m['rounds']} rounds of {m['seconds']} s, image {m['gib']} GiB, {m['cpus']} CPUs, load {m['load_before']:.1f} before and "
           f"{m['load_after']:.1f} after; {m['date']}, commit {m['commit']}, library {m['lib']}",
           "Medians. cpu: user and system of the client's whole process a request; osd cpu, ops, KiB: of all OSDs a request; ratio: ours / ceph.",
           "", HEAD]
    for r in result["rows"]:
        out += lines(r)
    out += [f"failed: {failure}" for failure in result.get("failures", [])]
    return "\n".join(out)


def plots(result):
    m = result["machine"]
    note = f"{m['osds']} OSDs, size {m['size']}, median of {m['rounds']} rounds of {m['seconds']} s, {m['date']}"
    named = (("rate", "Rate, ours / Ceph's library (more is better)", "rate"), ("cpu_us", "Client CPU a request, ours / Ceph's (less is better)", "cpu"),
             ("p99_us", "p99, ours / Ceph's (less is better)", "p99"), ("osd_ops", "OSD operations a request, ours / Ceph's (less is better)", "ops"),
             ("peak_mib", "Peak memory, ours / Ceph's (less is better)", "memory"))
    for key, title, goal in named:
        rows = []
        for r in result["rows"]:
            value = r["ratios"].get(key)
            if value is not None:
                want = next((g["goal"] for g in r["goals"] if g["what"] == goal), None)
                rows.append((r["name"], [(value, plot.OURS)], want, f"{value:.2f}"))
        if rows:
            yield f"cluster-{key}.svg", plot.svg(title, note, [("ours / Ceph's", plot.OURS), ("goal", plot.GOAL)], rows)


def page(result, names):
    pictures = "\n".join(f'<p><img src="{n}" alt="{n}"></p>' for n in names)
    return f"<!doctype html><meta charset=utf-8><title>logrbd beside Ceph's library</title><pre>{text(result)}</pre>\n{pictures}\n"
