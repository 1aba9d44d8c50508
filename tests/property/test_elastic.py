"""Laws of the elastic round: never beyond the room, placeable, best where that can be tried out."""

from collections.abc import Mapping, Sequence
from itertools import product
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.elastic import greedy, places, programme
from quartermaster.decide.elastic.configurations import Capacity, Configuration, PoolRoom
from quartermaster.decide.elastic.goodput import BatchLimits, efficiency, tune
from quartermaster.decide.elastic.places import Piece, Place
from quartermaster.decide.elastic.programme import Limits, Options
from quartermaster.decide.elastic.throughput import Observation, StepModel, fit

law = settings(max_examples=150, deadline=None)
slow_law = settings(max_examples=60, deadline=None)
EXACT = Limits(gap=0.0)


def room(name: str, gpus: Sequence[int], size: int) -> PoolRoom:
    return PoolRoom(name, name, tuple((f"{name}-{i}", n) for i, n in enumerate(gpus)), size)


@st.composite
def rooms(draw: st.DrawFn, largest: int = 8) -> PoolRoom:
    """Nodes of one size, some of which are partly taken."""
    size = draw(st.sampled_from([1, 2, 3, 4, 6, largest]))
    return room("p", draw(st.lists(st.integers(0, size), min_size=1, max_size=5)), size)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Capacity, list[Configuration], Options]:
    """A few jobs with a few options each in one or two pools."""
    pools = [
        room(
            name,
            draw(st.lists(st.integers(0, 4), min_size=1, max_size=3)),
            4,
        )
        for name in draw(st.sampled_from([["a"], ["a", "b"]]))
    ]
    capacity = Capacity(tuple(pools))
    every = [c for pool in pools for c in (*pool.elastic(1, 64), *pool.rigid(3))]
    jobs = draw(st.integers(1, 4)) if every else 0
    table: list[Configuration] = []
    owners: list[int] = []
    values: list[float] = []
    for job in range(jobs):
        mine = draw(st.lists(st.sampled_from(every), min_size=1, max_size=5, unique=True))
        for configuration in mine:
            table.append(configuration)
            owners.append(job)
            values.append(draw(st.integers(-5, 40)) / 4)
    options = Options(
        np.array(owners, dtype=np.intp),
        np.array(values, dtype=np.float64),
        capacity.usage(table),
        capacity.rows,
    )
    return capacity, table, options


def best_value(options: Options) -> float:
    """By trying everything."""
    columns = [[None, *np.flatnonzero(options.job == job).tolist()] for job in range(options.jobs)]
    return max(
        (
            float(options.value[chosen].sum())
            for choice in product(*columns)
            if programme.feasible(options, chosen := [c for c in choice if c is not None])
        ),
        default=0.0,
    )


@slow_law
@given(problems())
def test_the_programme_finds_what_trying_everything_finds(
    problem: tuple[Capacity, list[Configuration], Options],
) -> None:
    _, _, options = problem
    chosen = programme.solve(options, EXACT)
    assert chosen is not None
    assert programme.feasible(options, chosen)
    assert abs(options.value[chosen].sum() - best_value(options)) < 1e-6


@law
@given(problems())
def test_greed_never_takes_more_than_there_is_and_never_more_than_the_best(
    problem: tuple[Capacity, list[Configuration], Options],
) -> None:
    _, _, options = problem
    chosen = greedy.choose(options)
    assert programme.feasible(options, chosen)
    assert -1e-9 <= options.value[chosen].sum() <= best_value(options) + 1e-9


@law
@given(problems(), st.randoms())
def test_whatever_is_within_the_rows_has_a_place(
    problem: tuple[Capacity, list[Configuration], Options], random: Random
) -> None:
    capacity, table, options = problem
    columns = list(range(len(table)))
    random.shuffle(columns)
    chosen: list[int] = []
    for column in columns:
        if programme.feasible(options, [*chosen, column]):
            chosen.append(column)
    for pool in capacity.pools:
        pieces = [Piece(str(c), table[c], (), 1.0) for c in chosen if table[c].pool == pool.pool]
        check_places(pool, pieces, places.place(pool, pieces))


def check_places(pool: PoolRoom, pieces: Sequence[Piece], placed: Mapping[str, Place]) -> None:
    used: dict[str, int] = {}
    for piece in pieces:
        place = placed[piece.uid]
        assert sum(workers for _, workers in place) == piece.configuration.workers
        if not piece.configuration.scattered:
            assert len(place) == piece.configuration.nodes
        for node, workers in place:
            assert workers > 0
            used[node] = used.get(node, 0) + workers
    assert all(count <= dict(pool.nodes)[node] for node, count in used.items())


def packable(sizes: Sequence[int], bins: tuple[int, ...]) -> bool:
    """By trying every bin for every size."""
    if not sizes:
        return True
    return any(
        packable(sizes[1:], (*bins[:i], free - sizes[0], *bins[i + 1 :]))
        for i, free in enumerate(bins)
        if free >= sizes[0]
    )


@law
@given(rooms(), st.data())
def test_the_rows_say_exactly_which_sets_of_sizes_fit(pool: PoolRoom, data: st.DataObject) -> None:
    every = [c for c in pool.elastic(1, 64) if c.nodes == 1]
    if not every:
        return
    chosen = data.draw(st.lists(st.sampled_from(every), max_size=6))
    use = sum((pool.usage(c) for c in chosen), np.zeros_like(pool.rows))
    within = bool((use <= pool.rows).all())
    sizes = sorted((c.workers for c in chosen), reverse=True)
    assert within == packable(sizes, tuple(n for _, n in pool.nodes))


@law
@given(rooms(), st.data())
def test_who_keeps_its_configuration_is_moved_only_for_a_larger_one(
    pool: PoolRoom, data: st.DataObject
) -> None:
    every = pool.elastic(1, 64)
    if not every:
        return
    held: list[Piece] = []
    newcomers: list[Piece] = []
    use = np.zeros_like(pool.rows)
    for index in range(data.draw(st.integers(1, 6))):
        configuration = data.draw(st.sampled_from(every))
        if (use + pool.usage(configuration) <= pool.rows).all():
            use += pool.usage(configuration)
            held.append(Piece(f"old-{index}", configuration, (), 1.0))
    before = places.place(pool, held)
    kept = [Piece(p.uid, p.configuration, before[p.uid], p.cost) for p in held]
    assert places.place(pool, kept) == before
    staying = kept[: data.draw(st.integers(0, len(kept)))]
    use = sum((pool.usage(p.configuration) for p in staying), np.zeros_like(pool.rows))
    for index in range(data.draw(st.integers(1, 4))):
        configuration = data.draw(st.sampled_from(every))
        if (use + pool.usage(configuration) <= pool.rows).all():
            use += pool.usage(configuration)
            newcomers.append(Piece(f"new-{index}", configuration, (), 1.0))
    after = places.place(pool, [*staying, *newcomers])
    check_places(pool, [*staying, *newcomers], after)
    largest = max((p.configuration.workers for p in newcomers), default=0)
    for piece in staying:
        if piece.configuration.workers >= largest:
            assert after[piece.uid] == before[piece.uid]


TIMES = st.floats(1e-3, 1.0)
MODELS = st.builds(
    StepModel,
    gradient=st.tuples(TIMES, st.floats(1e-4, 1e-2)),
    between_nodes=st.tuples(TIMES, st.floats(1e-4, 1e-2)),
    within_node=st.tuples(TIMES, st.floats(1e-4, 1e-2)),
    overlap=st.floats(1.0, 4.0),
)


@law
@given(MODELS, st.integers(1, 4), st.integers(1, 8), st.integers(1, 512))
def test_a_step_takes_at_least_its_longer_part_and_at_most_both(
    model: StepModel, nodes: int, each: int, batch: int
) -> None:
    n, k, m = (np.array([float(x)]) for x in (nodes, nodes * each, batch))
    gradient, sync = model.gradient_seconds(m)[0], model.sync_seconds(n, k)[0]
    step = model.step_seconds(n, k, m)[0]
    assert max(gradient, sync) * (1 - 1e-9) <= step <= (gradient + sync) * (1 + 1e-9)


@slow_law
@given(MODELS)
def test_a_fit_finds_the_steps_that_it_was_made_from(model: StepModel) -> None:
    seen = []
    for nodes, workers in ((1, 1), (1, 2), (1, 4), (2, 8), (4, 16)):
        for batch in (32, 128, 512):
            n, k, m = (np.array([float(x)]) for x in (nodes, workers, batch))
            step = float(model.step_seconds(n, k, m)[0])
            sync = step - float(model.gradient_seconds(m)[0])
            seen.append(Observation(nodes, workers, batch, step, sync))
    fitted = fit(seen)
    n, k, m = (
        np.array([float(getattr(o, a)) for o in seen]) for a in ("nodes", "workers", "local_batch")
    )
    wanted = np.array([o.step_seconds for o in seen])
    assert np.abs(np.log(fitted.step_seconds(n, k, m) / wanted)).max() < 0.15


@law
@given(st.floats(1, 1e6), st.floats(1, 1e5), st.floats(1, 1e4))
def test_a_larger_batch_teaches_less_a_sample_but_more_a_step(
    noise: float, initial: float, factor: float
) -> None:
    batch = np.array([initial, initial * factor])
    e = efficiency(batch, initial, noise)
    assert abs(e[0] - 1) < 1e-9
    assert e[1] <= e[0] + 1e-12
    assert batch[1] * e[1] >= batch[0] * e[0] * (1 - 1e-9)


@law
@given(MODELS, st.floats(10, 1e5), st.integers(1, 64))
def test_a_tuned_batch_is_allowed_and_no_allowed_one_of_the_grid_is_better(
    model: StepModel, noise: float, workers: int
) -> None:
    limits = BatchLimits(initial=64, largest=4096, local_smallest=16, local_largest=256)
    nodes, count = np.array([1.0]), np.array([float(workers)])
    best = tune(model, noise, limits, nodes, count)
    local, parts = best.local_batch[0], best.accumulated[0] + 1
    assert 16 <= local <= 256
    smallest = max(64, 16 * workers)
    rate = smallest / model.step_seconds(nodes, count, np.array([smallest / workers]))[0]
    if smallest / workers <= 256 and workers > 1 and smallest % workers == 0:
        assert best.goodput[0] >= rate * efficiency(np.array([float(smallest)]), 64, noise)[0] * (
            1 - 1e-9
        )
    assert workers * local * parts <= 4096 + workers * parts
