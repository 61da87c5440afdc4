"""Export a trained run as ONNX and torch.export programs.

python export.py run=outputs/<run>
"""

from logitlab.cli.entry_point import main

if __name__ == "__main__":
    main("export")
