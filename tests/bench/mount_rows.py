# SPDX-License-Identifier: Apache-2.0
"""The mounted filesystem beside kernel overlayfs and fuse-overlayfs: rows, goals, tables. Run through mount.sh."""
import argparse
import os
import statistics
import subprocess
import sys
import time

from harness import Failed, command, load_results, machine_facts, save_results, seconds, update_document
from mounts import ENGINES, LAYERS, Data, remove

OVERLAY, PEER, OURS = "overlayfs", "fuse-overlayfs", "cloudfs"
KERNEL_GOAL = 1.1  # of the kernel engine, each row


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("3\n")


class Run:
    """One engine's mount, and the times that its steps took."""

    def __init__(self, bench, engine, state):
        self.data, self.engine, self.state = bench.data, engine, state
        self.io_bin, self.mnt, self.times = bench.io_bin, f"{state}/mnt", {}

    def step(self, key, work):
        """WORK() is timed, unless it returns seconds itself. What fails is noted, and the next step goes on."""
        os.sync()
        try:
            start = time.perf_counter()
            took = work()
            self.times[key] = time.perf_counter() - start if took is None else took
        except (Failed, OSError, ValueError) as e:
            self.times[key] = e.strerror if isinstance(e, OSError) and e.strerror else str(e)

    def shell(self, text):
        def work():
            done = subprocess.run(["sh", "-c", text, "sh", self.mnt], cwd=self.state, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                raise Failed(done.stderr.strip()[-200:] or f"status {done.returncode}")
        return work

    def io(self, *args):
        return lambda: float(command([self.io_bin, *map(str, args)]))


# --- what is done in a fresh mount ---------------------------------------------------------------------

def find(run):
    drop_caches()
    run.step("find-first", run.shell('exec find "$1/walk"'))
    run.step("find-again", run.shell('exec find "$1/walk"'))


def stat(run):
    drop_caches()
    run.step("stat-first", run.shell('exec find "$1/walk" -size +1000000'))
    run.step("stat-again", run.shell('exec find "$1/walk" -size +1000000'))


def cat(run):
    with open(f"{run.state}/list", "wb") as f:
        for base, _, files in sorted(os.walk(f"{run.data.plain}/small")):
            for name in sorted(files):
                path = run.mnt + os.path.join(base, name)[len(run.data.plain):]
                f.write(path.encode() + b"\0")
    drop_caches()
    run.step("cat-first", run.shell("exec xargs -0 -a list cat"))
    run.step("cat-again", run.shell("exec xargs -0 -a list cat"))


def read(run):
    big, count = f"{run.mnt}/big", run.data.big >> 17
    drop_caches()
    run.step("read-cold", run.io("read", big))
    run.step("read-warm", run.io("read", big))
    run.step("randread-warm", run.io("randread", big, 8 * count))
    drop_caches()
    run.step("randread-cold", run.io("randread", big, count))


def write(run):
    new, count = f"{run.mnt}/new", run.data.big >> 14
    run.step("write", run.io("write", new, run.data.big))
    run.step("randwrite", run.io("randwrite", new, count))
    run.step("write-sync", run.io("write-sync", f"{run.mnt}/synced", run.data.big))


def untar(run):
    run.step("untar", run.shell(f'mkdir "$1/new" && exec tar -C "$1/new" -xf "{run.data.top}/small.tar"'))


def untar_remove(run):
    run.step("remove", run.shell('exec rm -r "$1/new"'))


def chmod(run):
    drop_caches()
    run.step("chmod-many", run.shell('exec chmod -R g+w "$1/chmod"'))
    os.stat(f"{run.mnt}/big")
    run.step("chmod-big", lambda: os.chmod(f"{run.mnt}/big", 0o600))
    os.stat(f"{run.mnt}/many")
    run.step("rename-dir", lambda: os.rename(f"{run.mnt}/many", f"{run.mnt}/moved"))


def append(run):
    def work():
        fd = os.open(f"{run.mnt}/big", os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, b"x")
        finally:
            os.close(fd)

    os.stat(f"{run.mnt}/big")
    run.step("append", work)


def mix(run):
    with open(f"{run.state}/list", "w") as f:
        for base, _, files in os.walk(f"{run.data.plain}/small"):
            f.writelines(run.mnt + os.path.join(base, name)[len(run.data.plain):] + "\n" for name in files)
    os.mkdir(f"{run.mnt}/mix")
    run.step("mix", run.io("mix", f"{run.mnt}/mix", 100 if run.data.quick else 500, f"{run.state}/list"))


class Scene:
    """Steps that share a mount. LATER runs when all engines did all runs of the first part, in the same mounts."""

    def __init__(self, work, keys, later=None):
        self.work, self.keys, self.later = work, keys, later


SCENES = [
    Scene(untar, ["untar", "remove"], untar_remove),
    Scene(mix, ["mix"]),
    Scene(find, ["find-first", "find-again"]),
    Scene(stat, ["stat-first", "stat-again"]),
    Scene(cat, ["cat-first", "cat-again"]),
    Scene(read, ["read-cold", "read-warm", "randread-cold", "randread-warm"]),
    Scene(chmod, ["chmod-many", "chmod-big", "rename-dir"]),
    Scene(append, ["append"]),
    Scene(write, ["write", "randwrite", "write-sync"]),
]


def mount_keys():
    return [f"mount-{n}" for n in LAYERS]


# --- the rows and their goals ---------------------------------------------------------------------------

def titles(data):
    n, mb = lambda x: f"{x:,}", f"{data.big >> 20:,} MiB"
    return {
        "find-first": f"first find of {n(data.walk)} entries, cold caches", "find-again": "the same, again",
        "stat-first": f"first stat walk of {n(data.walk)} entries, cold caches", "stat-again": "the same, again",
        "cat-first": f"cat of {n(data.small)} small files, cold caches", "cat-again": "the same, again",
        "read-cold": f"read {mb}, cold", "read-warm": "the same, again",
        "randread-cold": f"{n(data.big >> 17)} random reads of 4 KiB, cold",
        "randread-warm": f"{n(data.big >> 14)} random reads of 4 KiB, warm",
        "write": f"write {mb}", "randwrite": f"{n(data.big >> 14)} random writes of 4 KiB",
        "write-sync": f"write {mb} and fdatasync",
        "untar": f"untar of {n(data.small)} files", "remove": "rm -r of them",
        "chmod-many": f"chmod -R of {n(data.chmod)} lower files", "chmod-big": f"chmod of a lower file of {mb}",
        "append": f"append a byte to a lower file of {mb}", "rename-dir": f"rename of a lower directory of {n(data.many)} files",
        "mix": "8 writers and 8 readers at once",
        **{f"mount-{layers}": f"mount of {layers} layer{'s' * (layers > 1)}" for layers in LAYERS},
    }


# Key: (at most so many times overlayfs, at least so many times faster than fuse-overlayfs, at most seconds).
GOALS = {
    "find-first": (1, 5, None), "find-again": (1, 1, None), "stat-first": (1, 5, None), "stat-again": (1, 1, None),
    "cat-first": (1.5, 2, None), "cat-again": (1.2, 2, None),
    "read-cold": (1.05, 2, None), "read-warm": (1.05, None, None),
    "randread-cold": (1.05, None, None), "randread-warm": (1.05, None, None),
    "write": (1.1, 3, None), "randwrite": (1.1, 3, None), "write-sync": (None, None, None),
    "untar": (3, 4, None), "remove": (3, 4, None), "chmod-many": (1, 1, None),
    "chmod-big": (None, None, 0.001), "rename-dir": (None, None, 0.001), "append": (1, 1, None),
    "mix": (1.5, 3, None), **{key: (1, None, None) for key in mount_keys()},
}


def median(samples):
    """The median of times; None where a run failed or none was made."""
    return statistics.median(samples) if samples and all(isinstance(s, float) for s in samples) else None


def yes(reached):
    return "yes" if reached else "**no**"


def judged(key, times):
    """(goal, whether reached) of the FUSE engine."""
    over, peer, limit = GOALS[key]
    ours, goals, reached = times.get(OURS), [], []
    if over and times.get(OVERLAY):
        goals.append(f"{over:g} times overlayfs" if over > 1 else "overlayfs")
        reached.append(ours is not None and ours <= over * times[OVERLAY])
    if peer and times.get(PEER):
        goals.append(f"{peer:g} times faster than fuse-overlayfs" if peer > 1 else "fuse-overlayfs")
        reached.append(ours is not None and ours * peer <= times[PEER])
    if limit:
        goals.append(f"under {seconds(limit)}")
        reached.append(ours is not None and ours < limit)
    return "; ".join(goals), ", ".join(map(yes, reached))


def ratio(a, b):
    return f"{a / b:.2f}" if a and b else "-"


def cell(samples):
    value = median(samples)
    if value is not None:
        return f"{value * 1e6:.0f} us" if value < 0.001 else seconds(value)
    return "failed" if samples else "-"


def failures(results, data):
    """What failed, a line each."""
    said = {}
    for key, title in titles(data).items():
        for name, samples in results.get(key, {}).get("samples", {}).items():
            for text in {str(s).strip().replace("|", "/") for s in samples if not isinstance(s, float)}:
                said.setdefault((name, text), []).append(key)
    return [""] * bool(said) + [f"* {name}: {text} ({', '.join(keys) if len(keys) < 6 else f'{len(keys)} rows'})"
                                for (name, text), keys in said.items()]


def time_table(results, names, data):
    kernel = ENGINES[-1].name
    lines = ["| work | " + " | ".join(names) + " | times overlayfs | fuse-overlayfs takes | goal | reached | "
             "kernel engine, times overlayfs | within 1.1 |",
             "|---|" + "---|" * (len(names) + 6)]
    for key, title in titles(data).items():
        row = results.get(key)
        if not row:
            continue
        times = {name: median(samples) for name, samples in row["samples"].items()}
        ours, over = times.get(OURS), times.get(OVERLAY)
        goal, reached = judged(key, times)
        within = yes(times[kernel] <= KERNEL_GOAL * over) if times.get(kernel) and over else "-"
        lines.append(f"| {title} | " + " | ".join(cell(row["samples"].get(n, [])) for n in names) +
                     f" | {ratio(ours, over)} | {ratio(times.get(PEER), ours)} | {goal} | {reached or '-'} | "
                     f"{ratio(times.get(kernel), over)} | {within} |")
    return lines


def memory_table(results, data):
    row = results.get("memory")
    if not row:
        return []
    lines = ["", f"| after a stat walk of {row['files']:,} files | resident | of that its own | the walk | goal | reached |",
             "|---|---|---|---|---|---|"]
    peer = row["samples"].get(PEER, {}).get("rss")
    for name, said in row["samples"].items():
        if "failed" in said:
            lines.append(f"| {name} | {said['failed']} | | | | |")
            continue
        goal = reached = ""
        if name == OURS:
            goal = "under 150 MiB; under half of fuse-overlayfs"
            reached = ", ".join([yes(said["rss"] < 150 << 10)] + ([yes(2 * said["rss"] < peer)] if peer else []))
        lines.append(f"| {name} | {said['rss'] / 1024:.0f} MiB | {said['anon'] / 1024:.0f} MiB | "
                     f"{seconds(said['walk'])} | {goal} | {reached} |")
    return lines


def markdown(results, data, facts, names):
    rows = [r for r in results.values() if "date" in r]
    loads, runs = [r["load"] for r in rows], max((r.get("runs", 1) for r in rows), default=0)
    lines = [f"Measured on {max(r['date'] for r in rows)} with `{'--quick' if data.quick else '--full'}`; medians of "
             f"{runs} runs in turns; load average before a row {min(loads):.1f} to {max(loads):.1f}.", "",
             "| the machine | |", "|---|---|"] + [f"| {name} | {value} |" for name, value in facts] + [""]
    return "\n".join(lines + time_table(results, names, data) + failures(results, data) +
                     memory_table(results, data)) + "\n"


# --- running --------------------------------------------------------------------------------------------

class Bench:
    def __init__(self, data, io_bin, engines, runs):
        self.data, self.io_bin, self.runs, self.number = data, io_bin, runs, 0
        self.engines = [engine for engine in engines if not self.left_out(engine)]
        self.work = f"{data.top}/run"
        remove(self.work)
        os.makedirs(self.work)

    @staticmethod
    def left_out(engine):
        why = engine.available()
        if why:
            print(f"bench: {engine.name} is left out: {why}", file=sys.stderr)
        return why

    def fresh(self, engine, image="plain"):
        self.number += 1
        run = Run(self, engine, f"{self.work}/{self.number}")
        os.makedirs(run.state)
        engine.mount(run.state, image)
        return run

    def turn(self, number):
        """Another begins each time: what one leaves to the disk is not always the same other's to wait for."""
        first = number % len(self.engines)
        return self.engines[first:] + self.engines[:first]

    def scene(self, scene):
        """{key: {engine: samples}}, the engines in turns."""
        samples = {key: {engine.name: [] for engine in self.engines} for key in scene.keys}
        held = []
        try:
            for turn in range(self.runs):
                for engine in self.turn(turn):
                    self.one(scene, engine, samples, held)
            for run in held:
                scene.later(run)
                self.note(run, samples)
        finally:
            for run in held:
                run.engine.umount(run.state)
            self.clean()
        return samples

    def one(self, scene, engine, samples, held):
        try:
            run = self.fresh(engine)
        except (Failed, OSError) as e:
            for key in scene.keys:
                samples[key][engine.name].append(str(e))
            return
        try:
            scene.work(run)
        except (Failed, OSError) as e:
            for key in scene.keys:
                run.times.setdefault(key, str(e))
        self.note(run, samples)
        if scene.later:
            held.append(run)
        else:
            engine.umount(run.state)

    @staticmethod
    def note(run, samples):
        for key, took in run.times.items():
            samples[key][run.engine.name].append(took)
            if not isinstance(took, float):
                print(f"bench: {key}: {run.engine.name}: {took}", file=sys.stderr)
        run.times = {}

    def clean(self):
        for engine in self.engines:
            engine.clean()
        remove(self.work)
        os.makedirs(self.work)

    def mounts(self):
        """Mounts of 1, 50 and 500 layers, until the first file is read."""
        samples = {key: {engine.name: [] for engine in self.engines} for key in mount_keys()}
        for turn in range(3 * self.runs):
            for layers, key in zip(LAYERS, mount_keys()):
                for engine in self.turn(turn):
                    self.number += 1
                    state = f"{self.work}/{self.number}"
                    try:
                        took = engine.mount(state, f"layers-{layers}")
                        start = time.perf_counter()
                        with open(f"{state}/mnt/d1/f1") as f:
                            f.read()
                        samples[key][engine.name].append(took + time.perf_counter() - start)
                    except (Failed, OSError) as e:
                        samples[key][engine.name].append(str(e))
                    engine.umount(state)
        self.clean()
        return samples

    def memory(self):
        self.data.make_million()
        said = {}
        for engine in self.engines:
            if engine.name not in (PEER, OURS):
                continue
            try:
                run = self.fresh(engine, "million")
                run.step("walk", run.shell('exec find "$1" -type f -size +9'))
                rss, anon = engine.memory(run.state)
                said[engine.name] = {"rss": rss, "anon": anon, "walk": run.times["walk"]}
            except (Failed, OSError, TypeError) as e:
                said[engine.name] = {"failed": str(e)}
            engine.umount(f"{self.work}/{self.number}")
        self.clean()
        return said

    def run_rows(self, wanted, results, save):
        def keep(rows, **more):
            for key, samples in rows.items():
                results[key] = {"samples": samples, "load": load, "runs": self.runs,
                                "date": time.strftime("%Y-%m-%d", time.gmtime()), **more}
            save(results)

        for scene in SCENES:
            if not wanted or set(scene.keys) & set(wanted):
                load = os.getloadavg()[0]
                print(f"bench: {' '.join(scene.keys)}", file=sys.stderr)
                keep(self.scene(scene))
        if not wanted or set(mount_keys()) & set(wanted):
            load = os.getloadavg()[0]
            print(f"bench: {' '.join(mount_keys())}", file=sys.stderr)
            keep(self.mounts())
        if not wanted or "memory" in wanted:
            load = os.getloadavg()[0]
            print("bench: memory", file=sys.stderr)
            keep({"memory": self.memory()}, files=self.data.million_files)


def options(argv):
    p = argparse.ArgumentParser(prog="mount.sh", description="Measures mounted filesystems side by side.")
    p.add_argument("rows", nargs="*", metavar="ROW", help="rows to run (default: all; rows of one mount run together)")
    p.add_argument("-n", "--runs", type=int, help="runs of each (default 5; 3 with --quick)")
    p.add_argument("--quick", action="store_true", help="on small data")
    p.add_argument("--full", action="store_true", help="on data of the size of the goals (default)")
    p.add_argument("--only", action="append", metavar="ENGINE", help="only this one: overlayfs, fuse-overlayfs, "
                   "cloudfs, kernel (repeatable)")
    p.add_argument("--list", action="store_true", help="list the rows")
    p.add_argument("--doc", metavar="FILE", help="put the tables into this document, between its marks")
    return p.parse_args(argv)


def main(argv):
    opts = options(argv)
    directory, cloudfs = os.path.abspath(os.environ["BENCH_DIR"]), os.path.abspath(os.environ["CLOUDFS"])
    data = Data(directory, cloudfs, opts.quick)
    known = {**titles(data), "memory": f"resident memory after a stat walk of {data.million_files:,} files"}
    if opts.list:
        print("\n".join(f"{key:14} {title}" for key, title in known.items()))
        return 0
    unknown = [r for r in opts.rows if r not in known]
    if unknown:
        print(f"mount.sh: no row {unknown[0]}; there are: {' '.join(known)}", file=sys.stderr)
        return 2
    engines = [e(data) for e in ENGINES if not opts.only or e.name in opts.only or e.name.split()[-2:-1] == ["kernel"]
               and "kernel" in opts.only]
    data.make()
    data.make_store()
    path = f"{data.top}/results.json"
    results = load_results(path) if opts.rows else {}
    bench = Bench(data, os.environ["BENCH_IO"], engines, opts.runs or (3 if opts.quick else 5))
    start = time.time()
    bench.run_rows(opts.rows, results, lambda now: save_results(path, now))
    facts = machine_facts(directory, cloudfs, ("fuse-overlayfs",))
    text = markdown(results, data, facts, [e.name for e in ENGINES])
    with open(f"{data.top}/results.md", "w") as f:
        f.write(text)
    print(text)
    print(f"bench: {time.time() - start:.0f} s", file=sys.stderr)
    if opts.doc:
        update_document(opts.doc, text, "mounts")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
