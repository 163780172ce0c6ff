# SPDX-License-Identifier: Apache-2.0
"""Runs sides of a row in turn, and keeps and prints what they took. Knows nothing of cloudfs."""
import dataclasses
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


class Failed(Exception):
    """A command did not do what a measurement needs."""


@dataclasses.dataclass
class Sample:
    """What one run took: seconds on the clock, seconds of CPU, peak resident KiB (0: not asked)."""
    wall: float
    cpu: float = 0.0
    rss: int = 0


@dataclasses.dataclass
class Side:
    """One contender of a row. RUN gives a Sample; the others are not timed.

    SETUP and CLEANUP surround each run; FINISH removes what the runs left behind, when no other run
    can suffer from it: ext4 avoids inodes that were freed within some minutes, one by one, so that
    files made soon after many were removed cost several times as much."""
    name: str
    run: object
    setup: object = None
    cleanup: object = None
    finish: object = None


@dataclasses.dataclass
class Row:
    """One line of the table. The first side is cloudfs; GOAL is (text, check of the samples' medians)."""
    key: str
    title: str
    sides: list
    repeat: int = 0  # at most so many runs; 0: what the caller asks for
    goal: str = ""


def command(argv, stdin=None, check=True):
    """Runs ARGV without timing it; its stdout as text."""
    done = subprocess.run(argv, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if check and done.returncode:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def timed(*commands, memory=False, stdin=None):
    """Runs the commands one after the other; the Sample of all. Output goes to files, not to us.

    With MEMORY, through time(1), whose fork costs a millisecond: our own size would otherwise be the least
    that the kernel reports for a child."""
    rss = 0
    with tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile("r") as peak:
        cpu, start = 0.0, time.perf_counter()
        for argv in commands:
            argv = ["time", "-f", "%M", "-o", peak.name] + argv if memory else argv
            child = subprocess.Popen(argv, stdin=stdin or subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=err, close_fds=False)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            cpu += usage.ru_utime + usage.ru_stime
            if child.returncode:
                err.seek(0)
                text = err.read().decode(errors="replace").strip()[-400:]
                raise Failed(f"{' '.join(argv)}: status {child.returncode}: {text}")
            if memory:
                rss = max(rss, int(peak.read().split()[-1]))
                peak.seek(0)
        wall = time.perf_counter() - start
    return Sample(wall, cpu, rss)


def run_side(side):
    """One run of one side; cleans up whatever happens."""
    try:
        if side.setup:
            side.setup()
        os.sync()
        return side.run()
    finally:
        if side.cleanup:
            side.cleanup()


def run_row(row, repeat):
    """Runs the sides in turn, A B A B; {side: {"samples": [...]} or {"failed": text}}."""
    result = {side.name: {"samples": []} for side in row.sides}
    for _ in range(min(repeat, row.repeat or repeat)):
        for side in row.sides:
            mine = result[side.name]
            if "failed" in mine:
                continue
            try:
                mine["samples"].append(dataclasses.asdict(run_side(side)))
            except (Failed, OSError, ValueError) as e:
                mine["failed"] = str(e)
                print(f"bench: {row.key}: {side.name} failed: {e}", file=sys.stderr)
    return result


def median(side, what):
    values = [s[what] for s in side.get("samples", [])]
    return statistics.median(values) if values and "failed" not in side else None


# --- directories -------------------------------------------------------------------------------------

def remove(path):
    if os.path.lexists(path):
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


class Fresh:
    """Directories of one use, a new one for each run; removed at the end."""

    def __init__(self, bench, name):
        self.pattern, self.number = f"{bench.run}/{name}", 0
        self.bench, self.path = bench, None

    def next(self):
        self.number += 1
        self.path = f"{self.pattern}-{self.number}"
        self.remove(self.path)

    def next_peer(self):
        self.next()
        os.makedirs(f"{self.path}/root")

    def remove(self, path):
        # containers/storage leaves its own directory mounted on itself.
        subprocess.run(["umount", f"{path}/root/overlay"], stderr=subprocess.DEVNULL)
        remove(path)

    def finish(self):
        for n in range(1, self.number + 1):
            self.remove(f"{self.pattern}-{n}")


# --- the machine --------------------------------------------------------------------------------------

def first_line(argv):
    if not shutil.which(argv[0]):
        return None
    try:
        lines = command(argv).strip().splitlines()
        return next((line for line in lines if line.startswith(argv[0])), lines[0])
    except (Failed, IndexError):
        return None


def cpu_model():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def os_name():
    try:
        with open("/etc/os-release") as f:
            fields = dict(line.rstrip().split("=", 1) for line in f if "=" in line)
        return fields.get("PRETTY_NAME", "Linux").strip('"')
    except OSError:
        return "Linux"


def machine_facts(directory, cloudfs, peers=("buildah", "podman", "skopeo", "umoci", "docker-registry")):
    """(name, value) of what the figures depend on."""
    fs = command(["stat", "-f", "-c", "%T", directory]).strip()
    df = command(["df", "--output=fstype", directory]).split()[-1]
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) / (1 << 20)
    facts = [
        ("system", f"{os_name()}, Linux {platform.release()}"),
        ("processor", f"{os.cpu_count()} x {cpu_model()}, {memory:.0f} GiB of memory"),
        ("file system", df if df != "-" else fs),
        ("cloudfs", first_line([cloudfs, "version"]) or "not built"),
    ]
    for peer in peers:
        facts.append((peer, first_line([peer, "--version"]) or "not installed"))
    return facts


# --- what is kept and printed -------------------------------------------------------------------------

def load_results(path):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def save_results(path, results):
    with open(path + ".new", "w") as f:
        json.dump(results, f, indent=1)
    os.rename(path + ".new", path)


def record(results, row, sides, load):
    results[row.key] = {
        "title": row.title, "goal": row.goal, "sides": sides, "load": load,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
    }


def seconds(value):
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value:.2f} s"


def spread(side):
    values = [s["wall"] for s in side.get("samples", [])]
    return f"{seconds(min(values))} .. {seconds(max(values))}" if values else "-"


def peak(side):
    values = [s["rss"] for s in side.get("samples", []) if s["rss"]]
    return f"{max(values) / 1024:.0f} MiB" if values else "-"


def ratio(mine, other):
    return f"{other / mine:.1f}" if mine and other else "-"


def time_table(results, order):
    """The rows that are times, a line a side, as Markdown."""
    lines = ["| work | by | median | least .. most | CPU | peak memory | times cloudfs | goal |",
             "|---|---|---|---|---|---|---|---|"]
    for key in order:
        row = results.get(key)
        if not row or "sides" not in row:
            continue
        mine = median(row["sides"].get("cloudfs", {}), "wall")
        for i, (name, side) in enumerate(row["sides"].items()):
            wall, cpu = median(side, "wall"), median(side, "cpu")
            title, goal = (row["title"], row["goal"]) if i == 0 else ("", "")
            shown = "failed" if "failed" in side else seconds(wall)
            lines.append(f"| {title} | {name} ({len(side['samples'])}) | {shown} | {spread(side)} | {seconds(cpu)} | "
                         f"{peak(side)} | {ratio(mine, wall) if name != 'cloudfs' else ''} | {goal} |")
    return lines


def fact_table(results, order):
    """The rows that are single figures, as Markdown."""
    lines = ["| what | figure | goal |", "|---|---|---|"]
    for key in order:
        for what, figure, goal in results.get(key, {}).get("facts", []):
            lines.append(f"| {what} | {figure} | {goal} |")
    return lines if len(lines) > 2 else []


def markdown(results, order, facts):
    dates = sorted({r["date"] for r in results.values()}) or ["-"]
    loads = [r["load"] for r in results.values() if r.get("load") is not None]
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    lines = [f"Measured on {when}; load average before a row {min(loads):.1f} to {max(loads):.1f}." if loads
             else f"Measured on {when}.", "", "| the machine | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts]
    lines += [""] + time_table(results, order)
    single = fact_table(results, order)
    return "\n".join(lines + ([""] + single if single else [])) + "\n"


def update_document(path, text, section="results"):
    """Puts TEXT between the two marks of that section of the document."""
    begin, end = f"<!-- {section}: begin -->\n", f"<!-- {section}: end -->\n"
    with open(path) as f:
        old = f.read()
    if begin not in old or end not in old:
        raise Failed(f"{path}: has no marks for the results")
    head, tail = old.split(begin)[0], old.split(end)[1]
    with open(path, "w") as f:
        f.write(head + begin + text + end + tail)
