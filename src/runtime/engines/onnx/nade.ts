/**
 * NADE's conditionals and their gradients on the host, with kernels over rows of hidden units. The hidden layer changes only where an entry is not
 * zero, so sigmoids are computed there alone; the rest is a product with a row of weights for each entry. A few examples go through the
 * entries together, so that a row of weights is read from the cache by all of them. Gradients compute the hidden layers once more, keep those
 * that differ, and go back through them.
 */
import type { NodeOf } from "../../graph/types.js";
import type { HostRun } from "./host.js";
import type { Arena, Region } from "./memory.js";

/** Examples that go through the entries together. */
const GROUP = 8;

interface Layout {
  readonly n: number;
  readonly d: number;
  readonly h: number;
  readonly o: number;
  /** Hidden units of a row with its padding: kernels take vectors of four. */
  readonly width: number;
}

function layoutOf([x, inward, , outward]: readonly Region[]): Layout {
  const [n, d] = x!.shape as readonly [number, number];
  const [h, o] = [inward!.shape[1]!, outward!.shape[1]!];
  return { n, d, h, o, width: Math.ceil(h / 4) * 4 };
}

/** Regions for the time of a run. */
class Scratch {
  private readonly regions: Region[] = [];

  constructor(private readonly arena: Arena) {}

  /** Zeros. */
  rows(count: number, width: number): Region {
    const region = this.arena.region("f32", [count, width]);
    this.regions.push(region);
    return region;
  }

  /** Rows of `h` as rows of `width`, zeros after; a matrix that has that width already stays where it is. */
  padded(region: Region, { h, width }: Layout): Region {
    if (h === width) return region;
    const count = region.size / h;
    const own = this.rows(count, width);
    const [to, from] = [own.data(), region.data()];
    for (let r = 0; r < count; r++) to.set(from.subarray(r * h, (r + 1) * h), r * width);
    return own;
  }

  free(): void {
    for (const region of this.regions) region.free();
  }
}

/** A run with regions of its own. */
function withScratch(arena: Arena, run: (scratch: Scratch, operands: readonly Region[], out: Region) => void): HostRun {
  return (operands, out) => {
    const scratch = new Scratch(arena);
    try {
      run(scratch, operands, out);
    } finally {
      scratch.free();
    }
  };
}

export function nadeHost(arena: Arena, _node: NodeOf<"nade">): HostRun {
  return withScratch(arena, (scratch, operands, out) => {
    const layout = layoutOf(operands);
    const { n, d, o, width } = layout;
    const [inward, bias, outward] = operands.slice(1, 4).map((region) => scratch.padded(region, layout)) as [Region, Region, Region];
    const [sum, layer] = [scratch.rows(GROUP, width), scratch.rows(GROUP, width)];
    const { axpy, dot, logistic } = arena.kernels;
    const [x, y] = [operands[0]!.data(), out.data()];
    const row = 4 * width;
    for (let first = 0; first < n; first += GROUP) {
      const count = Math.min(GROUP, n - first);
      for (let e = 0; e < count; e++) {
        sum.data().set(bias.data().subarray(0, width), e * width);
        logistic(layer.address + e * row, sum.address + e * row, width);
      }
      for (let i = 0; i < d; i++) {
        for (let e = 0; e < count; e++) {
          const [a, hidden] = [sum.address + e * row, layer.address + e * row];
          const before = i === 0 ? 0 : x[(first + e) * d + i - 1]!;
          if (before !== 0) {
            axpy(a, inward.address + (i - 1) * row, width, before);
            logistic(hidden, a, width);
          }
          const at = ((first + e) * d + i) * o;
          for (let k = 0; k < o; k++) y[at + k] = dot(outward.address + (i * o + k) * row, hidden, width);
        }
      }
    }
  });
}

export function nadeGradHost(arena: Arena, { params: { of } }: NodeOf<"nadeGrad">): HostRun {
  return withScratch(arena, (scratch, operands, out) => {
    const layout = layoutOf(operands);
    const { n, d, h, o, width } = layout;
    const [inward, bias, outward] = operands.slice(1, 4).map((region) => scratch.padded(region, layout)) as [Region, Region, Region];
    const [sum, pending] = [scratch.rows(GROUP, width), scratch.rows(GROUP, width)];
    const most = layersOf(operands[0]!.data(), n, d);
    const kept = scratch.rows(GROUP * most, width);
    const [dInward, dBias, dOutward] = [scratch.rows(d, width), scratch.rows(1, width), scratch.rows(d * o, width)];
    const { axpy, dot, logistic, outerStep, throughLogistic } = arena.kernels;
    const [x, dy] = [operands[0]!.data(), operands[4]!.data()];
    const dx = of === "x" ? out.data() : undefined;
    const row = 4 * width;
    const place = new Int32Array(GROUP);
    for (let first = 0; first < n; first += GROUP) {
      const count = Math.min(GROUP, n - first);
      for (let e = 0; e < count; e++) {
        const a = sum.address + e * row;
        let at = kept.address + e * most * row;
        sum.data().set(bias.data().subarray(0, width), e * width);
        logistic(at, a, width);
        for (let i = 0; i + 1 < d; i++) {
          const entry = x[(first + e) * d + i]!;
          if (entry === 0) continue;
          axpy(a, inward.address + i * row, width, entry);
          logistic((at += row), a, width);
        }
        place[e] = at;
      }
      // from here on `sum` holds the gradient of the running sums
      sum.data().fill(0);
      pending.data().fill(0);
      for (let i = d - 1; i >= 0; i--) {
        for (let e = 0; e < count; e++) {
          const [da, g] = [sum.address + e * row, pending.address + e * row];
          const entry = x[(first + e) * d + i]!;
          // what entries after i ask of the sums that entry i went into
          if (i + 1 < d && (entry !== 0 || dx !== undefined)) {
            throughLogistic(da, g, place[e]!, width);
            if (dx !== undefined) dx[(first + e) * d + i] = dot(da, inward.address + i * row, width);
            else axpy(dInward.address + i * row, da, width, entry);
            if (entry !== 0) place[e]! -= row;
          } else if (dx !== undefined) dx[(first + e) * d + i] = 0;
          const at = ((first + e) * d + i) * o;
          for (let k = 0; k < o; k++)
            outerStep(g, outward.address + (i * o + k) * row, dOutward.address + (i * o + k) * row, place[e]!, width, dy[at + k]!);
        }
      }
      for (let e = 0; e < count; e++) {
        throughLogistic(sum.address + e * row, pending.address + e * row, place[e]!, width);
        axpy(dBias.address, sum.address + e * row, width, 1);
      }
    }
    if (dx === undefined) gather(out, [dInward, dBias, dOutward], h, width);
  });
}

/** Hidden layers of an example that differ, at most: one, and one for each entry that is not zero, but the last, which no layer sees. */
function layersOf(x: ArrayLike<number>, n: number, d: number): number {
  let most = 1;
  for (let r = 0; r < n; r++) {
    let count = 1;
    for (let i = 0; i + 1 < d; i++) if (x[r * d + i] !== 0) count++;
    most = Math.max(most, count);
  }
  return most;
}

/** Rows without their padding, one region after the other. */
function gather(out: Region, regions: readonly Region[], h: number, width: number): void {
  const to = out.data();
  let at = 0;
  for (const region of regions) {
    const from = region.data();
    for (let start = 0; start < from.length; start += width, at += h) to.set(from.subarray(start, start + h), at);
  }
}
