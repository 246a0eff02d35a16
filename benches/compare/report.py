"""From rounds to tables: medians, spreads, ratios to the best peer, in docs/performance.md between two markers."""

import json
from pathlib import Path

from measures import median

PEERS = ["daemontools", "runit", "s6", "dinit"]
BEGIN, END = "<!-- compare:begin -->", "<!-- compare:end -->"

# measure, words, unit
THOUSAND = [
    ("start wall", "until all run", "ms"),
    ("start cpu", "– CPU, the services' own start included", "ms"),
    ("stop all wall", "until all are stopped and published as down", "ms"),
    ("stop all cpu", "– CPU", "ms"),
    ("stop gone wall", "one stopped by command: gone", "ms"),
    ("stop wall", "– and published as down", "ms"),
    ("stop cpu", "– CPU, the command included", "ms"),
    ("stop own cpu", "– CPU of the supervisor alone", "ms"),
    ("crash wall", "SIGKILL until it runs again", "ms"),
    ("crash cpu", "– CPU, the service's own start included", "ms"),
    ("crash own cpu", "– CPU of the supervisor alone", "ms"),
    ("status wall", "status of all", "ms"),
    ("status cpu", "– CPU", "ms"),
    ("svstat cpu", "`svstat` of all: CPU", "ms"),
    ("private each", "private memory per service", "kB"),
    ("proportional each", "proportional memory (PSS) per service", "kB"),
    ("kernel each", "kernel memory per service, its own included", "kB"),
    ("descriptors each", "descriptors per service", ""),
    ("rest wakes", "at rest: wake-ups per second, of all processes", ""),
    ("rest cpu", "at rest: CPU per second", "ms"),
]
HUNDRED = THOUSAND[:4]
SINGLE = [
    ("pick-up wall", "new directory (among 100) until its service runs", "ms"),
    ("pick-up cpu", "– CPU, the service's own start included", "ms"),
    ("leftovers wall", "one with 100 children stopped and published as down", "ms"),
    ("leftovers left", "– processes of it that are left then", ""),
]
# part, measure, against whom, at most
BUDGETS = [
    ("1000", "start cpu", "dinit", 0.8),
    ("1000", "start wall", "dinit", 1.0),
    ("1000", "stop all wall", "runit", 0.8),
    ("1000", "stop wall", "runit", 1.0),
    ("1000", "crash wall", "best", 1.2),
    ("single", "pick-up wall", "best", 0.5),
    ("1000", "status wall", "dinit", 0.5),
    ("1000", "svstat cpu", "daemontools", 0.9),
    ("1000", "private each", "dinit", 1.0),
    ("1000", "kernel each", "dinit", 1.2),
]


def shown(value, unit):
    value = value * {"ms": 1000, "kB": 1 / 1024, "": 1}[unit]
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f}"


class Results:
    """The rounds of one run: part -> measure -> supervisor -> values."""

    def __init__(self, rounds=None):
        self.rounds = rounds or {}

    def add(self, part, kind, found):
        for measure, value in found.items():
            self.rounds.setdefault(part, {}).setdefault(measure, {}).setdefault(kind, []).append(value)

    def values(self, part, measure, kind):
        return self.rounds.get(part, {}).get(measure, {}).get(kind, [])

    def median(self, part, measure, kind):
        values = self.values(part, measure, kind)
        return median(values) if values else None

    def best(self, part, measure, handicapped):
        """The best peer that is not slow by a rule of its own: (name, value)."""
        there = {peer: self.median(part, measure, peer) for peer in PEERS if (peer, measure) not in handicapped}
        there = {peer: value for peer, value in there.items() if value is not None}
        return min(there.items(), key=lambda item: item[1]) if there else (None, None)

    def save(self, path):
        path.write_text(json.dumps(self.rounds, indent=1))


def cell(results, part, measure, unit, kind, handicapped):
    values = results.values(part, measure, kind)
    if not values:
        return ""
    text = shown(median(values), unit)
    spread = (max(values) - min(values)) / 2
    if unit == "ms" and spread * 1000 >= 0.01:
        text += f" ± {shown(spread, unit)}"
    return f"({text})" if (kind, measure) in handicapped else text


def table(results, part, rows, handicapped):
    lines = ["| | no supervisor | **pinfold** | " + " | ".join(PEERS) + " | to the best |", "|---" * (len(PEERS) + 4) + "|"]
    for measure, words, unit in rows:
        cells = [cell(results, part, measure, unit, kind, handicapped) for kind in ("floor", "pinfold", *PEERS)]
        if not any(cells):
            continue
        ours, (_, best) = results.median(part, measure, "pinfold"), results.best(part, measure, handicapped)
        ratio = f"**{ours / best:.2f}**" if ours is not None and best and unit else ""
        lines.append(f"| {words} | " + " | ".join(cells) + f" | {ratio} |")
    return "\n".join(lines)


def budgets(results, handicapped):
    words = {measure: text for measure, text, _ in THOUSAND + SINGLE}
    lines = ["| | against | at most | measured | |", "|---|---|---|---|---|"]
    for part, measure, whom, most in BUDGETS:
        ours = results.median(part, measure, "pinfold")
        peer, value = results.best(part, measure, handicapped) if whom == "best" else (
            whom, results.median(part, measure, whom))
        if ours is None or not value:
            continue
        ratio = ours / value
        verdict = "met" if ratio <= most else "**missed**"
        text = words[measure] if not words[measure].startswith("–") else f"{measure.replace(' wall', '')}: down"
        text = "until all run: CPU" if measure == "start cpu" else text
        lines.append(f"| {text} | {peer} | {most:.1f} × | {ratio:.2f} × | {verdict} |")
    return "\n".join(lines)


def document(results, supervisors, curves, commands):
    """The generated part of docs/performance.md."""
    handicapped, rules = set(), []
    for kind in supervisors:
        for event, rule in kind.by_rule.items():
            handicapped |= {(kind.name, f"{event} {what}") for what in ("wall", "cpu", "own cpu")}
            rules.append(f"{kind.name} {rule}")
    parts = [
        "Times in ms, memory in kB. Medians, ± half of what lies between the least and the most of the rounds. \"To the best\": pinfold over the best "
        "peer. In brackets, and no peer's best: " + "; ".join(rules) + ".",
        "### A thousand services", table(results, "1000", THOUSAND, handicapped),
        "### A hundred services", table(results, "100", HUNDRED, handicapped),
        "### One service", table(results, "single", SINGLE, handicapped),
        "### What was promised", budgets(results, handicapped),
    ]
    if curves:
        parts += ["### From ten to thousands", curves]
    parts += [f"### {title}\n\n```\n{text.strip()}\n```" for title, text in commands]
    return "\n\n".join(parts)


def write_into(path, text):
    whole = Path(path).read_text()
    before, rest = whole.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    Path(path).write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
