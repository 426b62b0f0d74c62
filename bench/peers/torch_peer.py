"""What the PyTorch peers share: `serve(make)` answers each line on standard input with one run of steps, as peer.mjs does.

Arguments of the process: threads, a file of float32 numbers, steps of a run. `make(data)` takes that file as a flat tensor and gives the model,
an nn.Module that maps a batch to -log p of each row, and the batches. `serve_steps(make)` is the same for other trainings: `make(data)` gives a function that does step number `count` and gives its loss.

GMC_BENCH_DEVICE=cuda puts model and data on a card; then the loss is read once a run, and a step's time is the run's divided by its steps.
GMC_BENCH_MODE=compiled compiles the model, with CUDA graphs on a card; a step that `serve` does not write itself ends with code 3 then.
"""

import json
import os
import resource
import sys
import time

import torch

DEVICE = os.environ.get("GMC_BENCH_DEVICE", "cpu")
COMPILED = os.environ.get("GMC_BENCH_MODE", "eager") == "compiled"


def serve(make, lr=1e-3):
    def make_step(data):
        model, batches = make(data)
        optimiser = torch.optim.Adam(model.parameters(), lr=lr, capturable=COMPILED and DEVICE != "cpu")
        forward = torch.compile(model, mode="reduce-overhead") if COMPILED else model

        def step(count):
            if COMPILED:
                torch.compiler.cudagraph_mark_step_begin()
            objective = forward(batches[count % len(batches)]).mean()
            optimiser.zero_grad(set_to_none=True)
            objective.backward()
            optimiser.step()
            return objective.detach()

        return step

    answer(make_step)


def serve_steps(make):
    if COMPILED:
        sys.exit(3)
    answer(make)


def answer(make):
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(7)
    torch.set_default_device(DEVICE)
    with open(sys.argv[2], "rb") as file:
        data = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).to(DEVICE)
    step = make(data)
    steps = int(sys.argv[3])
    count = 0
    print(json.dumps({"version": f"PyTorch {torch.__version__}, {'compiled' if COMPILED else 'eager'}, {DEVICE}"}), flush=True)
    for _ in sys.stdin:
        times = []
        loss = 0.0
        begun = time.perf_counter()
        for _ in range(steps):
            start = time.perf_counter()
            loss = step(count)
            if DEVICE == "cpu":
                loss = float(loss)
            times.append((time.perf_counter() - start) * 1000)
            count += 1
        if DEVICE != "cpu":
            # reading the last loss waits for all before it
            loss = float(loss)
            times = [(time.perf_counter() - begun) * 1000 / steps] * steps
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": times, "last": loss, "peakMiB": peak}), flush=True)
