"""Export a trained run as ONNX and torch.export programs.

python export.py run=outputs/<run>
"""

from logreg.door import main

if __name__ == "__main__":
    main("logreg.jobs:export", config_name="export")
