"""An exporter's answer over real HTTP. It is written after the exporter's documents: no GPU was
there to give one."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.adapters.exporters.dcgm import DcgmCounters, parse
from quartermaster.domain.measurement import CounterSource, DeviceCounters
from quartermaster.domain.name import NamespacedName

EXPOSITION = Path(__file__).with_name("dcgm.prom").read_text()
POD = NamespacedName("team", "job-0-x")
WANT = DeviceCounters(
    CounterSource.DCGM,
    sm_active=pytest.approx(0.85),
    engine_active=pytest.approx(0.99),
    utilisation=1.0,
    tensor_active=pytest.approx(0.32),
    dram_active=0.5,
    pcie_bytes_per_second=3e9,
)
law = settings(deadline=None)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def exporter(answer: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    finally:
        await runner.cleanup()


async def told(_: web.Request) -> web.Response:
    return web.Response(text=EXPOSITION, headers={"Content-Type": "text/plain; version=0.0.4"})


async def broken(_: web.Request) -> web.Response:
    return web.Response(text="<html>not an exporter</html>")


async def failing(_: web.Request) -> web.Response:
    return web.Response(status=500)


def test_a_pod_has_the_mean_over_its_gpus_of_what_is_a_number() -> None:
    assert parse(EXPOSITION) == {POD: WANT}


async def test_counters_are_read_from_an_exporter() -> None:
    async with exporter(told) as address, aiohttp.ClientSession() as session:
        counters = DcgmCounters([address])
        assert counters.of([POD]) is None
        await counters.read(session)
        assert counters.of([POD]) == WANT
        assert counters.of([NamespacedName("other", POD.name)]) is None
        assert counters.of([]) is None


@pytest.mark.parametrize("answer", [broken, failing])
async def test_an_exporter_that_is_none_is_told_of_once_and_has_nothing(
    answer: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    async with exporter(answer) as address, exporter(told) as good, aiohttp.ClientSession() as it:
        counters = DcgmCounters([address, good])
        with caplog.at_level(logging.WARNING):
            await counters.read(it)
            await counters.read(it)
        assert counters.of([POD]) == WANT
        assert [record.getMessage().count(address) for record in caplog.records] == [1]


async def test_what_was_there_is_forgotten_when_nobody_answers() -> None:
    async with aiohttp.ClientSession() as session:
        async with exporter(told) as address:
            counters = DcgmCounters([address])
            await counters.read(session)
        await counters.read(session)
        assert counters.of([POD]) is None


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"#" * 1000)

    async with exporter(endless) as address, aiohttp.ClientSession() as session:
        counters = DcgmCounters([address], largest_bytes=10_000)
        await counters.read(session)
        assert counters.of([POD]) is None


def test_a_prometheus_that_has_pods_of_its_own_renames_the_exporters() -> None:
    text = (
        "# TYPE DCGM_FI_PROF_SM_ACTIVE untyped\n"
        'DCGM_FI_PROF_SM_ACTIVE{UUID="a",namespace="gpu-operator",pod="dcgm-exporter-q",'
        'exported_namespace="team",exported_pod="job-0-x"} 0.5 1764039600000\n'
    )
    assert parse(text) == {POD: DeviceCounters(CounterSource.DCGM, sm_active=0.5)}


@pytest.mark.parametrize("value", ["85", "1.01", "-0.5", "NaN", "+Inf"])
def test_what_is_no_fraction_is_unknown(value: str) -> None:
    labels = 'UUID="a",namespace="team",pod="job-0-x"'
    assert parse(f"DCGM_FI_PROF_SM_ACTIVE{{{labels}}} {value}\n") == {}


def test_slices_of_one_gpu_are_counted_one_by_one() -> None:
    lines = [
        f'DCGM_FI_PROF_DRAM_ACTIVE{{UUID="a",gpu="0",GPU_I_ID="{n}",namespace="team",'
        f'pod="job-0-x"}} {value}'
        for n, value in ((3, 0.2), (5, 0.4))
    ]
    found = parse("\n".join(lines) + "\n")[POD]
    assert found.dram_active == pytest.approx(0.3)


AWKWARD = st.text('DCGM_FI_PROF_SM_ACTIVE{}="\\#,pod namespace0.\n', max_size=200)


@law
@given(st.text(max_size=100) | AWKWARD)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(parse(text), dict)
