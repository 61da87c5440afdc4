"""`python -m logitlab COMMAND ...`."""

from logitlab.cli.entry_point import console

if __name__ == "__main__":
    console()
