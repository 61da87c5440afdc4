"""Predict the rows of a table with a trained run.

python predict.py run=outputs/<run> data.path=new.csv output=predictions.csv
python predict.py run=outputs/<run> data.path=new.parquet output=predictions.parquet keep=[id]
"""

from logitlab.cli.entry_point import main

if __name__ == "__main__":
    main("predict")
