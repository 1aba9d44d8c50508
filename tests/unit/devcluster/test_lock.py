"""Two commands that change the cluster take turns."""

import io
import threading

from devcluster.lock import exclusive
from devcluster.progress import Progress


def test_the_second_waits_for_the_first_and_says_so(tmp_path):
    out, order, path = io.StringIO(), [], tmp_path / "cluster.lock"
    progress = Progress(stream=out)

    def second() -> None:
        with exclusive(path, "cluster", progress):
            order.append("second")

    with exclusive(path, "cluster", Progress(stream=io.StringIO())):
        thread = threading.Thread(target=second)
        thread.start()
        while "waiting" not in out.getvalue():
            pass
        order.append("first")
    thread.join(timeout=5)
    assert order == ["first", "second"]
