"""Choose the penalty by cross-validation, then train with it on all folds.

python select_penalty.py data=table data.path=table.csv data.target=answer
python select_penalty.py data=study selection.penalty=l1 selection.choose=min
"""

from logitlab.cli.entry_point import main

if __name__ == "__main__":
    main("select_penalty")
