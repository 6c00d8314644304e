#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Computes what `agentcg characterize` does, from the same files, in another way, and compares.

usage: characterize.py FIGURES.json TRACE...    the JSON that agentcg gave for these traces, in this order
"""
import bisect
import json
import math
import re
import statistics
import sys

MB = 1024 * 1024
CLASSES = {
    "test": r"(^|[;&|(]|\s)(python[0-9.]* -m (pytest|unittest)|pytest|py\.test|tox|nosetests|ctest"
            r"|(npm|yarn|pnpm|go|cargo|make|mvn|gradle) (run )?(test|check))\b",
    "install": r"\b((pip[0-9.]*|npm|yarn|pnpm|conda|mamba|poetry|uv|apt|apt-get|gem|cargo|brew|go)( pip)?"
               r" (-\S+ )*(install|add|sync|get|ci)|setup\.py (install|develop))\b",
    "build": r"(^|[;&|(]|\s)(make|cmake|ninja|gcc|g\+\+|clang|javac|tsc|meson|bazel"
             r"|(cargo|npm run|go|docker|mvn|gradle) build|python[0-9.]* -m build|python[0-9.]* setup\.py build)\b",
    "git": r"(^|[;&|(]\s*)git\b",
    "files": r"^\s*(cd \S+ *&& *)?(ls|cat|head|tail|find|grep|rg|sed|awk|wc|tree|cp|mv|rm|mkdir|touch|diff|pwd"
             r"|stat|du|file|sort|chmod|echo|which)\b",
}


def rank(numbers, percent):
    """The nearest-rank percentile."""
    if not numbers:
        return 0
    return sorted(numbers)[max(math.ceil(len(numbers) * percent / 100), 1) - 1]


def summary(numbers):
    return {"count": len(numbers), "p50": rank(numbers, 50), "p95": rank(numbers, 95), "max": max(numbers, default=0)}


def written(command):
    """Without what leads up to the command itself: cd, source, a shell around it."""
    while True:
        inner = re.sub(r"^\s*(cd|source|\.|pushd) (\"[^\"]*\"|'[^']*'|[^\s;&]+)\s*(2>/dev/null)?\s*(\|\| true)?\s*(&&|;)", "",
                       command)
        inner = re.sub(r"""^\s*(?:/bin/|/usr/bin/)?(?:ba)?sh -l?c (["'])(.*)\1\s*$""", r"\2", inner, flags=re.S)
        if inner == command:
            return command.strip()
        command = inner


def class_of(command):
    command = written(command)
    for name, pattern in CLASSES.items():
        if re.search(pattern, command):
            return name
    return "other"


class Trace:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        self.name = data["task"]
        self.samples = sorted((time, memory * MB, cpu / 100) for time, memory, cpu in data["samples"])
        self.calls = sorted(data["calls"], key=lambda call: call["start"])
        self.commands = [call for call in self.calls if call["tool"] == "Bash"]
        self.memory = [sample[1] for sample in self.samples]

    def memory_at(self, time):
        at = bisect.bisect_right(self.samples, (time, math.inf))
        before = self.samples[:at]
        after = self.samples[bisect.bisect_left(self.samples, (time,)):]
        if not before or not after:
            return (after or before[-1:])[0][1]
        if after[0][0] == before[-1][0]:
            return after[0][1]
        share = (time - before[-1][0]) / (after[0][0] - before[-1][0])
        return before[-1][1] * (1 - share) + after[0][1] * share

    def duration(self):
        return max([self.samples[-1][0]] + [call["end"] for call in self.calls])

    def in_tools(self):
        """By the moments at which something begins or ends, instead of merging intervals."""
        moments = sorted({moment for call in self.calls for moment in (call["start"], call["end"])})
        covered = sum(end - start for start, end in zip(moments, moments[1:])
                      if any(call["start"] <= start and call["end"] >= end for call in self.calls))
        return covered / self.duration()

    def baseline(self):
        quiet = [memory for time, memory, _ in self.samples
                 if not any(call["start"] <= time <= call["end"] for call in self.calls)]
        return rank(quiet or self.memory, 50)

    def bursts(self):
        threshold = self.baseline() * 1.25
        high = "".join("x" if memory > threshold else "." for memory in self.memory)
        last = len(self.samples) - 1
        return [self.samples[min(run.end(), last)][0] - self.samples[run.start()][0] for run in re.finditer("x+", high)]

    def rates(self, column):
        return max((abs(b[column] - a[column]) / (b[0] - a[0]) for a, b in zip(self.samples, self.samples[1:])
                    if b[0] > a[0]), default=0)

    def correlation(self):
        cpu = [sample[2] for sample in self.samples]
        spread = statistics.pstdev(self.memory) * statistics.pstdev(cpu)
        if not spread:
            return 0
        mean = statistics.fmean(m * c for m, c in zip(self.memory, cpu))
        return (mean - statistics.fmean(self.memory) * statistics.fmean(cpu)) / spread

    def limit(self, limit):
        return {"limit": limit, "wasted": statistics.fmean(max(limit - memory, 0) / limit for memory in self.memory),
                "above": sum(memory > limit for memory in self.memory) / len(self.memory)}

    def retries(self):
        groups, i = [], 0
        while i < len(self.commands):
            j = i
            while j < len(self.commands) and self.commands[j].get("command") == self.commands[i].get("command"):
                j += 1
            if j - i >= 3:
                groups.append(self.commands[i:j])
            i = j
        return {"groups": len(groups), "longest": max(map(len, groups), default=0),
                "seconds": sum(call["end"] - call["start"] for group in groups for call in group),
                "memory_left": sum(max(self.memory_at(group[-1]["end"]) - self.memory_at(group[0]["start"]), 0)
                                   for group in groups)}

    def spikes(self):
        for call in self.commands:
            start = self.memory_at(call["start"])
            inside = [memory for time, memory, _ in self.samples if call["start"] <= time <= call["end"]]
            yield class_of(call["command"]), max([start, self.memory_at(call["end"])] + inside) - start

    def figures(self):
        average = statistics.fmean(self.memory)
        return {
            "name": self.name, "calls": len(self.calls), "duration": self.duration(), "in_tools": self.in_tools(),
            "peak": max(self.memory), "average": average, "peak_to_average": max(self.memory) / average,
            "baseline": self.baseline(), "memory_rate": self.rates(1), "cpu_rate": self.rates(2),
            "correlation": self.correlation(), "burst_seconds": summary(self.bursts()),
            "static_limits": {"peak": self.limit(max(self.memory)), "p95": self.limit(rank(self.memory, 95)),
                              "average": self.limit(average)},
            "retries": self.retries(),
        }


def compare(where, got, want):
    """Yields each difference."""
    if isinstance(want, dict):
        if set(got) != set(want):
            yield f"{where}: {sorted(got)} instead of {sorted(want)}"
            return
        for key, value in want.items():
            yield from compare(f"{where}.{key}", got[key], value)
    elif isinstance(want, list):
        if len(got) != len(want):
            yield f"{where}: {len(got)} instead of {len(want)}"
        for i, (one, other) in enumerate(zip(got, want)):
            yield from compare(f"{where}[{i}]", one, other)
    elif isinstance(want, str):
        if got != want:
            yield f"{where}: {got} instead of {want}"
    elif not math.isclose(got, want, rel_tol=1e-6, abs_tol=1e-6):
        yield f"{where}: {got} instead of {want}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        got = json.load(file)
    traces = [Trace(path) for path in sys.argv[2:]]
    spikes = {name: [] for name in [*CLASSES, "other"]}
    for trace in traces:
        for name, spike in trace.spikes():
            spikes[name].append(spike)
    want = {"agents": [trace.figures() for trace in traces],
            "spike_by_class": {name: summary(numbers) for name, numbers in spikes.items()}}
    differences = list(compare("", got, want))
    print("\n".join(differences[:20]))
    print(f"{len(traces)} traces, {sum(map(len, spikes.values()))} commands, {len(differences)} differences")
    return bool(differences) or not traces


if __name__ == "__main__":
    sys.exit(main())
