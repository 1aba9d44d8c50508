"""Images are known by their inputs."""

from pathlib import Path

import pytest

from devcluster.errors import DevclusterError
from devcluster.image import base, product
from devcluster.image.delivery import image_targets, outdated, pull_state, puller
from devcluster.image.product import IMAGES, Image, content_tag

REPOSITORY = Path(product.__file__).parents[2]
IMAGE = Image("one", "src/Dockerfile", ("requirements.txt", "src"))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "src" / "__pycache__").mkdir(parents=True)
    (tmp_path / "src" / "Dockerfile").write_text("FROM base\n")
    (tmp_path / "src" / "code.py").write_text("x = 1\n")
    (tmp_path / "requirements.txt").write_text("a==1\n")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["src/Dockerfile", "src/code.py", "requirements.txt", "src/new.py"]
)
def test_any_changed_or_added_input_changes_the_tag(root, name):
    before = content_tag(root, IMAGE, "base")
    (root / name).write_text("changed\n")
    assert content_tag(root, IMAGE, "base") != before


def test_what_python_leaves_behind_does_not_change_the_tag(root):
    before = content_tag(root, IMAGE, "base")
    (root / "src" / "__pycache__" / "code.pyc").write_text("compiled")
    assert content_tag(root, IMAGE, "base") == before


def test_another_base_changes_the_tag(root):
    assert content_tag(root, IMAGE, "base") != content_tag(root, IMAGE, "other")


def test_a_renamed_file_changes_the_tag(root):
    before = content_tag(root, IMAGE, "base")
    (root / "src" / "code.py").rename(root / "src" / "renamed.py")
    assert content_tag(root, IMAGE, "base") != before


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_everything_a_dockerfile_copies_is_an_input(image):
    lines = (REPOSITORY / image.dockerfile).read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert copied
    for path in copied:
        assert any(Path(path).is_relative_to(one) for one in image.inputs), path


def test_an_unknown_image_is_refused_by_name():
    with pytest.raises(DevclusterError, match="no image 'oprator'; there are operator, trainer"):
        product.selected(["oprator"])


def test_no_name_means_every_image():
    assert product.selected([]) == list(IMAGES)


def test_names_of_a_runtime_listing_are_paired_with_their_digests():
    listing = (
        "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
        "r/one:a application/vnd.oci sha256:11 1.0 MiB linux/amd64 -\n"
        "sha256:99 application/vnd.oci sha256:11 1.0 MiB linux/amd64 -\n"
    )
    assert image_targets(listing) == {"r/one:a": "sha256:11", "sha256:99": "sha256:11"}


def test_of_a_repository_one_image_stays_under_all_its_names():
    targets = {
        "r/one:new": "d-new",
        "r/one@d-new": "d-new",
        "sha256:1": "d-new",
        "r/one:old": "d-old",
        "sha256:2": "d-old",
        "sha256:3": "d-forgotten",
        "r/other:old": "d-other",
        "sha256:4": "d-other",
    }
    assert outdated(targets, "r/one:new", set()) == ["r/one:old", "sha256:2", "sha256:3"]
    assert outdated(targets, "r/one:new", {"r/one:old"}) == ["sha256:3"]


@pytest.mark.parametrize(
    ("status", "want"),
    [
        ({"phase": "Succeeded"}, "done"),
        ({"phase": "Pending"}, "pulling"),
        ({"phase": "Failed", "reason": "OutOfpods"}, "OutOfpods"),
        (
            {
                "phase": "Pending",
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
                ],
            },
            "not found",
        ),
    ],
)
def test_a_pulling_pod_says_how_far_it_is(status, want):
    assert pull_state({"status": status}) == want


def test_the_pulling_pod_stands_on_its_node_without_being_scheduled():
    pod = puller("qm-spot", "r/one:abc", number=7)
    assert pod["spec"]["nodeName"] == "qm-spot"
    assert pod["metadata"]["name"] == "pull-qm-spot-abc-7"


def test_the_mirror_is_the_one_apt_uses(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\nURIs: https://mirror.example/debian\nSuites: bookworm\n"
    )
    assert base.mirror(tmp_path) == ["https://mirror.example/debian"]


def test_without_apt_sources_debootstrap_chooses(tmp_path):
    assert base.mirror(tmp_path) == []
