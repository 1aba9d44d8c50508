"""Settings come from the environment, and a bad one is named."""

import dataclasses

import pytest

from quartermaster.settings import Settings, from_environment


def test_an_empty_environment_gives_the_defaults() -> None:
    assert from_environment({}) == Settings()


def test_every_field_is_read_from_its_variable_with_its_own_type() -> None:
    for field in dataclasses.fields(Settings):
        default = getattr(Settings(), field.name)
        text, want = {
            bool: ("false", False),
            int: ("17", 17),
            float: ("1.5", 1.5),
            str: ("word", "word"),
        }[type(default)]
        got = getattr(from_environment({f"QM_{field.name.upper()}": text}), field.name)
        assert got == want
        assert type(got) is type(default)


@pytest.mark.parametrize("text", ["true", "True", "1"])
def test_switches_can_be_written_in_these_ways(text: str) -> None:
    assert from_environment({"QM_LEADER_ELECTION": text}).leader_election is True


@pytest.mark.parametrize(
    ("variable", "text", "want"),
    [
        ("QM_HTTP_PORT", "http", "QM_HTTP_PORT='http' is not a number"),
        ("QM_HTTP_PORT", "80.5", "QM_HTTP_PORT='80.5' is not a number"),
        ("QM_PEER_GRACE_SECONDS", "", "QM_PEER_GRACE_SECONDS='' is not a number"),
        ("QM_LEADER_ELECTION", "maybe", "QM_LEADER_ELECTION='maybe' is not true or false"),
    ],
)
def test_a_bad_value_is_told_by_variable_and_text(variable: str, text: str, want: str) -> None:
    with pytest.raises(ValueError, match="^" + want + "$"):
        from_environment({variable: text})


def test_addresses_are_told_apart_by_commas() -> None:
    told = from_environment({"QM_DCGM": "http://a:9400/metrics, http://b:9400/metrics,"})
    assert told.dcgm_addresses() == ("http://a:9400/metrics", "http://b:9400/metrics")
    assert Settings().dcgm_addresses() == ()


def test_other_variables_are_nobodys_business() -> None:
    assert from_environment({"QM_CONFIG": "{}", "PATH": "/bin"}) == Settings()
