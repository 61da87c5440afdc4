"""Write a run, or a sweep, into one HTML file that needs no network.

python report.py run=outputs/<run>
python report.py run=outputs/sweeps/<sweep> output=comparison.html
"""

from logitlab.cli.entry_point import main

if __name__ == "__main__":
    main("report")
