"""What the PyTorch peers share: `serve(make)` answers each line on standard input with one run of steps, as peer.mjs does.

Arguments of the process: threads, a file of float32 numbers, steps of a run. `make(data)` takes that file as a flat tensor and gives the model,
an nn.Module that maps a batch to -log p of each row, and the batches. `serve_steps(make)` is the same for other trainings: `make(data)` gives a function that does step number `count` and gives its loss.
"""

import json
import resource
import sys
import time

import torch


def serve(make, lr=1e-3):
    def make_step(data):
        model, batches = make(data)
        optimiser = torch.optim.Adam(model.parameters(), lr=lr)

        def step(count):
            objective = model(batches[count % len(batches)]).mean()
            optimiser.zero_grad(set_to_none=True)
            objective.backward()
            optimiser.step()
            return objective.item()

        return step

    serve_steps(make_step)


def serve_steps(make):
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(7)
    with open(sys.argv[2], "rb") as file:
        data = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
    step = make(data)
    count = 0
    print(json.dumps({"version": f"PyTorch {torch.__version__}, eager"}), flush=True)
    for _ in sys.stdin:
        times = []
        loss = 0.0
        for _ in range(int(sys.argv[3])):
            start = time.perf_counter()
            loss = step(count)
            times.append((time.perf_counter() - start) * 1000)
            count += 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": times, "last": loss, "peakMiB": peak}), flush=True)
