"""``python -m devcluster``: bring a development cluster up, look at it, break it, take it down."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from devcluster import environment, layout, lock, providers, scale
from devcluster.errors import DevclusterError
from devcluster.image import product, tidy
from devcluster.kube import Client
from devcluster.layout import Layout
from devcluster.local import cluster, status, volumes
from devcluster.progress import Progress

_KINDS = ("local", "kind", "existing")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    progress = Progress()
    try:
        places = layout.current()
        with _lock(places, arguments, progress):
            return _COMMANDS[arguments.command](places, progress, arguments)
    except DevclusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our lines has seen enough; the interpreter must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _lock(
    places: Layout, arguments: argparse.Namespace, progress: Progress
) -> contextlib.AbstractContextManager[None]:
    """What a command must hold: it lies beside the state, which a command may delete."""
    what = _LOCKS.get(arguments.command)
    if what is None:
        return contextlib.nullcontext()
    return lock.exclusive(places.cache / f"{what}.lock", what, progress)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="devcluster", description=__doc__)
    top.add_argument(
        "--cluster",
        choices=_KINDS,
        default=os.environ.get("CLUSTER") or "local",
        help="whose cluster: ours (local), one by kind, or the kubeconfig's (existing)",
    )
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start what does not run")
    down = commands.add_parser("down", help="stop everything")
    down.add_argument("--purge", action="store_true", help="delete the state too")
    commands.add_parser("status", help="show what runs")
    commands.add_parser("kubeconfig", help="print the kubeconfig's path")
    nodes = commands.add_parser("nodes", help="have N fake nodes of eight GPUs")
    nodes.add_argument("count", type=_count)
    built = commands.add_parser("images", help="build images and put them on the nodes")
    built.add_argument("names", nargs="*", help="operator, trainer; all when none is named")
    built.add_argument("--prune", action="store_true", help="remove older ones from the registry")
    for name in ("start", "stop"):
        one = commands.add_parser(name, help=f"{name} one component")
        one.add_argument("component", help="as `status` lists them, for instance kubelet@qm-spot")
    recycled = commands.add_parser("volumes", help="make and take back volumes now")
    recycled.add_argument("--serve", type=Path, metavar="SOCKET", help="go on for ever")
    made = commands.add_parser("venv", help="make the Python environment of requirements/NAME.txt")
    made.add_argument("name")
    made.add_argument("--link", type=Path, help="a symbolic link to point at it")
    locked = commands.add_parser("lock", help="resolve requirements/NAME.in anew")
    locked.add_argument("names", nargs="+")
    return top


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 5000:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 5000")
    return value


def _up(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    match arguments.cluster:
        case "kind":
            providers.kind_up(places, progress)
        case "existing":
            providers.existing_up(progress)
        case _:
            cluster.up(places, progress)
    return 0


def _down(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    match arguments.cluster:
        case "kind":
            providers.kind_down(progress)
        case "existing":
            raise DevclusterError("an existing cluster is not ours to stop")
        case _:
            cluster.down(places, progress, purge=arguments.purge)
    return 0


def _images(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    chosen = product.selected(arguments.names)
    match arguments.cluster:
        case "kind":
            providers.kind_images(places, chosen, progress)
        case "existing":
            registry = os.environ.get("IMAGE_REGISTRY", "")
            providers.existing_images(places, chosen, registry, progress)
        case _:
            product.ensure(places, chosen, progress)
            if arguments.prune:
                tidy.prune(places, progress)
    return 0


def _local(arguments: argparse.Namespace) -> None:
    """Refuse what only our own cluster can do."""
    if arguments.cluster != "local":
        raise DevclusterError(f"{arguments.command} works with CLUSTER=local alone")


def _status(places: Layout, _: Progress, arguments: argparse.Namespace) -> int:
    _local(arguments)
    return 0 if status.show(places) else 1


def _kubeconfig(places: Layout, _: Progress, arguments: argparse.Namespace) -> int:
    _local(arguments)
    print(places.kubeconfig)
    return 0


def _nodes(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    _local(arguments)
    scale.set_count(places, arguments.count, progress)
    return 0


def _start(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    _local(arguments)
    cluster.start_one(places, arguments.component, progress)
    return 0


def _stop(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    _local(arguments)
    cluster.stop_one(places, arguments.component, progress)
    return 0


def _volumes(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    client = Client(places.kubeconfig)
    if arguments.serve:
        volumes.serve(client, places, arguments.serve)
    progress.say(f"{volumes.reconcile(client, places)} volumes made or taken back")
    return 0


def _venv(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    target = environment.ensure(places, arguments.name, arguments.link, progress)
    if arguments.link is None:
        print(target)
    return 0


def _lock_requirements(places: Layout, progress: Progress, arguments: argparse.Namespace) -> int:
    for name in arguments.names:
        environment.lock(places, name, progress)
    return 0


_COMMANDS: dict[str, Callable[[Layout, Progress, argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "kubeconfig": _kubeconfig,
    "nodes": _nodes,
    "images": _images,
    "start": _start,
    "stop": _stop,
    "volumes": _volumes,
    "venv": _venv,
    "lock": _lock_requirements,
}

_LOCKS = {
    **dict.fromkeys(("up", "down", "start", "stop", "nodes"), "cluster"),
    "images": "images",
    "venv": "venv",
}
"""Commands that change something, and what that is."""

if __name__ == "__main__":
    sys.exit(main())
