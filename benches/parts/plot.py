"""Bars as SVG, with nothing but the standard library."""
from html import escape

OURS, OTHER, THIRD, GOAL = "#2166ac", "#bdbdbd", "#d8b365", "#b2182b"
ROW, LEFT, WIDTH, RIGHT = 26, 210, 520, 90


def svg(title, note, legend, rows):
    """`rows`: (label, [(value, colour)], goal or None, text). One scale for all; the longest bar takes the width."""
    longest = max([v for _, bars, goal, _ in rows for v, _ in bars] + [goal or 0 for *_, goal, _ in rows] + [1e-9])
    height = 62 + len(rows) * ROW + 12
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        f'font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><text x="8" y="20" font-size="15">{escape(title)}</text>',
        f'<text x="8" y="38" fill="#555">{escape(note)}</text>',
    ]
    x = LEFT
    for name, colour in legend:
        out.append(f'<rect x="{x}" y="46" width="10" height="10" fill="{colour}"/><text x="{x + 14}" y="55">{escape(name)}</text>')
        x += 24 + 7 * len(name)
    for index, (label, bars, goal, text) in enumerate(rows):
        y = 64 + index * ROW
        out.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>')
        thick = (ROW - 8) / len(bars)
        for nth, (value, colour) in enumerate(bars):
            out.append(f'<rect x="{LEFT}" y="{y + nth * thick:.1f}" width="{value / longest * WIDTH:.1f}" height="{thick - 1:.1f}" fill="{colour}"/>')
        if goal:
            at = LEFT + goal / longest * WIDTH
            out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 3}" y2="{y + ROW - 6}" stroke="{GOAL}" stroke-width="2"/>')
        out.append(f'<text x="{LEFT + max([v for v, _ in bars] + [goal or 0]) / longest * WIDTH + 6:.1f}" y="{y + 14}">{escape(text)}</text>')
    return "\n".join([*out, "</svg>", ""])


def goal_of(row, what):
    return next((g["goal"] for g in row["goals"] if g["what"] == what), None)


def plots(result):
    """Name of the file and its content."""
    m = result["machine"]
    note = f"median of {m['rounds']} rounds of {m['seconds']} s, image {m['gib']} GiB, {m['date']}"
    rows = [(r["name"], [(r["ratio"], OURS)], goal_of(r, "ratio"), f"{r['ratio']:.2f}") for r in result["fio"]]
    if rows:
        legend = [("ours / disk", OURS), ("goal", GOAL)]
        yield "rates.svg", svg("Rate of fio through logrbd, as a share of the same disk's", note, legend, rows)
        rows = [(r["name"], [(r["ours"]["cpu_us"], OURS), (r["disk"]["cpu_us"], OTHER)], goal_of(r, "cpu us"),
                 f"{r['ours']['cpu_us']:.1f}") for r in result["fio"] if " 4k " in r["name"]]
        legend = [("ours", OURS), ("disk", OTHER), ("goal", GOAL)]
        yield "cpu.svg", svg("CPU of the process for one 4k request, in us", note, legend, rows)
    if result["qemu"]:
        rows = []
        for r in result["qemu"]:
            most = max(r[who]["iops"] for who in ("ours", "raw", "qcow2"))
            bars = [(r[who]["iops"] / most, colour) for who, colour in (("ours", OURS), ("raw", OTHER), ("qcow2", THIRD))]
            rows.append((r["name"], bars, None, f"{r['ours']['iops']:.0f}/s"))
        legend = [("ours", OURS), ("raw", OTHER), ("qcow2", THIRD)]
        yield "qemu.svg", svg("qemu-img bench: requests a second, each row by its greatest", note, legend, rows)
