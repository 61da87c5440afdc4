"""Train a logistic regression.

python train.py model=sequential trainer.accelerator=gpu
python train.py -m model=sequential,class optimizer.lr=0.01,0.1,1
"""

from logitlab.cli.entry_point import main

if __name__ == "__main__":
    main("train")
