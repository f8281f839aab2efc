"""What a wheel holds besides the sources: the kernels, compiled for this machine or for the targets that are named.

RASHIN_TARGETS=all python -m build       # or the names of targets, with spaces between them
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledKernels(BuildHookInterface):
    def initialize(self, version, build_data):
        if version == "editable":  # its sources change: kernels are compiled at their first use, and kept
            return
        self._folder = tempfile.TemporaryDirectory()
        root, targets = Path(self.root), os.environ.get("RASHIN_TARGETS", "").split()
        path = os.pathsep.join([str(root / "src"), *filter(None, sys.path)])  # pip adds its build environment there
        environment = {**os.environ, "PYTHONPATH": path}
        command = [sys.executable, "-m", "rashin.archives", self._folder.name, *targets]
        subprocess.run(command, env=environment, cwd=root, check=True, stdout=subprocess.DEVNULL)
        for archive in Path(self._folder.name).iterdir():
            build_data["force_include"][str(archive)] = f"rashin/native/archives/{archive.name}"

    def finalize(self, version, build_data, artifact_path):
        if version != "editable":
            self._folder.cleanup()
