"""Export a trained run as ONNX and torch.export programs.

python export.py run=outputs/<run>
"""

from logitlab.cli.door import main

if __name__ == "__main__":
    main("logitlab.trained.jobs:export", config_name="export")
