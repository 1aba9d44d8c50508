"""What the documents tell people to type, apply and follow is there, and is accepted."""

import itertools
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

import quartermaster.__main__ as operator
from kubectl_qm import arguments
from quartermaster import __version__, metrics
from quartermaster.api import meta
from quartermaster.api.budgets.budget import BudgetSpec
from quartermaster.api.compute_pool import ComputePoolSpec
from quartermaster.api.compute_queue import ComputeQueueSpec
from quartermaster.api.training_job import TrainingJobSpec
from tests.docs.pages import ROOT, Block, anchors, blocks, commands, links, pages

MODELS = {
    "TrainingJob": TrainingJobSpec,
    "ComputePool": ComputePoolSpec,
    "ComputeQueue": ComputeQueueSpec,
    "Budget": BudgetSpec,
}
KUBECTL = {"annotate", "apply", "get", "describe", "patch", "label", "logs", "rollout", "qm"}
KINDS = {
    "trainingjobs.quartermaster.dev",
    "computequeues.quartermaster.dev",
    "budgets.quartermaster.dev",
    "pods",
    "pod",
    "deployment/quartermaster",
    "status",
}


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def check_make(words: list[str]) -> None:
    targets = [word for word in words if "=" not in word]
    assert targets, "no target"
    assert set(targets) <= makefile_targets(), f"no such target: {targets}"


def check_files(words: list[str]) -> None:
    for flag, value in itertools.pairwise(words):
        if flag == "-f":
            assert (ROOT / value).is_file(), f"{value} is missing"


def check_kubectl(words: list[str]) -> None:
    plain = [word for word in words if not word.startswith("-")]
    verb = next(word for word in plain if word in KUBECTL)
    check_files(words)
    if verb == "qm":
        arguments.parse(words[words.index("qm") + 1 :])
    elif "--raw" in words:
        port = words[words.index("--raw") + 1].split(":")[1].split("/")[0]
        service = (ROOT / "helm/quartermaster/templates/operator/service.yaml").read_text()
        assert f"name: {port}" in service, f"the service has no port {port}"
    elif verb in ("get", "describe", "patch"):
        kind = plain[plain.index(verb) + 1]
        assert kind in KINDS, f"kubectl {verb} {kind}"
    elif verb == "annotate":
        for word in (word for word in plain if "=" in word):
            assert word.partition("=")[0] in vars(meta).values(), f"nobody reads {word}"


def check_helm(words: list[str]) -> None:
    assert words[0] in ("install", "upgrade", "rollback")
    values = yaml.safe_load((ROOT / "helm/quartermaster/values.yaml").read_text())
    assert (ROOT / words[2] / "Chart.yaml").is_file()
    for flag, value in itertools.pairwise(words):
        if flag == "--set":
            name, _, _ = value.partition("=")
            part = values
            for key in name.split("."):
                assert key in part, f"no value {name} in values.yaml"
                part = part[key]


def check_python(words: list[str]) -> None:
    assert (ROOT / words[0]).is_file(), f"{words[0]} is missing"


def check_quartermaster(words: list[str]) -> None:
    operator.parser().parse_args(words)


CHECKS = {
    "quartermaster": check_quartermaster,
    "make": check_make,
    "kubectl": check_kubectl,
    "helm": check_helm,
    "python": check_python,
    "export": lambda words: None,
    "pip": lambda words: None,
}


@pytest.mark.parametrize(("where", "command"), commands(), ids=lambda value: str(value)[:60])
def test_a_command_names_what_is_there(where: str, command: str) -> None:
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    for end in ("|", ">", "&&"):
        words = words[: words.index(end)] if end in words else words
    assert words[0] in CHECKS, f"{where}: no check knows {words[0]}"
    CHECKS[words[0]](words[1:])


def test_metrics_named_in_pages_are_exported() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "helm/quartermaster/rules").iterdir())
    recorded = re.findall(rf"record: \w+:({metrics.PREFIX}\w+):", rules)
    known = {metrics.PREFIX + metric.name for metric in metrics.TABLE} | set(recorded)
    for page in pages():
        # One behind a colon is a recording rule's: level:metric:operation.
        named = re.findall(rf"(?<!:)\b{metrics.PREFIX}[a-z_]+", page.read_text())
        assert set(named) <= known, page


def test_commands_within_sentences_name_targets_that_are_there() -> None:
    for page in pages():
        for target in re.findall(r"`(?:CLUSTER=\w+ )?make ([a-z-]+)`", page.read_text()):
            assert target in makefile_targets(), f"{page.name}: make {target}"


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.where)
def test_a_manifest_is_accepted_by_the_models(block: Block) -> None:
    for document in yaml.safe_load_all(block.text):
        assert document["apiVersion"] == "quartermaster.dev/v1alpha1"
        assert document["metadata"]["name"]
        MODELS[document["kind"]].model_validate(document["spec"])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem
)
def test_an_example_is_accepted_by_the_models(path: Path) -> None:
    ours = [d for d in yaml.safe_load_all(path.read_text()) if d["kind"] in MODELS]
    assert ours
    for document in ours:
        MODELS[document["kind"]].model_validate(document["spec"])


def test_a_manifest_with_a_mistake_is_refused() -> None:
    with pytest.raises(ValueError, match="worker"):
        TrainingJobSpec.model_validate({"trainer": {"worker": 2}})


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_paths_in_the_map_are_there() -> None:
    text = (ROOT / "README.md").read_text()
    table = text[text.index("## Map") : text.index("## Developing")]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) >= 8
    for row in rows:
        for path in re.findall(r"`([^`]+)`", row):
            assert (ROOT / path).exists(), path


def test_the_readme_works_before_line_25() -> None:
    first = {
        language: min(block.line for block in blocks(language) if block.page == ROOT / "README.md")
        for language in ("yaml", "bash")
    }
    assert max(first.values()) < 25, first


def test_the_readme_begins_with_the_job_that_the_demonstration_runs() -> None:
    shown = yaml.safe_load(blocks("yaml")[0].text)
    applied = yaml.safe_load((ROOT / "examples/training-job.yaml").read_text())
    for field in ("model", "dataset", "trainer"):
        want = applied["spec"][field]
        assert {**want, **shown["spec"][field]} == want


def test_the_layers_drawn_are_the_layers_kept() -> None:
    text = (ROOT / "README.md").read_text()
    drawing = text[text.index("__main__\ncommands") : text.index("## Developing")]
    kept = re.search(r"^layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert kept
    for name in re.findall(r"\w+", kept[1]):
        assert re.search(rf"\b{name}\b", drawing), name


def test_help_runs_and_shows_every_documented_target() -> None:
    done = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    for target in ("setup", "demo", "test", "cluster-up", "cluster-down"):
        assert re.search(rf"^  {target} ", done.stdout, re.MULTILINE), target


def test_the_changelog_begins_with_this_version() -> None:
    head = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert head
    assert head[1] == __version__


@pytest.mark.parametrize("page", sorted((ROOT / "docs/adr").glob("0*.md")), ids=lambda p: p.stem)
def test_a_decision_has_its_parts(page: Path) -> None:
    text = page.read_text()
    assert re.match(rf"# {page.stem[:4]} ", text)
    assert len(text.splitlines()) <= 60
    parts = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert parts == [
        "Context",
        "Decision",
        "Alternatives",
        "Consequences",
        "How we would know that we were wrong",
    ]
    assert f"({page.name})" in (ROOT / "docs/adr/README.md").read_text()


def test_the_code_points_to_decisions_that_are_there() -> None:
    have = {page.stem[:4] for page in (ROOT / "docs/adr").glob("0*.md")}
    for folder in ("operator", "trainer_image", "devcluster", "scripts"):
        for source in (ROOT / folder).rglob("*.py"):
            for number in re.findall(r"ADR-(\d{4})", source.read_text()):
                assert number in have, f"{source}: ADR-{number}"


def test_ci_runs_what_a_person_runs() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text()


def test_exit_codes_are_those_of_the_operator() -> None:
    from quartermaster.domain import failure

    text = (ROOT / "docs/guides/failures.md").read_text()
    rows = {int(code): kind for code, kind in re.findall(r"^\| (\d+) \| `(\w+)`", text, re.M)}
    assert rows == {code: str(kind) for code, kind in failure.EXIT_CODES.items()}
    retried = {int(c): r for c, r in re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", text, re.M)}
    for code, words in retried.items():
        want = "no" if code in failure.HOPELESS else "yes, counted"
        assert words == ("yes, not counted" if code in failure.BLAMELESS else want), code
