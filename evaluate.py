"""Compute the metrics of a trained run on a table with answers.

python evaluate.py run=outputs/<run> data.path=labelled.csv
"""

from logitlab.cli.entry_point import main

if __name__ == "__main__":
    main("evaluate")
