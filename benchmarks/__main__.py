"""All measurements of speed, one after the other: `make bench`."""

import runpy
from pathlib import Path

for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    print(f"\n== {path.stem} ==", flush=True)
    runpy.run_module(f"benchmarks.{path.stem}", run_name="__main__", alter_sys=True)
