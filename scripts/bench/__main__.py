"""Run the benchmarks and write docs/benchmarks.md.

python scripts/bench                    every one (make bench)
python scripts/bench fit --rounds 9     one of them (make bench BENCH=fit)

Nothing is written of what was measured while other programs kept the machine busy, unless with --force.
"""

import argparse
import importlib
import sys
from pathlib import Path

import harness
import usage

NOT_BENCHMARKS = {"__main__", "harness", "sweeping", "usage"}


def main() -> None:
    """Measure what the command line names, print it, write it down."""
    here = Path(__file__).parent
    sys.path.append(str(here.parent))  # scripts/: a benchmark may use what lies there
    names = sorted(path.stem for path in here.glob("*.py") if path.stem not in NOT_BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python scripts/bench", description="Run the benchmarks; write docs/benchmarks.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(names)} (all)")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds of each (7)")
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument("--force", action="store_true", help="write what was measured on a busy machine, too")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(names)}.")
    writes = not given.dry
    if writes and not given.force and (others := usage.share_of_others()) > usage.BUSY:
        sys.exit(
            f"The machine is busy: other programs take {others:.0%} of it, and ratios need less than {usage.BUSY:.0%}. Wait,"
            " or add --dry to measure without writing, --force to write all the same (make bench BENCH='NAME --force')."
        )
    busy = []
    for name in given.names or names:
        machine = usage.Others()
        module = importlib.import_module(name)
        title, _, explanation = (module.__doc__ or name).strip().partition("\n\n")
        try:
            body = module.measure(given.rounds)
        except harness.NotHereError as error:
            print(f"{title} Not measured: {error}.\n", flush=True)
            continue
        others = machine.share()
        print(f"{title}\n\n{body}\n\nOther programs took {others:.0%} of the machine.\n", flush=True)
        if others > usage.BUSY and not given.force:
            busy.append(name)
        elif writes:
            harness.write_section(name, title.rstrip("."), explanation.strip(), body, others)
    if busy and writes:
        sys.exit(f"Not written, for the machine was busy meanwhile: {', '.join(busy)}. --force writes all the same.")


if __name__ == "__main__":
    main()
