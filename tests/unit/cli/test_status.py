import pytest

from kubectl_qm.cluster import Json
from kubectl_qm.commands.status import PATIENCE
from kubectl_qm.errors import Exit, NotFoundError, UnreachableError, UsageError
from tests.support import qm_make as make
from tests.support.qm_cluster import MemoryCluster
from tests.unit.cli.conftest import Screen


def test_no_jobs_is_a_remark_and_no_error(screen: Screen) -> None:
    assert screen.run("status") == Exit.OK
    assert (screen.out, screen.err) == ("", "No TrainingJobs in namespace 'team-a'.\n")


def test_no_jobs_for_a_program_is_an_empty_list(screen: Screen) -> None:
    screen.run("status", "-o", "json")
    assert screen.out == '{\n  "jobs": []\n}\n'


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("digist", "not found in namespace 'team-a'; did you mean 'digits'?"),
        ("vision", "there is one in namespace 'team-b': add -n team-b"),
        ("zzz", "kubectl qm status -n team-a shows the 1 that there are"),
    ],
)
def test_a_missing_job_is_answered_with_what_is_near(name: str, want: str) -> None:
    jobs: list[Json] = [make.training_job(), make.training_job("vision", namespace="team-b")]
    with pytest.raises(NotFoundError, match=want):
        Screen(MemoryCluster(jobs=jobs)).run("status", name)


def test_a_missing_job_in_an_empty_namespace(screen: Screen) -> None:
    with pytest.raises(NotFoundError, match="in namespace 'empty', which has none"):
        screen.run("status", "digits", "-n", "empty")


def ends_as(state: str, after: int) -> Screen:
    """A job that runs for some looks and then ends."""
    job = make.training_job(status=make.running_status())
    screen = Screen(MemoryCluster(jobs=[job]))

    def move_on() -> None:
        if len(screen.sleeps) == after:
            job["status"]["state"] = state

    screen.on_sleep = move_on
    return screen


@pytest.mark.parametrize(("state", "want"), [("Complete", Exit.OK), ("Failed", Exit.FAILED)])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_watching_ends_with_the_job_and_its_exit_code(
    state: str, want: Exit, *, is_terminal: bool
) -> None:
    screen = ends_as(state, after=3)
    screen.is_terminal = is_terminal
    assert screen.run("status", "digits", "--watch") == want
    assert len(screen.sleeps) == 3
    assert state in screen.out


def test_without_a_terminal_watching_writes_a_line_a_change() -> None:
    screen = ends_as("Complete", after=4)
    screen.is_terminal = False
    screen.run("status", "digits", "--watch")
    assert screen.out.splitlines() == [
        "team-a/digits Running 2/2 45% 270/600",
        "team-a/digits Complete 2/2 45% 270/600",
    ]


def test_watching_survives_a_cluster_that_is_away_for_a_while() -> None:
    screen = ends_as("Complete", after=8)

    def away() -> None:
        gone = 2 <= len(screen.sleeps) <= 6
        screen.cluster.refusal = UnreachableError("away") if gone else None

    screen.cluster.on_get = away
    assert screen.run("status", "digits", "--watch") == Exit.OK


def test_watching_gives_up_on_a_cluster_that_stays_away() -> None:
    screen = ends_as("Complete", after=10**6)
    screen.cluster.refusal = UnreachableError("away")
    with pytest.raises(UnreachableError, match="away"):
        screen.run("status", "digits", "--watch")
    assert len(screen.sleeps) == PATIENCE - 1


def test_watching_a_job_that_is_deleted_says_so() -> None:
    screen = ends_as("Complete", after=10**6)
    screen.on_sleep = screen.cluster.jobs.clear
    with pytest.raises(NotFoundError, match="not found"):
        screen.run("status", "digits", "--watch")


def test_watching_is_for_people(screen: Screen) -> None:
    with pytest.raises(UsageError, match="kubectl get trainingjobs -w"):
        screen.run("status", "--watch", "-o", "json")


def test_details_that_the_user_may_not_see_are_left_out_with_a_remark() -> None:
    cluster = MemoryCluster(jobs=[make.training_job(status=make.running_status())])
    cluster.denied = frozenset({"list_pods", "list_events"})
    screen = Screen(cluster)
    assert screen.run("status", "digits") == Exit.OK
    assert "Running" in screen.out
    assert screen.err == "not allowed: list_pods\n"
    screen.run("explain", "digits")
    assert screen.err == "not allowed: list_pods\nnot allowed: list_events\n"


def test_markup_in_a_status_is_text() -> None:
    placed = make.condition("Placed", "False", "NoCapacity", "[red]no[/red] [/] :smile:")
    status = make.waiting_status(conditions=[placed])
    screen = Screen(MemoryCluster(jobs=[make.training_job(status=status)]))
    screen.run("explain", "digits")
    assert "[red]no[/red] [/] :smile:" in screen.out


def page(**profile: object) -> str:
    status = make.running_status(profile=make.profile(**profile))
    screen = Screen(MemoryCluster(jobs=[make.training_job(status=status)]), width=120)
    screen.run("status", "digits")
    return screen.out


def test_a_profile_of_another_job_says_so() -> None:
    assert "measured in job earlier" in page(fromJob="earlier")
    assert "measured in job" not in page()


def test_a_known_peak_is_told_as_a_share_of_it() -> None:
    assert "42 % of the GPU's peak" in page(mfu="0.4199")


@pytest.mark.parametrize(
    "odd",
    [
        {"stepSeconds": "1e400"},
        {"stepSeconds": "0"},
        {"stepSeconds": None},
        {"computeFraction": "-1"},
        {"dataWaitFraction": "x"},
        {"communicationFraction": "1e999"},
    ],
    ids=str,
)
def test_a_profile_that_cannot_be_has_no_line(odd: dict[str, object]) -> None:
    shown = page(**odd)
    assert "Step  " not in shown
    assert "digits" in shown


def test_a_job_without_money_says_so_among_what_its_conditions_tell() -> None:
    why = "stopped at 4.84 USD, since stopping may cost 0.16 USD more; raise spec.budget.limit"
    conditions = [make.condition("Funded", "False", "LimitReached", why)]
    job = make.training_job(status=make.running_status(state="Suspended", conditions=conditions))
    screen = Screen(MemoryCluster(jobs=[job]))
    screen.run("status", "digits")
    row = next(line for line in screen.out.splitlines() if line.startswith("Funded"))
    assert row.split()[:3] == ["Funded", "False", "LimitReached"]
    assert "raise spec.budget.limit" in " ".join(screen.out.split())


def test_no_budgets_is_a_remark_and_no_error(screen: Screen) -> None:
    assert screen.run("budgets") == Exit.OK
    assert screen.err == (
        "No Budgets in namespace 'team-a': jobs are limited by spec.budget alone.\n"
    )
