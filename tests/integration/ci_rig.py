"""What runs the CI templates on this machine: steps as GitHub's runner does, scripts as GitLab's does.

Of GitHub's expressions only what the action uses is known; anything else is an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .cli_rig import PROGRAM

DEPLOY = Path(__file__).parents[2] / "deploy"
ACTION = DEPLOY / "github" / "accelpool" / "action.yml"
TEMPLATE = DEPLOY / "gitlab" / "accelpool.yml"
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]  # `shell: bash` of a step
LIMIT_S = 120.0
CANCELS = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, LIMIT_S))  # as GitHub does
EXPRESSION = re.compile(r"\$\{\{ (\S+) \}\}")

Ready = Callable[[], object]


@dataclass
class Step:
    """How a step has ended, and what it has said."""

    code: int
    output: str


@dataclass
class Job:
    """One use of the action in a job.

    Args:
        folder: The job's working directory; its files are in a folder of it.
        variables: The job's environment.
        inputs: The action's inputs.
    """

    folder: Path
    variables: Mapping[str, str]
    inputs: Mapping[str, str]
    steps: dict[str, Step] = field(default_factory=dict)
    results: dict[str, dict[str, str]] = field(default_factory=dict)
    is_failed: bool = False

    def __post_init__(self) -> None:
        self.action: dict[str, Any] = yaml.safe_load(ACTION.read_text())
        unknown = set(self.inputs) - set(self.action["inputs"])
        assert not unknown, f"the action has no {unknown}"
        given = {name: each.get("default", "") for name, each in self.action["inputs"].items()}
        self.given = {**given, **self.inputs}
        self.temp = self.folder / "_temp"
        self.temp.mkdir()
        self.env = {**self.variables, "PATH": f"{Path(PROGRAM).parent}{os.pathsep}{self.variables['PATH']}"}
        self.env |= {"RUNNER_TEMP": str(self.temp), "RUNNER_TRACKING_ID": "github_1234"}

    def run(self, cancelled_in: str = "", once: Ready = lambda: True) -> None:
        """Run the action's steps.

        Args:
            cancelled_in: During which step somebody cancels the job, by its name.
            once: Returns once that is to happen.
        """
        for _ in self.each_step(cancelled_in, once):
            pass

    def each_step(self, cancelled_in: str = "", once: Ready = lambda: True) -> Iterator[str]:
        """Run a step and tell its name, until all have run; as `run` else."""
        for step in self.action["runs"]["steps"]:
            if self._is_due(step.get("if", "")):
                is_cancelled = step["name"] == cancelled_in
                self._run(step, once if is_cancelled else None)
                self.is_failed |= is_cancelled
            yield step["name"]

    @property
    def outputs(self) -> dict[str, str]:
        """What the action tells the steps that come after it."""
        return {name: self._expand(each["value"]) for name, each in self.action["outputs"].items()}

    def _is_due(self, condition: str) -> bool:
        terms = [term for term in condition.split(" && ") if term]
        return ("always()" in terms or not self.is_failed) and all(map(self._holds, terms))

    def _holds(self, term: str) -> bool:
        if term == "always()":
            return True
        left, right = term.split(" != ")
        return self._value(left) != right.strip("'")

    def _expand(self, text: str) -> str:
        return EXPRESSION.sub(lambda match: self._value(match[1]), text)

    def _value(self, name: str) -> str:
        first, *rest = name.split(".")
        if first == "inputs":
            return self.given[rest[0]]
        assert (first, rest[1]) == ("steps", "outputs"), name
        return self.results.get(rest[0], {}).get(rest[2], "")

    def _run(self, step: dict[str, Any], cancelled_once: Ready | None) -> None:
        assert step["shell"] == "bash"
        script, env_file, output_file = (self.temp / name for name in ("step.sh", "env", "output"))
        script.write_text(self._expand(step["run"]))
        for file in (env_file, output_file):
            file.write_text("")
        env = {**self.env, **{name: self._expand(value) for name, value in step.get("env", {}).items()}}
        process = subprocess.Popen(
            [*BASH, str(script)],
            cwd=self.folder / self._expand(step.get("working-directory", ".")),
            env={**env, "GITHUB_ENV": str(env_file), "GITHUB_OUTPUT": str(output_file)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if cancelled_once is not None:
            cancelled_once()
            cancel(process)
        output, _ = process.communicate(timeout=LIMIT_S)
        self.steps[step["name"]] = Step(process.returncode, output)
        self.is_failed |= process.returncode != 0
        self.env |= read_pairs(env_file)
        self.results[step.get("id", "")] = read_pairs(output_file)


def cancel(process: subprocess.Popen[str]) -> None:
    """End a step as GitHub's runner does: its own process gets the signals, and what it leaves is killed."""
    for number, patience_s in CANCELS:
        process.send_signal(number)
        deadline = time.monotonic() + patience_s
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is not None:
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def read_pairs(path: Path) -> dict[str, str]:
    """Return what a step has written to one of the runner's files."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


@dataclass
class Scripts:
    """A job of GitLab that extends the template.

    Args:
        folder: The project's.
        variables: The job's environment, and its variables over those of the template.
        shell: What runs its scripts.
    """

    folder: Path
    variables: Mapping[str, str]
    shell: tuple[str, ...] = ("bash",)

    def __post_init__(self) -> None:
        self.template: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text())[".accelpool"]
        self.env = {**self.template["variables"], **self.variables, "CI_PROJECT_DIR": str(self.folder)}
        self.env["PATH"] = f"{Path(PROGRAM).parent}{os.pathsep}{self.variables['PATH']}"

    def start(self, *script: str) -> subprocess.Popen[str]:
        """Start `before_script` and the job's own `script`, in one shell, in a process group of its own."""
        lines = "\n".join([*self.template["before_script"], *script])
        text = f"set -e\n: | eval {shlex.quote(lines)}\n"  # in a pipeline, as GitLab's shell has it
        return self._start(text)

    def after(self) -> Step:
        """Run `after_script` to its end, in a shell of its own."""
        process = self._start("\n".join(["set -e", *self.template["after_script"]]))
        output, _ = process.communicate(timeout=LIMIT_S)
        return Step(process.returncode, output)

    def _start(self, text: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.shell, "-c", text],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def main() -> None:
    """Be the runner's process of a job, told as JSON on stdin: tell how it went, and end with stdin."""
    asked = json.loads(sys.stdin.readline())
    job = Job(Path(asked["folder"]), asked["variables"], asked["inputs"])
    job.run()
    steps = {name: step.output for name, step in job.steps.items()}
    told = {"failed": job.is_failed, "env": job.env, "outputs": job.outputs, "steps": steps}
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
