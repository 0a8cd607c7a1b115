#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfmonctl metrics, as parsers that were not written here read it."""

import shutil
import subprocess

import bed
from bed import Skip, equal


def metrics(b):
    """What the parser of OpenMetrics of Prometheus' own client reads: {(name, labels): value}."""
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError as error:
        raise Skip(f"needs the Python module prometheus_client: {error}") from error
    process = b.ctl("metrics")
    equal(process.popen.returncode, 0, process.errors())
    samples = {}
    for family in text_string_to_metric_families(process.output()):
        equal(family.name.startswith("bpfmon"), True, family.name)
        equal(bool(family.documentation), True, f"help of {family.name}")
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            equal(key in samples, False, f"{key} is there already")
            samples[key] = sample.value
    return samples


def of(samples, name, **labels):
    """The sum of the samples of a name that have these labels."""
    return sum(value for (sample, have), value in samples.items()
               if sample == name and all(dict(have).get(key) == want for key, want in labels.items()))


def test_counts(b):
    """What happened is counted: by kind and result, by caller, and what there is now"""
    b.daemon()
    before = metrics(b)
    hostile = b.directory / 'a"b\\c'
    shutil.copy(bed.os.environ["TRIGGER"], hostile)
    for _ in range(3):
        equal(bed.Process(b, "hostile", [hostile, "map-create"]).wait(), 0, "exit status")
    b.trigger("prog-reject").go().truth()
    pause = b.trigger("map-create", "kept", pause=True).go()
    pause.acted()
    after = metrics(b)

    def grew(name, **labels):
        return of(after, name, **labels) - of(before, name, **labels)
    equal(grew("bpfmon_events_total", event="map-create", result="ok"), 4, "maps that were made")
    equal(grew("bpfmon_events_total", event="prog-load", result="rejected"), 1, "programs that were rejected")
    equal(grew("bpfmon_calls_total", command="MAP_CREATE", process='a"b\\c'), 3, "calls of a process with a bad name")
    equal(grew("bpfmon_call_errors_total", command="PROG_LOAD") >= 1, True, "calls that failed")
    equal(of(after, "bpfmon_objects", kind="map", type="hash") >= 1, True, "maps that are there")
    equal(of(after, "bpfmon_lost_total"), 0, "lost")
    pause.truth()


def test_promtool(b):
    """promtool of Prometheus takes it"""
    if not shutil.which("promtool"):
        raise Skip("needs promtool")
    b.daemon()
    b.trigger("map-create").go().truth()
    process = b.ctl("metrics")
    equal(process.popen.returncode, 0, process.errors())
    equal("bpfmon_events_total{" in process.output(), True, process.output())
    done = subprocess.run(["promtool", "check", "metrics"], input=process.output(), capture_output=True, text=True, check=False)
    # It reads the older format, in which the types of counters are of their samples' names: what it has to say of
    # those (status 3) is no mistake here.
    bad = [line for line in done.stderr.splitlines() if "no help text" not in line and "_total" not in line]
    equal((done.returncode in (0, 3), bad), (True, []), f"{done.returncode}: {done.stdout}{done.stderr}")


def test_refused(b):
    """Somebody who may see only what is their own gets that"""
    b.daemon()
    process = b.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", bed.os.environ["BPFMONCTL"], "metrics",
                    "--scope=all", "--no-ask-password")
    equal(process.popen.returncode, 77, f"exit status: {process.errors()}")
    equal(process.output(), "", "output")


bed.main([test_counts, test_promtool, test_refused])
