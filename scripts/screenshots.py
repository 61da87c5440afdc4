"""Take the README's screenshots anew, as Debian's chromium shows them: its sweep in TensorBoard, and a run's report.html.

    python scripts/screenshots.py

Needs the extra `dev` (Playwright) and a chromium on the PATH. Writes docs/dashboard.png, hparams.png and report.png.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
SWEEP = ("-m", "model=sequential,class", "optimizer.lr=0.01,0.1,1")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def main() -> None:
    """Train, look, and write."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder) / "sweep"
        run("train.py", *SWEEP, f"hydra.sweep.dir={sweep}")
        run("train.py", f"hydra.run.dir={folder}/run")
        run("report.py", f"run={folder}/run")
        with tensorboard(sweep) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
            take(browser.new_page(viewport={"width": 1480, "height": 650}), f"{address}/#timeseries", "dashboard")
            take(browser.new_page(viewport={"width": 1960, "height": 450}), f"{address}/#hparams", "hparams")
            take_player(browser.new_page(viewport={"width": 1100, "height": 760}), f"file://{folder}/run/report.html")


def run(*command: str) -> None:
    """Run a command of the project."""
    subprocess.run([sys.executable, ROOT / command[0], *command[1:]], check=True, cwd=ROOT)


@contextmanager
def tensorboard(folder: Path) -> Iterator[str]:
    """Serve a folder; yield the address."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0", "--load_fast", "false"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield next(found[0] for line in process.stderr if (found := re.search(r"http://\S+:\d+", line)))
        finally:
            process.terminate()


def take(page: Page, address: str, name: str) -> None:
    """Open an address, let it settle, and write docs/<name>.png."""
    page.goto(address)
    if name == "dashboard":
        page.get_by_role("button", name="Settings").last.click()  # it begins open, over a third of the charts
    page.wait_for_timeout(8_000)  # charts are drawn as their values arrive, and nothing says when the last one has
    page.screenshot(path=ROOT / "docs" / f"{name}.png")


def take_player(page: Page, address: str) -> None:
    """Play the training of a report halfway, and write docs/report.png from there on."""
    page.goto(address)
    moment = page.locator("#frame")
    moment.evaluate("node => { node.value = Math.round(0.55 * node.max); node.dispatchEvent(new Event('input')); }")
    page.locator("#player").evaluate("node => node.scrollIntoView()")
    page.screenshot(path=ROOT / "docs" / "report.png")


if __name__ == "__main__":
    main()
