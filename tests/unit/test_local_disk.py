import errno
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rpo_probes import _transfer as transfer
from rpo_probes._filesystem import cached_ratio, mount_of, parse_mounts
from rpo_probes._janitor import MANIFEST, folder_name
from rpo_probes._settings import LocalDiskSettings
from rpo_probes._trial import Bench
from rpo_probes._workspace import Workspace
from rpo_probes.local_disk import LocalDiskProbe

from rpo_sim.errors import ProbeDenied, ProbeUnavailable
from rpo_sim.probe import settings_from_text
from rpo_sim.probe_contract import Recorder
from rpo_sim.records import Observation, Outcome

KI, MI = 1 << 10, 1 << 20
PROBE = LocalDiskProbe()


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    state_folder = tmp_path / "state"
    state_folder.mkdir()
    return Recorder(state_folder)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def quick(place: Path, **changes: object) -> LocalDiskSettings:
    values: dict[str, object] = {"sizes": (256 * KI, MI), "concurrency": (1, 2), "repetitions": 2}
    return LocalDiskSettings.model_validate({"path": place, "keep_free": "1Mi"} | values | changes)


def measure(recorder: Recorder, settings: LocalDiskSettings) -> list[Observation]:
    return [seen for batch in PROBE.measure(settings, recorder.context) for seen in batch]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def xfs(tmp_path: Path) -> Iterator[Path]:
    """A real file system that can reflink."""
    image, place = tmp_path / "image", tmp_path / "xfs"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(512 * MI)
    try:
        subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no mkfs.xfs, or no right to mount")
    yield place
    subprocess.run(["umount", place], check=True)


def test_every_cell_is_measured_and_every_restore_verified(recorder: Recorder, place: Path) -> None:
    seen = measure(recorder, quick(place))
    data = [o for o in seen if (o.operation, o.stage) == ("restore", "data")]
    cells = [(o.bytes_capacity, o.concurrency) for o in data if o.labels["cache"].startswith("cold")]
    # 2 repetitions: 2 groups of one, or 1 group of two
    assert sorted(cells) == sorted([(size, k) for size in (256 * KI, MI) for k in (1, 2) for _ in range(2)])
    assert len(data) == 2 * len(cells)
    assert all(o.verified and o.outcome is Outcome.SUCCEEDED and o.exact for o in data)
    assert all(o.bytes_moved == o.bytes_capacity for o in data)
    assert all(o.backend == f"local-disk:{mount_of(place).filesystem}" for o in seen)
    assert list(place.iterdir()) == []
    assert list(recorder.context.state_folder.iterdir()) == []


def test_stages_add_up(recorder: Recorder, place: Path) -> None:
    stages: dict[str, dict[str, float]] = {}
    for seen in measure(recorder, quick(place)):
        stages.setdefault(seen.operation_id, {})[seen.stage] = seen.lower_seconds
    for one in stages.values():
        if "data" in one:
            assert one["ready"] == pytest.approx(one["data"] + one["verify"], abs=1e-3)
            assert one["ready"] >= max(one["data"], one["verify"])
        else:
            assert 0 < one["cut"] <= one["ready"]


def test_restores_of_one_group_are_in_flight_together(recorder: Recorder, place: Path) -> None:
    seen = measure(recorder, quick(place, sizes=(16 * MI,), concurrency=(3,), cache="warm", repetitions=3))
    data = [o for o in seen if (o.operation, o.stage) == ("restore", "data")]
    assert len(data) == 3
    starts = [o.started_at.timestamp() for o in data if o.started_at]
    ends = [start + o.lower_seconds for start, o in zip(starts, data, strict=True)]
    assert max(starts) < min(ends)


def test_cold_means_out_of_memory_and_warm_means_in(place: Path) -> None:
    path = place / "volume-0"
    transfer.write_volume(path, 4 * MI, "seed", lambda: False)
    transfer.read_through(path)
    assert cached_ratio(path) == 1.0
    if mount_of(place).filesystem == "tmpfs":
        pytest.skip("memory cannot be dropped")
    transfer.drop_cache(path)
    assert cached_ratio(path) == 0.0


def test_cold_that_cannot_be_had_is_only_requested(recorder: Recorder, small_disk: Path) -> None:
    seen = measure(recorder, quick(small_disk, sizes=(256 * KI,), concurrency=(1,), keep_free="1Ki"))
    assert {o.labels.get("cache") for o in seen} == {None, "warm", "cold_requested"}


def test_a_snapshot_by_reflink_moves_nothing(recorder: Recorder, xfs: Path) -> None:
    seen = measure(recorder, quick(xfs, sizes=(8 * MI,)))
    snapshots = [o for o in seen if o.operation == "snapshot"]
    assert {(o.labels["method"], o.bytes_moved) for o in snapshots} == {("reflink", 0)}
    restores = [o for o in seen if o.operation == "restore"]
    assert {(o.labels["method"], o.bytes_moved, o.verified) for o in restores} == {("copy", 8 * MI, True)}


def test_data_is_neither_zeros_nor_repeated(place: Path) -> None:
    digests = {
        transfer.write_volume(place / f"volume-{n}", 3 * MI, f"seed/{n}", lambda: False) for n in (0, 1)
    }
    assert len(digests) == 2
    body = (place / "volume-0").read_bytes()[transfer.HEAD_BYTES :]
    blocks = {body[at : at + 4096] for at in range(0, len(body) - 4096, 4096)}
    assert len(blocks) == (len(body) - 4096 + 4095) // 4096
    assert transfer.write_volume(place / "volume-2", 3 * MI, "seed/0", lambda: False) in digests


@pytest.mark.parametrize("at", [0, 5, transfer.HEAD_BYTES, 2 * MI])
def test_a_restore_with_one_wrong_byte_is_kept_as_failed(
    recorder: Recorder, place: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    honest = transfer.copy

    def copy_with_a_fault(source: Path, target: Path, stopped: object) -> int:
        moved = honest(source, target, lambda: False)
        if target.name.startswith("restore"):
            with target.open("r+b") as file:
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes([byte[0] ^ 1]))
        return moved

    monkeypatch.setattr(transfer, "copy", copy_with_a_fault)
    seen = measure(recorder, quick(place, sizes=(3 * MI,), concurrency=(1,), repetitions=1, cache="warm"))
    restored = [o for o in seen if o.operation == "restore"]
    assert {o.stage for o in restored} == {"data", "verify", "ready"}
    assert all(o.outcome is Outcome.FAILED and o.verified is False for o in restored)
    assert "differs" in recorder.errors[0]
    assert list(place.iterdir()) == []


def test_the_live_volume_is_not_taken_for_its_snapshot(recorder: Recorder, place: Path) -> None:
    bench = Bench(place, recorder.context)
    volume = bench.new_volume(0, MI)
    bench.snapshot(volume)
    assert bench.restore([volume], "warm")[0].verified is True
    volume.snapshot = volume.path
    assert bench.restore([volume], "warm")[0].verified is False


def test_cancelled_in_flight_is_censored(recorder: Recorder, place: Path) -> None:
    bench = Bench(place, recorder.context)
    volume = bench.new_volume(0, 8 * MI)
    bench.snapshot(volume)
    calls = iter(range(1000))
    recorder.cancel_when = lambda: next(calls) >= 4
    trial = bench.restore([volume], "warm")[0]
    assert trial.outcome is Outcome.CANCELLED
    assert "data" not in trial.stages
    assert trial.elapsed_seconds > 0


def test_refuses_what_would_fill_the_disk(recorder: Recorder, small_disk: Path) -> None:
    settings = quick(small_disk, sizes=(2 * MI,), concurrency=(1,), keep_free="2Mi")  # needs 3 × 2 + 1
    report = PROBE.check(settings, recorder.context)
    assert not report.ok
    with pytest.raises(ProbeUnavailable, match=r"8MiB free, of which 7MiB .* 2MiB must stay free"):
        measure(recorder, settings)
    assert list(small_disk.iterdir()) == []
    assert PROBE.check(quick(small_disk, sizes=(MI,), concurrency=(1,), keep_free="2Mi"), recorder.context).ok


def test_refuses_more_than_its_budget(recorder: Recorder, place: Path) -> None:
    with pytest.raises(ProbeDenied, match="--budget-bytes 1MiB is less than"):
        measure(recorder, quick(place, budget_bytes="1Mi"))


def test_peak_is_never_exceeded(recorder: Recorder, small_disk: Path) -> None:
    settings = quick(small_disk, sizes=(256 * KI, MI // 2), concurrency=(2,), repetitions=2, keep_free="1Ki")
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            stat = os.statvfs(small_disk)
            peak = max(peak, (stat.f_blocks - stat.f_bfree) * stat.f_frsize)

    watcher = threading.Thread(target=watch)
    watcher.start()
    measure(recorder, settings)
    done.set()
    watcher.join()
    assert 2 * MI < peak <= settings.peak_bytes


def fill(disk: Path, leave: int) -> None:
    stat = os.statvfs(disk)
    with (disk / "hog").open("wb") as file:
        file.write(bytes(stat.f_bavail * stat.f_frsize - leave))


@pytest.mark.parametrize("leave", [64 * KI, 700 * KI, 1300 * KI])  # in a volume, a snapshot, a restore
def test_a_disk_that_fills_up_midway(
    recorder: Recorder, small_disk: Path, monkeypatch: pytest.MonkeyPatch, leave: int
) -> None:
    settings = quick(small_disk, sizes=(512 * KI,), concurrency=(1,), keep_free="1Ki")
    PROBE.check(settings, recorder.context).require_ok()
    honest = Bench.new_volume

    def new_volume_on_a_disk_that_fills(bench: Bench, number: int, size_bytes: int) -> object:
        fill(small_disk, leave)
        return honest(bench, number, size_bytes)

    seen: list[Observation] = []

    def measure_on() -> None:
        for batch in PROBE.measure(settings, recorder.context):
            seen.extend(batch)

    monkeypatch.setattr(Bench, "new_volume", new_volume_on_a_disk_that_fills)
    with pytest.raises(ProbeUnavailable, match="ran out of room"):
        measure_on()
    broken = [o for o in seen if o.outcome is Outcome.FAILED]
    wanted = {64 * KI: None, 700 * KI: "snapshot", 1300 * KI: "restore"}[leave]
    assert {o.operation for o in broken} == ({wanted} if wanted else set())
    assert all(o.upper_seconds == float("inf") for o in broken)
    assert [path.name for path in small_disk.iterdir()] == ["hog"]


def test_a_limit_on_file_size_is_explained(recorder: Recorder, place: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512 * KI, before[1]))
        with pytest.raises(ProbeUnavailable, match=os.strerror(errno.EFBIG)):
            measure(recorder, quick(place, sizes=(MI,)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(place.iterdir()) == []


def test_ends_at_its_time_with_what_it_has(recorder: Recorder, place: Path) -> None:
    seen = measure(recorder, quick(place, repetitions=10_000, max_duration="500ms"))
    assert {o.outcome for o in seen} == {Outcome.SUCCEEDED}
    assert len({(o.bytes_capacity, o.concurrency) for o in seen if o.operation == "restore"}) == 4
    assert "--max-duration 500ms" in recorder.errors[0]


@pytest.mark.parametrize("missing", ["nowhere", "file"])
def test_a_path_that_is_no_folder(recorder: Recorder, place: Path, missing: str) -> None:
    (place / "file").touch()
    with pytest.raises(ProbeDenied, match=r"is not a folder: create it, or choose another --path"):
        measure(recorder, quick(place / missing))


def test_a_read_only_mount(recorder: Recorder, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(ProbeDenied, match="read-only"):
        measure(recorder, quick(small_disk))


def test_settings_are_read_from_text() -> None:
    settings = settings_from_text(PROBE, {"sizes": "16Mi, 1Gi", "concurrency": "8", "max_duration": "10m"})
    assert isinstance(settings, LocalDiskSettings)
    assert (settings.sizes, settings.concurrency, settings.max_duration) == ((16 * MI, 1 << 30), (8,), 600.0)


def test_defaults_support_a_fit_over_size() -> None:
    settings = LocalDiskSettings()
    assert max(settings.sizes) >= 4 * min(settings.sizes)
    assert len(settings.sizes) * len(settings.concurrency) * settings.repetitions * 2 >= 30


def test_later_mounts_hide_earlier_ones() -> None:
    table = "1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / /mnt\\040x rw,a shared:1 - xfs /dev/b rw\n"
    assert [(m.point, m.filesystem) for m in parse_mounts(table)] == [("/", "ext4"), ("/mnt x", "xfs")]


def test_a_foreign_file_in_the_workspace_stays(recorder: Recorder, place: Path) -> None:
    workspace = Workspace(place, recorder.context.state_folder)
    (workspace.folder / "volume-0").touch()
    (workspace.folder / "thesis.txt").write_text("precious")
    assert not workspace.close()
    assert sorted(path.name for path in workspace.folder.iterdir()) == [MANIFEST, "thesis.txt"]


def test_only_one_s_own_dead_are_swept(recorder: Recorder, place: Path) -> None:
    similar = place / folder_name("0" * 32)
    similar.mkdir()
    (similar / "volume-0").write_text("of somebody else")
    forged = place / folder_name("1" * 32)
    forged.mkdir()
    (forged / MANIFEST).write_text('{"made_by": "somebody", "identity": "' + "1" * 32 + '"}')
    linked = place / folder_name("2" * 32)
    linked.symlink_to(similar)
    living = Workspace(place, recorder.context.state_folder)
    report = PROBE.check(quick(place), recorder.context)
    assert report.ok
    assert not [finding for finding in report.findings if "removed" in finding.what]
    assert similar.exists()
    assert forged.exists()
    assert linked.is_symlink()
    assert living.folder.exists()
    assert living.close()
