"""Answer requests with the predictions of a trained run, over HTTP.

python serve.py run=outputs/<run>
"""

from logitlab.cli.entry_point import main

if __name__ == "__main__":
    main("serve")
