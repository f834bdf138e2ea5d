"""What all tests share: folders of their own, repeatable Hypothesis, and skips that are spoken of."""

import os
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("shared-cores", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("shared-cores")

NO_SKIPS = "RPO_SIM_NO_SKIPS"
HOW_TO_RUN = {
    "root": "run `make test` as root on a machine you can spare, or in a privileged container",
    "mount": "run `make test` as root on a machine you can spare, or in a privileged container",
    "mkfs.xfs": "install xfsprogs",
    "no prometheus": "install Debian's package prometheus, or put the binary into PATH",
    "no promtool": "install Debian's package prometheus, or put the binary into PATH",
    "memory cannot be dropped": "let TMPDIR point to a disk instead of a tmpfs",
    "the lab is not built": "make lab-build (some 12 minutes, once)",
    "the lab cannot run here": "install what is named, then make lab-build (some 12 minutes, once)",
    "needs the lab": "unset RPO_SIM_TEST_KUBECONFIG",
    "could not import": "install what the lock file names: make clean, then make test",
}


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the store or the state of whoever runs it."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp() / name.lower()))
    monkeypatch.delenv("RPO_SIM_STORE", raising=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything can run, a skip would hide a broken machine: it fails."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(NO_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"skipped although {NO_SKIPS} is set: {_reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested and how to have it tested."""
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if not skipped:
        return
    terminalreporter.section("not tested here")
    for reason, count in skipped.items():
        ways = dict.fromkeys(remedy for word, remedy in HOW_TO_RUN.items() if word in reason)
        how = f" To run: {' and '.join(ways)}." if ways else ""
        terminalreporter.line(f"{count} x {reason}.{how}")


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
