"""The documentation agrees with the files and the program that it speaks of."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from accelpool.cli.failures import ExitCode
from accelpool.cli.main import app

from ..doc_blocks import PAGES, Block, blocks

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TOML = [
    pytest.param(text, id=f"{document.name}-{number}")
    for document in DOCUMENTS
    for number, text in enumerate(
        re.findall(r"^```toml\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    )
]
OUTSIDE = re.compile(r"https://[\w.-]+(:\d+)?(/[\w./~%#?&=+:@-]*)?")
SOURCES = [
    *(file for folder in ("sdk", "node", "broker") for file in (ROOT / folder).rglob("*.py")),
    *(ROOT / "sdk/accelpool_icd").rglob("*.c"),
    ROOT / "hatch_build.py",
]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has commands
GLOSSARY = (
    "node", "agent", "broker", "device", "attributes", "capacity", "share", "lease", "epoch", "session",
    "worker", "tenant", "quota", "preemption", "lease token", "driver environment", "data plane", "handle",
    "backend", "kernel library", "twin", "kernel", "buffer", "command queue", "event", "NDRange",
    "work-item", "work-group", "sub-device", "image", "sampler", "mapping", "part",
    "account", "role", "scope", "token", "join token", "enrolment", "audit log", "peers", "pin",
)  # fmt: skip
CODE = [block for page in PAGES for block in blocks(page) if block.is_code]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    for link in LINK.findall(FENCE.sub("", document.read_text())):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_to_elsewhere_are_well_formed_and_encrypted(document: Path) -> None:
    links = [link for link in LINK.findall(FENCE.sub("", document.read_text())) if "://" in link]
    assert [link for link in links if not OUTSIDE.fullmatch(link)] == []


def test_the_list_of_settings_has_each_variable_that_the_code_reads() -> None:
    listed = set(re.findall(r"`(ACCELPOOL_\w+)`", (ROOT / "docs/reference/settings.md").read_text()))
    read = {
        name for file in SOURCES for name in re.findall(r"[\"'](ACCELPOOL_[A-Z_]+)[\"']", file.read_text())
    }
    assert read
    assert read - listed == set()


def test_each_block_of_code_is_run_or_says_why_not() -> None:
    assert [str(block) for block in CODE if not block.is_run and not block.reason] == []


@pytest.mark.parametrize("block", [block for block in CODE if block.is_run], ids=str)
def test_a_block_that_is_run_says_so_in_one_of_the_ways_that_there_are(block: Block) -> None:
    assert block.info[0] in {"python", "sh", "console"}
    assert block.info[1:] in {("run",), ("run", "opencl")}
    assert not block.reason


@pytest.mark.parametrize("text", TOML)
def test_toml_in_the_documentation_is_toml(text: str) -> None:
    assert tomllib.loads(text)


@pytest.mark.parametrize("word", GLOSSARY)
def test_the_glossary_has_each_word_once(word: str) -> None:
    rows = re.findall(
        rf"^\| \*\*{re.escape(word)}\*\* \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_describes_each_command_and_option(command: str) -> None:
    manual = (ROOT / "docs/cli.md").read_text()
    _, found, section = manual.partition(f"\n## accelpool {command}\n")
    _, nested, more = manual.partition(f"\n## accelpool {command} ")
    assert found or nested, f"no section on accelpool {command}"
    section = section.partition("\n## ")[0] + (more if nested else "")
    shared = {"--json", "--url", "--help", "--state-dir", "--backend"}
    wanted = [name for name in options(COMMANDS[command]) if name not in shared]
    assert [name for name in wanted if not re.search(rf"`[^`\n]*{name}\b", section)] == []


def options(command: Any) -> list[str]:
    """The long options of a command and of those below it."""
    own = [option for param in command.params for option in param.opts if option.startswith("--")]
    below = getattr(command, "commands", {}).values()
    return [*own, *(name for one in below for name in options(one))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_the_documentation_have_the_options_that_they_are_shown_with(document: Path) -> None:
    assert [line for line in shown_commands(document.read_text()) if not is_understood(line)] == []


def shown_commands(text: str) -> list[str]:
    """What follows `accelpool ` in quotes and blocks of a page, up to the end of the command."""
    found = re.findall(r"(?:`|\$ |^    |^|\()accelpool ((?:[\w-]+ )[^`\n#|;&)\\]*)", text, re.MULTILINE)
    return [command.split(" -- ")[0] for command in found]


def is_understood(line: str) -> bool:
    """Whether each option on a line is one of the command that the line begins with."""
    words, command, below = line.split(), None, COMMANDS
    while words and words[0] in below:
        command, words = below[words[0]], words[1:]
        below = getattr(command, "commands", {})
    if below or command is None or command.context_settings.get("ignore_unknown_options"):
        return True  # no command, or one whose options are another program's
    known = {name for param in command.params for name in param.opts} | {"--help"}
    return all(word.split("=")[0] in known for word in words if word.startswith("--"))


def test_the_manual_has_every_exit_code() -> None:
    manual = (ROOT / "docs/cli.md").read_text()
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", manual, re.MULTILINE)}
    assert codes == {int(code) for code in ExitCode}


def test_the_manual_of_ci_has_every_input_and_variable_with_its_default() -> None:
    manual = (ROOT / "docs/ci.md").read_text()
    action = yaml.safe_load((ROOT / "deploy/github/accelpool/action.yml").read_text())["inputs"]
    template = yaml.safe_load((ROOT / "deploy/gitlab/accelpool.yml").read_text())[".accelpool"]["variables"]
    assert [name for name in [*action, *template] if f"`{name}`" not in manual] == []
    assert f"| `wait`, `ttl` | {action['wait']['default']}, {action['ttl']['default']} |" in manual
    for name in ("ACCELPOOL_WAIT", "ACCELPOOL_TTL"):
        assert f"| `{name}` | {template[name]} |" in manual
    same = set(template) - {"ACCELPOOL_TTL"}
    of_action = {name: action[name.removeprefix("ACCELPOOL_").lower()]["default"] for name in same}
    assert {name: template[name] for name in same} == of_action


def test_the_readmes_map_has_each_folder_once() -> None:
    _, _, rest = (ROOT / "README.md").read_text().partition("\n## Map\n")
    folders = re.findall(r"^    (\S+/) ", rest, re.MULTILINE)
    assert folders
    assert sorted(folders) == sorted(set(folders))
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_the_readme_shows_the_two_commands_first() -> None:
    readme = (ROOT / "README.md").read_text()
    first_screen = [line.strip() for line in readme.splitlines()[:30]]
    assert "$ make demo" in first_screen
    assert "$ make test" in first_screen


def test_every_folder_on_the_readmes_map_is_there() -> None:
    _, _, after = (ROOT / "README.md").read_text().partition("## Map\n")
    folders = re.findall(r"^    (\S+/)\s", after, re.MULTILINE)
    assert len(folders) >= 8
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_decisions_are_numbered_without_gaps() -> None:
    pages = sorted(path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))
    for name in pages:
        text = (ROOT / "docs/decisions" / name).read_text()
        assert all(f"## {part}" in text for part in ("Context", "Decision", "Consequences")), name
