"""Write scikit-learn's breast cancer table (569 rows, 30 measurements, no download) to a CSV file.

python scripts/breast_cancer.py breast_cancer.csv

The column `benign` is 1 for a benign and 0 for a malignant tumour.
"""

import csv
import sys
from pathlib import Path


def main(path: Path) -> None:
    """Write the table."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(str(name).replace(" ", "_") for name in data.feature_names), "benign"])
        writer.writerows([*map(float, row), int(target)] for row, target in zip(data.data, data.target, strict=True))
    print(f"{path}: {len(data.data)} rows, {data.data.shape[1]} columns and the target 'benign'")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "breast_cancer.csv"))
