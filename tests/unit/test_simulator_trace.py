"""Traces: what a file may say, what made-up ones are like, and the command line."""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from accelpool_broker.simulator import GENERATORS, Job, TraceError, generate, read_trace, write_trace
from accelpool_broker.simulator import trace as trace_module
from accelpool_broker.simulator.__main__ import main
from accelpool_broker.simulator.options import parse
from accelpool_broker.simulator.plots import find_spec
from accelpool_broker.simulator.report import duration
from accelpool_wire.installation import install_command

LINE = '{"id": "a", "submit_s": 0, "duration_s": 60'


def read(text: str) -> list[Job]:
    return read_trace(io.BytesIO(text.encode()))


def test_a_line_has_little_that_it_must_say() -> None:
    (found,) = read(LINE + "}\n\n")
    assert found == Job(id="a", submit_s=0.0, duration_s=60.0)
    assert (found.tenant, found.count, found.busy, found.work_s) == ("default", 1, 1.0, 60.0)


@pytest.mark.parametrize(
    ("line", "field", "told"),
    [
        (LINE, "", "it is no JSON"),
        ("[]", "", "Expected `object`"),
        ('{"id": "a", "submit_s": 0}', "duration_s", "missing required field"),
        (LINE + ', "gpus": 2}', "gpus", "unknown field"),
        (LINE + ', "count": 0}', "count", ">= 1"),
        (LINE + ', "count": 1.5}', "count", "Expected `int`"),
        (LINE + ', "busy": 1.1}', "busy", "<= 1"),
        (LINE + ', "kind": "tpu"}', "kind", "Invalid enum value"),
        (LINE + ', "compute": 0}', "compute", "> 0"),
        (LINE + ', "memory_bytes": 1, "memory_fraction": 0.5}', "memory_fraction", "memory_bytes is given"),
        (LINE + ', "max_duration_s": 1e999}', "max_duration_s", "out of range"),
        (LINE + "}\n" + LINE + "}", "id", "earlier job 'a'"),
    ],
)
def test_what_is_malformed_is_told_with_its_line_and_field(line: str, field: str, told: str) -> None:
    with pytest.raises(TraceError) as caught:
        read("\n" + line)
    assert (caught.value.line, caught.value.field) == (2 + line.count("\n"), field)
    assert told in str(caught.value)


def test_a_trace_without_jobs_is_none() -> None:
    with pytest.raises(TraceError, match="it has no jobs"):
        read("\n")


def test_lines_and_traces_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TraceError, match="line 1: it is longer than 16384 bytes"):
        read(" " * 16385 + LINE + "}")
    monkeypatch.setattr(trace_module, "MAX_JOBS", 1)
    with pytest.raises(TraceError, match="more than 1 jobs"):
        read(LINE + "}\n" + LINE.replace('"a"', '"b"') + "}")


@pytest.mark.parametrize("name", GENERATORS)
def test_made_up_traces_come_from_their_seed_alone_and_survive_a_file(name: str) -> None:
    jobs = generate(name, jobs=200, hours=24.0, seed=7)
    file = io.BytesIO()
    write_trace(jobs, file)
    file.seek(0)
    assert read_trace(file) == jobs == generate(name, jobs=200, hours=24.0, seed=7)
    assert generate(name, jobs=200, hours=24.0, seed=8) != jobs


def test_ci_jobs_are_as_published() -> None:
    jobs = generate("ci", jobs=20_000, hours=24.0, seed=1)
    durations = [found.duration_s for found in jobs]
    assert statistics.median(durations) == pytest.approx(198.0, rel=0.05)
    assert sum(found < 600 for found in durations) / len(jobs) == pytest.approx(0.8, abs=0.02)
    assert statistics.median(found.busy for found in jobs) == pytest.approx(0.015, rel=0.1)
    assert statistics.fmean(found.busy for found in jobs) == pytest.approx(0.09, abs=0.02)
    assert sum(found.busy >= 0.5 for found in jobs) / len(jobs) == pytest.approx(0.05, abs=0.01)
    by_day = sum(8 <= found.submit_s / 3600 < 20 for found in jobs) / len(jobs)
    assert by_day == pytest.approx(0.77, abs=0.03)
    assert 0.7 < top_two(jobs) < 0.84


def test_training_jobs_are_as_published() -> None:
    jobs = generate("training", jobs=20_000, hours=168.0, seed=1)
    durations = [found.duration_s for found in jobs]
    assert statistics.median(durations) == pytest.approx(206.0, rel=0.1)
    assert statistics.fmean(durations) == pytest.approx(5000.0, rel=0.25)
    assert statistics.fmean(found.busy for found in jobs) == pytest.approx(0.52, abs=0.02)
    assert sum(found.count == 1 for found in jobs) / len(jobs) == pytest.approx(0.75, abs=0.02)
    assert 0.7 < top_two(jobs) < 0.84


def top_two(jobs: list[Job]) -> float:
    """Return the part of the jobs that is of the two tenants with the most."""
    counts: dict[str, int] = {}
    for found in jobs:
        counts[found.tenant] = counts.get(found.tenant, 0) + 1
    return sum(sorted(counts.values())[-2:]) / len(jobs)


# ---- the command line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "either a TRACE or --generate"),
        (["t", "--generate", "ci"], "either a TRACE or --generate"),
        (["t", "--write", "x"], "--write needs --generate"),
        (["t", "--policy", "best"], "a policy is one of exclusive, ours"),
        (["t", "--policy", "ours:0"], "from 1 to 10000"),
        (["t", "--memory", "16 pounds"], "memory is bytes"),
        (["t", "--weight", "a"], "TENANT=WEIGHT"),
        (["t", "--grace", "nan"], "it is a number"),
    ],
)
def test_options_that_make_no_sense_are_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


def test_a_malformed_trace_ends_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(LINE)
    assert main([str(file), "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["type"] == "trace"
    assert printed.err.startswith("accelpool simulate: line 1: it is no JSON")


def test_a_picture_without_its_packages_is_refused_with_the_command_that_installs_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelpool_broker.simulator.plots.find_spec", lambda name: None)
    arguments = ["--generate", "ci", "--plot"]
    assert main([*arguments, str(tmp_path / "x.png")]) == 5
    assert install_command("plots") in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "x.txt")]) == 2
    assert main([*arguments, str(tmp_path / "none" / "x.png")]) == 2


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
@pytest.mark.parametrize(("name", "start"), [("x.png", b"\x89PNG"), ("x.svg", b"<?xml")])
def test_a_picture_is_drawn(name: str, start: bytes, tmp_path: Path) -> None:
    file = tmp_path / name
    assert main(["--generate", "ci", "--jobs", "40", "--plot", str(file)]) == 0
    assert file.read_bytes().startswith(start)


def test_durations_are_told_in_a_unit_that_fits() -> None:
    told = [duration(seconds) for seconds in (0.0, 119.0, 120.0, 7200.0, 172800.0)]
    assert told == ["0.0 s", "119.0 s", "2.0 min", "2.0 h", "2.0 d"]


def test_the_command_becomes_the_simulator(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(LINE + ', "busy": 0.5}\n')
    command = [str(Path(sys.executable).with_name("accelpool")), "simulate", str(trace), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert [policy["policy"] for policy in found["policies"]] == ["exclusive", "ours"]
    assert all(policy["jobs"] == policy["done"] == 1 for policy in found["policies"])


def test_a_trace_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"accelpool simulate: {tmp_path / 'none'}: No such file or directory\n"
