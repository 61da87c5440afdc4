"""Say in sentences what a trained run has learnt; for one row, what each column adds to its logit.

python explain.py run=outputs/<run>
python explain.py run=outputs/<run> data.path=new.csv row=7
"""

from logitlab.cli.entry_point import main

if __name__ == "__main__":
    main("explain")
