"""100,000 requests to serve.py on loopback, a row each, over 64 connections that stay open; then killed and started again.

The clients are of asyncio, in the same process as the measurement, on the same cores as the server. A request that fails, or is
answered with another probability than predict's, ends the benchmark.
"""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import polars as pl
from harness import ROOT, table

REQUESTS = 100_000
CONNECTIONS = 64
FEATURES, TRAINED_ON = 10, 5_000


def measure(rounds: int) -> str:
    """Return the table; `rounds` is of no use: every round is 100,000 requests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = trained(folder)
        port = free_port()
        body = []
        for number, ending in enumerate((signal.SIGKILL, signal.SIGTERM)):
            with started(folder, port) as server:
                seconds = waited(port)
                count = REQUESTS if number == 0 else CONNECTIONS
                latencies, whole = asyncio.run(load(port, rows, count))
                server.send_signal(ending)
                code = server.wait(60)
            assert code == (-signal.SIGKILL if number == 0 else 128 + signal.SIGTERM), code
            if number == 0:
                cut = statistics.quantiles(latencies, n=100)
                body.append(
                    ["100,000 requests", f"{count / whole:,.0f} a second", f"{1e3 * cut[49]:.1f} ms", f"{1e3 * cut[98]:.1f} ms"]
                )
            body.append([("start", "start after a kill")[number], f"{seconds:.1f} s", "", ""])
        return table(["", "", "median", "99th percentile"], body)


def trained(folder: Path) -> list[tuple[bytes, float]]:
    """Train a run in folder/run; return rows as JSON, each with predict's probability."""
    from logitlab.inference.model_file import load_model

    generator = numpy.random.default_rng(0)
    x = generator.normal(size=(TRAINED_ON, FEATURES))
    y = x @ generator.normal(size=FEATURES) + generator.logistic(size=TRAINED_ON) > 0
    frame = pl.DataFrame({f"x{number}": x[:, number] for number in range(FEATURES)}).with_columns(y=y.astype(int))
    frame.write_csv(folder / "t.csv")
    train = [sys.executable, str(ROOT / "train.py"), "data=table", "data.path=t.csv", "data.target=y", "optimizer=newton"]
    subprocess.run([*train, "hydra.run.dir=run"], cwd=folder, check=True, capture_output=True)
    model = load_model(folder / "run")
    expected = model.probability(frame).tolist()
    rows = frame.drop("y").to_dicts()
    return [(json.dumps(row).encode(), probability) for row, probability in zip(rows, expected, strict=True)]


def started(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Return the server, which is not up yet."""
    command = [sys.executable, str(ROOT / "serve.py"), f"run={folder / 'run'}", f"port={port}", "contributions=false"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def waited(port: int) -> float:
    """Return the seconds until the server is up."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < 120:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
                link.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if link.recv(64).startswith(b"HTTP/1.1 200"):
                    return time.perf_counter() - begun
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the server is not up after two minutes")


async def load(port: int, rows: list[tuple[bytes, float]], count: int) -> tuple[list[float], float]:
    """Ask `count` times over CONNECTIONS connections; return each request's seconds, and those of all."""
    numbers, latencies = iter(range(count)), []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            body, expected = rows[number % len(rows)]
            begun = time.perf_counter()
            head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
            content = await reader.readexactly(length)
            latencies.append(time.perf_counter() - begun)
            assert answer.startswith(b"http/1.1 200"), answer + content
            assert json.loads(content)["probability"] == expected, (content, expected)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return latencies, time.perf_counter() - begun


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
