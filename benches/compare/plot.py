"""How cost grows with the number of services: four small charts in one SVG, value per service over N."""

from report import shown

CHARTS = [
    ("start cpu", "start: CPU per service", "ms", True),
    ("stop all cpu", "stop: CPU per service", "ms", True),
    ("private each", "private memory per service", "kB", False),
    ("status cpu", "status: CPU per service", "ms", True),
]
COLOURS = {"pinfold": "#b5302a", "dinit": "#2a6fb5", "runit": "#4c8f3a", "daemontools": "#8a6d3b", "s6": "#7a4ca0"}
WIDTH, HEIGHT, LEFT, TOP = 330, 190, 52, 34


def per_service(results, kind, measure, divide):
    """[(N, value)] over the parts called "n10", "n100" …"""
    points = []
    for part in sorted((part for part in results.rounds if part.startswith("n")), key=lambda part: int(part[1:])):
        value = results.median(part, measure, kind)
        if value is not None:
            points.append((int(part[1:]), value / int(part[1:]) if divide else value))
    return points


def chart(results, x, y, measure, title, unit, divide):
    lines = {kind: per_service(results, kind, measure, divide) for kind in COLOURS}
    lines = {kind: points for kind, points in lines.items() if points}
    numbers = sorted({n for points in lines.values() for n, _ in points})
    # a handful of services pays for what is there once: the scale is that of the others
    most = max((value for points in lines.values() for n, value in points if n >= 100), default=1) * 1.25 or 1
    width, height = WIDTH - LEFT - 20, HEIGHT - TOP - 30

    def at(n, value):
        return (x + LEFT + numbers.index(n) * width / max(1, len(numbers) - 1),
                y + TOP + height * (1 - min(value / most, 1.0)))

    out = [f'<text x="{x + LEFT}" y="{y + 18}" class="title">{title}, {unit}</text>',
           f'<path class="axis" d="M{x + LEFT},{y + TOP} v{height} h{width}"/>',
           f'<text x="{x + LEFT - 6}" y="{y + TOP + 4}" text-anchor="end">{shown(most, unit)}</text>',
           f'<text x="{x + LEFT - 6}" y="{y + TOP + height}" text-anchor="end">0</text>']
    for n in numbers:
        out.append(f'<text x="{at(n, 0)[0]:.0f}" y="{y + HEIGHT - 14}" text-anchor="middle">{n}</text>')
    for kind, points in lines.items():
        path = " L".join("{:.1f},{:.1f}".format(*at(n, value)) for n, value in points)
        out.append(f'<path class="line" stroke="{COLOURS[kind]}" d="M{path}"/>')
        out += ['<circle r="2.5" fill="{}" cx="{:.1f}" cy="{:.1f}"/>'.format(COLOURS[kind], *at(n, value))
                for n, value in points]
    return out


def svg(results):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" '
           f'viewBox="0 0 {2 * WIDTH} {2 * HEIGHT + 26}" font-family="sans-serif" font-size="10">',
           "<style>text{fill:#444}.title{font-size:12px;fill:#222}.axis{fill:none;stroke:#999}"
           ".line{fill:none;stroke-width:1.6}</style>",
           f'<rect width="{2 * WIDTH}" height="{2 * HEIGHT + 26}" fill="#fff"/>']
    for number, (measure, title, unit, divide) in enumerate(CHARTS):
        out += chart(results, number % 2 * WIDTH, number // 2 * HEIGHT, measure, title, unit, divide)
    drawn = [kind for kind in COLOURS if per_service(results, kind, "start cpu", True)]
    for number, kind in enumerate(drawn):
        x, y = LEFT + number * 110, 2 * HEIGHT + 14
        out.append(f'<path class="line" stroke="{COLOURS[kind]}" d="M{x},{y - 4} h18"/>'
                   f'<text x="{x + 24}" y="{y}">{kind}</text>')
    return "\n".join([*out, "</svg>\n"])


def rows(results):
    """The same as a table of pinfold's."""
    lines = ["| services | " + " | ".join(title for _, title, _, _ in CHARTS) + " |", "|---" * (len(CHARTS) + 1) + "|"]
    for n in [n for n, _ in per_service(results, "pinfold", "start cpu", True)]:
        cells = []
        for measure, _, unit, divide in CHARTS:
            value = dict(per_service(results, "pinfold", measure, divide)).get(n)
            cells.append(f"{value * 1e6:.0f} µs" if unit == "ms" and value is not None else
                         f"{shown(value, unit)} {unit}" if value is not None else "")
        lines.append(f"| {n} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
