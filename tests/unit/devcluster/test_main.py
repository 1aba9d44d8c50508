"""The command line: what is wrong is said in one line."""

import pytest

from devcluster.__main__ import main, parser


def test_the_cluster_is_ours_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("CLUSTER", raising=False)
    assert parser().parse_args(["up"]).cluster == "local"
    monkeypatch.setenv("CLUSTER", "existing")
    assert parser().parse_args(["up"]).cluster == "existing"


def test_a_command_without_a_cluster_says_how_to_get_one(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("QM_STATE", "/nonexistent")
    monkeypatch.setenv("QM_CACHE", str(tmp_path))
    monkeypatch.delenv("CLUSTER", raising=False)
    assert main(["volumes"]) == 1
    assert "run `make cluster-up`" in capsys.readouterr().err


def test_an_existing_cluster_is_not_stopped(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("QM_CACHE", str(tmp_path))
    assert main(["--cluster", "existing", "down"]) == 1
    assert capsys.readouterr().err == "error: an existing cluster is not ours to stop\n"


@pytest.mark.parametrize("count", ["-1", "5001", "many"])
def test_an_impossible_number_of_nodes_is_refused(count):
    with pytest.raises(SystemExit):
        parser().parse_args(["nodes", count])
