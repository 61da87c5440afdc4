"""Run the benchmarks and write docs/benchmarks.md.

python scripts/bench                    every one (make bench)
python scripts/bench fit --rounds 9     one of them (make bench BENCH=fit)
"""

import argparse
import importlib
import sys
from pathlib import Path

import harness

NOT_BENCHMARKS = {"__main__", "harness", "sweeping"}


def main() -> None:
    """Measure what the command line names, print it, write it down."""
    here = Path(__file__).parent
    sys.path.append(str(here.parent))  # scripts/: a benchmark may use what lies there
    names = sorted(path.stem for path in here.glob("*.py") if path.stem not in NOT_BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python scripts/bench", description="Run the benchmarks; write docs/benchmarks.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(names)} (all)")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds of each (7)")
    parser.add_argument("--dry", action="store_true", help="print only")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(names)}.")
    for name in given.names or names:
        module = importlib.import_module(name)
        title, _, explanation = (module.__doc__ or name).strip().partition("\n\n")
        try:
            body = module.measure(given.rounds)
        except harness.NotHereError as error:
            print(f"{title} Not measured: {error}.\n", flush=True)
            continue
        print(f"{title}\n\n{body}\n", flush=True)
        if not given.dry:
            harness.write_section(name, title.rstrip("."), explanation.strip(), body)


if __name__ == "__main__":
    main()
