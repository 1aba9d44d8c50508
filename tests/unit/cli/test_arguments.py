import pytest

from kubectl_qm.arguments import parse, parser
from kubectl_qm.errors import UsageError


@pytest.mark.parametrize("words", [["-n", "x", "status"], ["status", "-n", "x"]])
def test_shared_options_stand_before_or_behind_the_command(words: list[str]) -> None:
    assert parse(words).namespace == "x"


def test_what_is_not_given_has_its_default() -> None:
    parsed = parse(["status"])
    assert (parsed.name, parsed.namespace, parsed.output, parsed.watch) == (None, None, "", False)
    assert not parsed.all_namespaces


def test_workers_may_be_named_several_times() -> None:
    assert parse(["logs", "digits", "--worker", "3", "--worker", "0"]).worker == [3, 0]


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param("stauts", "'stauts' is no command: did you mean 'status'?", id="near"),
        pytest.param("zzz", "'zzz' is no command: there are status, explain, logs", id="far"),
        pytest.param("status -o jsn", "'jsn' is not possible: did you mean 'json'?", id="choice"),
        pytest.param("explain", "required: NAME; see kubectl qm explain --help", id="name missing"),
        pytest.param("logs x --worker -1", "--worker: '-1' is not a whole number", id="negative"),
        pytest.param("logs x --worker a", "'a' is not a whole number from 0", id="no number"),
        pytest.param("logs x --worker 1 --all", "not allowed with argument", id="one and all"),
        pytest.param("status -A -n x", "-A and -n exclude each other", id="all and one"),
        pytest.param("status digits -A", "-A and a NAME exclude each other", id="all and a name"),
        pytest.param("status -n a/b", "'a/b' is no namespace", id="no namespace"),
        pytest.param("status ../x", "'../x' is no name", id="no name"),
        pytest.param("status --frobnicate", "unrecognized arguments: --frobnicate", id="unknown"),
    ],
)
def test_a_wrong_command_line_is_answered_in_one_line(words: str, want: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words.split())
    assert want in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_abbreviated_option_is_refused() -> None:
    with pytest.raises(UsageError):
        parse(["status", "--name", "x"])


def test_help_documents_the_exit_codes_and_shows_examples() -> None:
    text = parser().format_help()
    assert "exit codes:" in text
    assert "kubectl qm status digits --watch" in text
