"""Whatever a mirror, a disk or another process does: the published bytes or an error, and never half a file."""

from __future__ import annotations

import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from idx_files import NAMES, elements, four_files, needs_mnist, packed, published, real_content, write_four
from local_mirrors import serving
from rashin.cli import main
from rashin.datasets import copies, download, fetch_mnist, load_mnist
from rashin.datasets.published import VARIANTS

MNIST = VARIANTS["mnist"]
CONTENTS = four_files()
ZIPPED = {f"{name}.gz": packed(content) for name, content in CONTENTS.items()}
OTHERS = {f"{name}.gz": packed(content) for name, content in four_files(seed=9).items()}


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine on which nothing has ever been downloaded, with a small MNIST."""
    work = tmp_path / "home" / "project"
    work.mkdir(parents=True)
    for variable in ("RASHIN_DATA_DIR", "KERAS_HOME", "TFDS_DATA_DIR", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    for variable, folder in (("HOME", "home"), ("XDG_CACHE_HOME", "home/.cache")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.chdir(work)
    monkeypatch.setattr(copies, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setitem(VARIANTS, "mnist", published(CONTENTS, mirrors=["http://127.0.0.1:9/"]))
    return tmp_path / "home"


@pytest.fixture
def cache(machine):
    return pooch.os_cache("rashin") / "mnist"


@pytest.fixture(scope="module")
def server():
    with serving(ZIPPED, OTHERS) as running:
        yield running


@pytest.fixture
def mirror(server):
    server.asked.clear()
    return server.folder


def files_under(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def holds_the_four(folder, beside=()):
    same = all((folder / n).read_bytes() == CONTENTS[n] for n in NAMES)
    return same and files_under(folder) == sorted([*NAMES, *beside])


def offline(**options):
    """Load what is there, with no mirror to help."""
    (x, t), (x_test, t_test) = load_mnist(normalize=False, flatten=False, **options)
    return [x[:, 0], t, x_test[:, 0], t_test]


def assert_right(arrays, contents=CONTENTS):
    for array, content in zip(arrays, contents.values(), strict=True):
        np.testing.assert_array_equal(array, elements(content))


# ----------------------------------------------------------------------------------------------------------- mirrors


def test_what_is_downloaded_is_kept_and_found_again(cache, mirror):
    paths = fetch_mnist(mirrors=[mirror("good")])
    assert paths == tuple(cache / name for name in NAMES)
    assert holds_the_four(cache)
    assert fetch_mnist(mirrors=[]) == paths  # nothing is asked for a second time
    assert_right(offline())


def test_load_downloads_what_is_missing(cache, mirror, monkeypatch):
    monkeypatch.setitem(VARIANTS, "mnist", published(CONTENTS, mirrors=[mirror("missing"), mirror("good/")]))
    assert_right(offline())
    assert holds_the_four(cache)
    (cache / NAMES[2]).unlink()
    assert_right(offline())
    assert holds_the_four(cache)


FAULTS = {
    "missing": r"HTTP 404 Not Found",
    "broken": r"HTTP 500 Internal Server Error",
    "forbidden": r"HTTP 403 Forbidden",
    "page": r"got b'<!DO', a page of HTML, in place of the magic number; expected 0x00000803",
    "empty": r"got an empty file; expected an IDX file of shape \(50, 28, 28\)",
    "short": r"the connection broke off",
    "half": r"got gzip data that breaks off after [\d,]+ bytes inflated; expected a whole gzip file",
    "declares_half": r"got gzip data that breaks off after [\d,]+ bytes inflated; expected a whole gzip file",
    "flipped": r"got damaged gzip data|got shape|SHA-256",
    "twice": r"got more than [\d,]+ bytes; expected fewer|bytes after the end of the gzip data; expected none",
    "garbage_behind": r"got 58 bytes after the end of the gzip data; expected none",
    "other": r"got other data, of SHA-256 [0-9a-f]{64}; expected [0-9a-f]{64}",
    "closes": r"no connection",
    "endless": r"got more than [\d,]+ bytes; expected fewer",
    "silent": r"no answer within 1 s",
    "loops": r"Exceeded 30 redirects",
}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(download, "_TIMEOUT", (1.0, 1.0))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_mirror_that_fails_is_named_and_leaves_nothing(fault, cache, mirror):
    with pytest.raises(ConnectionError) as error:
        fetch_mnist(mirrors=[mirror(fault)])
    message = str(error.value)
    assert message.startswith(f"{NAMES[0]}.gz of mnist: got it from no mirror ({mirror(fault)}/{NAMES[0]}.gz: ")
    assert re.search(FAULTS[fault], message)
    assert "path= or the environment variable RASHIN_DATA_DIR" in message
    assert "\n" not in message
    assert files_under(cache.parent.parent) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_mirror_makes_good(fault, cache, mirror, server):
    fetch_mnist(mirrors=[mirror(fault), mirror("good")])
    assert holds_the_four(cache)
    assert server.asked.count("good") == 4
    assert server.asked.count(fault) == (31 if fault == "loops" else 1)  # one that failed is asked last from then on


@pytest.mark.parametrize("folder", ["redirects", "chunked", "says_gzip_twice", "longer"])
def test_a_mirror_with_manners_of_its_own_serves_as_well(folder, cache, mirror):
    fetch_mnist(mirrors=[mirror(folder)])
    assert holds_the_four(cache)


def test_offline_every_mirror_tried_is_named_at_once(cache):
    with pytest.raises(ConnectionError) as error:
        fetch_mnist(mirrors=["http://127.0.0.1:9/a", "http://127.0.0.1:1", "nonsense"])
    assert f"http://127.0.0.1:9/a/{NAMES[0]}.gz: no connection; " in str(error.value)
    assert f"http://127.0.0.1:1/{NAMES[0]}.gz: no connection" in str(error.value)
    assert "Invalid URL 'nonsense/" in str(error.value)
    assert NAMES[1] not in str(error.value)
    assert files_under(cache.parent.parent) == []


def test_what_came_before_the_connection_was_lost_is_kept(cache, mirror, server, monkeypatch):
    monkeypatch.setitem(server.files, f"{NAMES[2]}.gz", b"")
    with pytest.raises(ConnectionError, match=rf"{NAMES[2]}\.gz of mnist: got it from no mirror"):
        fetch_mnist(mirrors=[mirror("good")])
    assert files_under(cache) == sorted(NAMES[:2])


def test_mirrors_are_a_list():
    with pytest.raises(TypeError, match=r"mirrors: got 'http://x'; expected a list of addresses: \['http://x'\]"):
        fetch_mnist(mirrors="http://x")
    with pytest.raises(ConnectionError, match=r"got it from no mirror \(none is named\)"):
        fetch_mnist(mirrors=[])


def test_a_mirror_without_end_takes_little_memory(mirror):
    def fetched():
        with pytest.raises(ConnectionError, match="more than"):
            fetch_mnist(mirrors=[mirror("endless")])

    fetched()  # imports are none of its business
    tracemalloc.start()
    fetched()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_without_pooch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[learn\]' in your clone of rashin, or name their folder"):
        load_mnist()
    assert_right(offline(path=write_four(Path("own"), CONTENTS)))
    monkeypatch.setenv("RASHIN_DATA_DIR", "own")
    assert_right(offline())


# ------------------------------------------------------------------------------------------ a file that is there is bad


@pytest.mark.parametrize("damage", [b"", CONTENTS[NAMES[0]][:-1], packed(CONTENTS[NAMES[0]])[:-5], b"<html>"])
def test_a_damaged_file_in_the_cache_is_downloaded_afresh(damage, cache, mirror):
    fetch_mnist(mirrors=[mirror("good")])
    (cache / NAMES[0]).write_bytes(damage)
    with pytest.raises(ConnectionError):
        fetch_mnist(mirrors=[])
    fetch_mnist(mirrors=[mirror("good")])
    assert holds_the_four(cache)


def test_one_flipped_bit_in_the_cache_is_noticed(cache, mirror):
    fetch_mnist(mirrors=[mirror("good")])
    damaged = bytearray(CONTENTS[NAMES[2]])
    damaged[5000] ^= 1
    (cache / NAMES[2]).write_bytes(damaged)
    with pytest.raises(ConnectionError):
        offline()
    fetch_mnist(mirrors=[mirror("good")])
    assert_right(offline())


def test_a_link_to_nothing_in_the_cache_gives_way(cache, mirror):
    cache.mkdir(parents=True)
    (cache / NAMES[1]).symlink_to(cache / "gone")
    fetch_mnist(mirrors=[mirror("good")])
    assert holds_the_four(cache)


def test_a_file_in_a_folder_that_the_user_names_is_never_replaced(machine, mirror, monkeypatch):
    named = write_four(machine / "named" / "mnist", four_files(seed=7))
    monkeypatch.setenv("RASHIN_DATA_DIR", str(named.parent))
    before = {name: (named / name).read_bytes() for name in NAMES}
    with pytest.raises(
        ValueError, match=rf"{NAMES[0]}: got other data, of SHA-256 .* fix: remove a damaged copy, .*; path= loads"
    ):
        fetch_mnist(mirrors=[mirror("good")])
    assert {name: (named / name).read_bytes() for name in NAMES} == before
    assert files_under(machine / "named") == sorted(f"mnist/{name}" for name in NAMES)


# ------------------------------------------------------------------------------------------------ RASHIN_DATA_DIR


def test_the_named_folder_takes_the_downloads(machine, mirror, monkeypatch):
    monkeypatch.setenv("RASHIN_DATA_DIR", "~/Datensätze")
    paths = fetch_mnist(mirrors=[mirror("good")])
    assert paths == tuple(machine / "Datensätze" / "mnist" / name for name in NAMES)
    assert_right(offline())
    assert not (machine / ".cache").exists()


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("subfolder", ["", "mnist"], ids=["directly", "under the name"])
def test_the_named_folder_is_read_as_it_is(machine, monkeypatch, is_packed, subfolder):
    folder = write_four(machine / "named" / subfolder, CONTENTS, is_packed)
    before = files_under(machine)
    monkeypatch.setenv("RASHIN_DATA_DIR", str(machine / "named"))
    assert_right(offline())
    assert fetch_mnist(mirrors=[])[0].parent == folder
    assert files_under(machine) == before


def test_files_of_another_variant_in_the_named_folder_do_no_harm(machine, mirror, monkeypatch):
    named = write_four(machine / "named", four_files(seed=2))  # of fashion, say, directly in it
    monkeypatch.setenv("RASHIN_DATA_DIR", str(named))
    fetch_mnist(mirrors=[mirror("good")])
    assert holds_the_four(named / "mnist")
    assert {name: (named / name).read_bytes() for name in NAMES} == four_files(seed=2)


# ------------------------------------------------------------------------------------------------ variants, and copies


def test_kmnist_is_known_by_the_hash_of_its_gz(machine, monkeypatch, mirror):
    monkeypatch.setitem(VARIANTS, "kmnist", published(CONTENTS, "kmnist", "KMNIST", is_packed=True))
    with pytest.raises(ConnectionError, match=r"got an uncompressed file; expected .*\.gz, whose SHA-256"):
        fetch_mnist("kmnist", [mirror("says_gzip_twice")])
    paths = fetch_mnist("kmnist", [mirror("good")])
    assert [path.name for path in paths] == [f"{name}.gz" for name in NAMES]
    assert [path.read_bytes() for path in paths] == [*ZIPPED.values()]
    assert_right(offline(variant="kmnist"))
    torchvision = write_four(machine / "project" / "data" / "KMNIST" / "raw", CONTENTS)  # inflated: any content
    shutil.rmtree(paths[0].parent)
    with pytest.raises(ConnectionError):
        fetch_mnist("kmnist", [])
    write_four(torchvision, CONTENTS, is_packed=True)
    assert_right(offline(variant="kmnist"))


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("root", ["project", "project/data", "data", ".", "datasets"])
@pytest.mark.parametrize(("variant", "folder"), [("mnist", "MNIST"), ("fashion", "FashionMNIST")])
def test_what_torchvision_left_is_found(machine, monkeypatch, variant, folder, root, is_packed):
    monkeypatch.setitem(VARIANTS, variant, published(CONTENTS, variant, folder))
    raw = write_four(machine / root / folder / "raw", CONTENTS, is_packed)
    assert_right(offline(variant=variant))
    assert {path.resolve().parent for path in fetch_mnist(variant, [])} == {raw.resolve()}
    assert not (machine / ".cache").exists()  # what is there is read where it is


def keras_archive(path, x_train, y_train, x_test, y_test):
    path.parent.mkdir(parents=True)
    np.savez_compressed(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


@pytest.mark.parametrize("variable", ["", "KERAS_HOME"])
def test_what_keras_left_is_found(machine, monkeypatch, variable):
    home = machine / ".keras"
    if variable:
        home = machine / "keras elsewhere"
        monkeypatch.setenv(variable, str(home))
    keras_archive(home / "datasets" / "mnist.npz", *map(elements, CONTENTS.values()))
    assert_right(offline())
    assert fetch_mnist(mirrors=[]) == (home / "datasets" / "mnist.npz",) * 4


def test_what_keras_left_of_fashion_is_found(machine, monkeypatch):
    monkeypatch.setitem(VARIANTS, "fashion", published(CONTENTS, "fashion", "FashionMNIST"))
    write_four(machine / ".keras" / "datasets" / "fashion-mnist", CONTENTS, is_packed=True)
    assert_right(offline(variant="fashion"))


def test_what_debian_left_is_found(monkeypatch):
    monkeypatch.setitem(VARIANTS, "fashion", published(CONTENTS, "fashion", "FashionMNIST"))
    write_four(copies._DEBIAN, CONTENTS, is_packed=True)
    assert_right(offline(variant="fashion"))


def test_what_tensorflow_left_is_found(machine):
    downloads = machine / "tensorflow_datasets" / "downloads"
    write_four(downloads, {f"cvdf-datasets_mnist_{name}RA_Kv3PM-k": CONTENTS[name] for name in NAMES}, is_packed=True)
    assert_right(offline())


class _Pickled:
    def __reduce__(self):
        return (Path.touch, (Path("unpickled").absolute(),))


def test_an_archive_of_another_kind_is_passed_over_and_never_unpickled(machine):
    path = machine / ".keras" / "datasets" / "mnist.npz"
    objects = np.empty(1, object)
    objects[0] = _Pickled()
    keras_archive(path, objects, objects, objects, objects)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped.npy", b"")
    for damage in (bytes, lambda data: data[:-30], lambda data: data[:100] + bytes(100) + data[200:], lambda _: b""):
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(ConnectionError):
            load_mnist()
    assert files_under(machine) == [".keras/datasets/mnist.npz"]
    assert pickle.loads(pickle.dumps(_Pickled())) is None  # the trap was armed
    assert files_under(machine) == [".keras/datasets/mnist.npz", "project/unpickled"]


def test_an_archive_packed_as_numpy_never_does_is_passed_over(machine):
    path = machine / ".keras" / "datasets" / "mnist.npz"
    keras_archive(path, *map(elements, CONTENTS.values()))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for method, is_found in ((zipfile.ZIP_STORED, True), (zipfile.ZIP_LZMA, False), (zipfile.ZIP_BZIP2, False)):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        if is_found:
            assert_right(offline())
        else:
            with pytest.raises(ConnectionError):
                load_mnist()


def test_a_damaged_copy_elsewhere_is_passed_over(machine, cache, mirror):
    write_four(machine / "project" / "data" / "MNIST" / "raw", four_files(seed=5))
    fetch_mnist(mirrors=[mirror("good")])
    assert holds_the_four(cache)


# ----------------------------------------------------------------------------------------- processes, disks and rights

SCRIPT = """
import os, sys
sys.path.insert(0, os.environ["TESTS"])
from idx_files import four_files, published
from rashin.datasets import fetch_mnist
from rashin.datasets.published import VARIANTS
VARIANTS["mnist"] = published(four_files())
{before}
fetch_mnist(mirrors=[{mirror!r}])
"""


def start(mirror, before=""):
    code = SCRIPT.format(before=before, mirror=mirror)
    environment = {**os.environ, "TESTS": str(Path(__file__).parent)}
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=environment)


def test_processes_at_once_end_with_the_same_four_files(cache, mirror):
    count = 4
    processes = [start(mirror("good")) for _ in range(count)]
    complaints = [process.communicate(timeout=120)[1] for process in processes]
    assert complaints == [""] * count
    assert {process.returncode for process in processes} == {0}
    assert holds_the_four(cache)


@pytest.mark.parametrize("eighths", [0, 3, 7])
def test_a_process_killed_in_mid_write_leaves_nothing_that_the_next_does_not_mend(eighths, cache, mirror):
    limit = len(CONTENTS[NAMES[0]]) * eighths // 8
    killed_at = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); sys.dont_write_bytecode = True\n"
        f"resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); resource.setrlimit(resource.RLIMIT_FSIZE, ({limit},) * 2)"
    )
    process = start(mirror("good"), before=killed_at)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGXFSZ
    (part,) = cache.iterdir()  # no handler ran: half a file is there, but not under the final name
    assert part.suffix == ".part"
    assert part.stat().st_size == limit
    fetch_mnist(mirrors=[mirror("good")])
    assert holds_the_four(cache, beside=[part.name])  # who knows whether its writer lives, perhaps on another machine?
    os.utime(part, (0, 0))
    (cache / NAMES[0]).unlink()
    fetch_mnist(mirrors=[mirror("good")])
    assert holds_the_four(cache)


def test_what_a_living_process_writes_is_left_to_it(cache, mirror):
    cache.mkdir(parents=True)
    others = [f"{NAMES[0]}.{'a' * 16}.part", f"{NAMES[0]}.notes.part", "thesis.1-1.part"]
    for name in others:
        (cache / name).write_bytes(b"half")
    fetch_mnist(mirrors=[mirror("good")])
    assert files_under(cache) == sorted([*NAMES, *others])


@contextmanager
def full_disk():
    """Room for the labels, but not for the images; only while it is needed, for it holds for pytest's log too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_stops_fetch_but_not_load(cache, mirror, monkeypatch):
    with pytest.raises(OSError, match="File too large"), full_disk():
        fetch_mnist(mirrors=[mirror("good")])
    assert files_under(cache) == []
    monkeypatch.setitem(VARIANTS, "mnist", published(CONTENTS, mirrors=[mirror("good")]))
    told = r"mnist: the files cannot be kept there \(File too large\)"
    with pytest.warns(UserWarning, match=told) as caught, full_disk():
        arrays = offline()
    assert_right(arrays)
    assert len(caught) == 2
    assert files_under(cache) == sorted([NAMES[1], NAMES[3]])


def test_a_name_that_is_taken_by_a_folder_stops_fetch_but_not_load(cache, mirror, monkeypatch):
    (cache / NAMES[0] / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match=NAMES[0]):
        fetch_mnist(mirrors=[mirror("good")])
    monkeypatch.setitem(VARIANTS, "mnist", published(CONTENTS, mirrors=[mirror("good")]))
    with pytest.warns(UserWarning, match="the files cannot be kept there") as caught:
        assert_right(offline())
    assert caught[0].filename == __file__
    assert files_under(cache) == sorted(NAMES[1:])


@pytest.fixture
def common_folder():
    """A folder in which others than root may read and write, and nobody's rights while it is used."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield Path(folder)
        os.seteuid(user)


def test_a_folder_without_the_right_to_write_stops_fetch_but_not_load(common_folder, mirror, monkeypatch):
    locked = common_folder / "locked"
    locked.mkdir(mode=0o555)
    monkeypatch.setenv("RASHIN_DATA_DIR", str(locked))
    with pytest.raises(PermissionError, match="locked"):
        fetch_mnist(mirrors=[mirror("good")])
    monkeypatch.setitem(VARIANTS, "mnist", published(CONTENTS, mirrors=[mirror("good")]))
    with pytest.warns(UserWarning, match=r"the files cannot be kept there \(Permission denied\)"):
        assert_right(offline())
    assert files_under(locked) == []


def test_a_file_without_the_right_to_read_is_named(common_folder):
    folder = write_four(common_folder / "own", CONTENTS)
    (folder / NAMES[1]).chmod(0)
    with pytest.raises(PermissionError, match=NAMES[1]):
        load_mnist(path=folder)


# -------------------------------------------------------------------------------------------------- the command line


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["rashin", "fetch", *arguments])
    return main()


def test_the_command_says_where_the_files_are(cache, mirror, monkeypatch, capsys):
    for mirrors in (["--mirror", mirror("missing"), "--mirror", mirror("good")], []):
        assert command(monkeypatch, "mnist", *mirrors) == 0
        assert capsys.readouterr() == ("".join(f"{cache / name}\n" for name in NAMES), "")
    assert holds_the_four(cache)


def test_an_archive_is_named_once(machine, monkeypatch, capsys):
    path = machine / ".keras" / "datasets" / "mnist.npz"
    keras_archive(path, *map(elements, CONTENTS.values()))
    assert command(monkeypatch, "mnist") == 0
    assert capsys.readouterr() == (f"{path}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mnits"], "variant: got 'mnits'; expected 'mnist', 'fashion', 'kmnist'; did you mean 'mnist'?"),
        ([], "Missing argument 'NAME'"),
        (
            ["mnist", "--mirror", "http://127.0.0.1:9"],
            "http://127.0.0.1:9/train-images-idx3-ubyte.gz: no connection); expected one that serves it",
        ),
        (["mnist"], "train-images-idx3-ubyte.gz of mnist: got it from no mirror"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_and_exit_code_2(arguments, words, monkeypatch, capsys):
    assert command(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"rashin: [^\n]+\n", err)
    assert words in err


def test_a_terminal_shows_a_bar_for_each_file(mirror, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert command(monkeypatch, "mnist", "--mirror", mirror("missing"), "--mirror", mirror("chunked")) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    last = [line.rstrip() for line in re.split(r"[\r\n]+", shown) if line.strip()][-4:]
    sizes = [f"{len(data) / 1000:.1f}/{len(data) / 1000:.1f} kB" for data in ZIPPED.values()]
    for line, name, size in zip(last, NAMES, sizes, strict=True):
        assert re.match(rf"mnist {name} +━+ ", line)
        if len(ZIPPED[f"{name}.gz"]) >= 1000:
            assert size in line
    assert max(map(len, last)) <= 80


@needs_mnist
def test_the_real_files_through_the_real_command(cache, monkeypatch):
    with serving({f"{name}.gz": packed(real_content(name)) for name in NAMES}) as real:
        arguments = ["fetch", "mnist", "--mirror", real.folder("flipped"), "--mirror", real.folder("good")]
        done = subprocess.run(
            [sys.executable, "-m", "rashin", *arguments], capture_output=True, text=True, timeout=120, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "".join(f"{cache / name}\n" for name in NAMES)
    monkeypatch.setitem(VARIANTS, "mnist", MNIST)
    (x, t), _ = load_mnist()
    assert x.shape == (60000, 784)
    assert [*t[:5]] == [5, 0, 4, 1, 9]


def test_requests_are_what_pooch_sends():
    """`_gist` reads the exceptions of requests: pooch must go on raising them."""
    with pytest.raises(requests.ConnectionError):
        pooch.HTTPDownloader(timeout=0.5)("http://127.0.0.1:9/", os.devnull, None)
