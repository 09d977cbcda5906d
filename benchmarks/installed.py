"""routectl as users install it: a compiled copy in a separate virtual environment.

An editable install would add an import hook to every start and, if PYTHONDONTWRITEBYTECODE is set, compile the
modules again each time.
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_PACKAGES = ("topology", "routing", "cli")
_SCRIPT = """\
#!{python}
import sys
from routectl.cli.main import main
if __name__ == '__main__':
    sys.exit(main())
"""


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a command.

    Parameters:
      seconds: Its wall-clock time.
      megabytes: Its peak memory; a megabyte is 1,000,000 bytes.
      output: What it wrote to stdout.
    """

    seconds: float
    megabytes: float
    output: str


class Installed:
    """A copy of routectl.

    Parameters:
      folder: Where to install it; must not exist.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.python = str(folder / "bin/python")
        self.routectl = str(folder / "bin/routectl")
        site = next(folder.glob("lib/python*/site-packages"))
        for package in _PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_ROOT / package, site / "routectl" / package, ignore=ignored)
        # Dependencies come from the environment of the benchmarks.
        (site / "dependencies.pth").write_text(sysconfig.get_path("platlib") + "\n")
        compileall.compile_dir(site, quiet=1)
        script = Path(self.routectl)
        script.write_text(_SCRIPT.format(python=self.python))
        script.chmod(0o755)

    def run(self, *command: str) -> Run:
        """Runs a command and waits for it.

        Raises:
          RuntimeError: The command failed; contains its output.
        """
        with tempfile.TemporaryFile("w+") as output:
            begun = time.perf_counter()
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=_environment())
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read()
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}:\n{text[-2000:]}")
        bytes_ = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Run(seconds, bytes_ / 1e6, text)


def _environment() -> dict[str, str]:
    """This environment without variables that affect Python's startup or routectl."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ROUTECTL_"))}
