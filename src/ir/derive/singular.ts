/**
 * Steps with nothing in them that steps: `abs(z) / z` is `sign(z)`, `tanh(1 / z)` goes from -1 to 1 at 0. Such a step lies where a part has no bound, so
 * the value is taken on both sides of the numbers at which one has none: where it does not come to the same as they are approached, it jumps. This holds
 * however it is written, as `exp(log(abs(z))) / z`.
 */
import { builtins } from "../builtins.js";
import { sameExpr } from "../same-expr.js";
import type { BuiltinExpr, Expr } from "../types.js";
import type { Edge } from "./edges.js";
import { collect, fraction, freeOf, isByPlace, type Known, type Leaves, middle, valueOf, within } from "./leaves.js";

const TRIES = 2;
/** Cells in each of which a part's pole is looked for. */
const GRID = 64;
/** From a pole, in parts of the interval looked at. */
const DISTANCES = [1e-3, 1e-5, 1e-7] as const;

/** Whether a function of numbers, entry by entry, jumps at a pole of its parts. `moves`: of what it reads. */
export function poleEdge(e: BuiltinExpr, known: Known, moves: (leaf: Expr) => boolean): Edge {
  const leaves: Leaves = [];
  const parts = partsWithPoles(e, known);
  if (parts.length === 0 || !collect([e], leaves, known)) return "meets";
  let found: Edge = "meets";
  for (const { of } of leaves.filter((l) => moves(l.of)))
    for (let i = 0; i < TRIES; i++)
      for (const part of parts) {
        const edge = at(i, of, part);
        if (edge === "jumps") return freeOf(leaves, known).length >= leaves.length - 1 ? "jumps" : "unknown";
        if (edge === "unknown") found = edge;
      }
  return found;

  /** At the poles of a part that one of what is read takes it to. */
  function at(i: number, of: Expr, part: BuiltinExpr): Edge {
    for (const [k, leaf] of leaves.entries()) leaf.value = within(leaf.of, fraction(i * leaves.length + k + 1), known);
    const leaf = leaves.find((l) => sameExpr(l.of, of))!;
    const numberAt = (expr: Expr, share: number): number => {
      leaf.value = within(of, share, known);
      return middle(valueOf(expr, leaves, known));
    };
    const pole = builtins.get(part.fn)!.pole!;
    const gap = (share: number): number => {
      const [a = NaN, b = NaN] = part.args.map((arg) => numberAt(arg, share));
      return Math.abs(pole(a, b));
    };
    let seen: Edge = "meets";
    for (const share of zerosOf(gap)) {
      const edge = apart(DISTANCES.map((d) => numberAt(e, share + d) - numberAt(e, share - d)));
      if (edge === "jumps") return edge;
      if (edge === "unknown") seen = edge;
    }
    return seen;
  }
}

/** What both sides differ by as they come closer: a jump where it does not go to 0, unless it grows as 1 / z does, which has no mean. */
function apart([far = NaN, near = NaN, nearest = NaN]: readonly number[]): Edge {
  if (![far, near, nearest].every(Number.isFinite)) return "unknown";
  const [a, b, c] = [Math.abs(far), Math.abs(near), Math.abs(nearest)];
  if (c < 1e-3 || b < 0.5 * a || c < 0.5 * b) return "meets";
  return c < 50 * b ? "jumps" : "meets";
}

function partsWithPoles(e: BuiltinExpr, known: Known): readonly BuiltinExpr[] {
  const found: BuiltinExpr[] = [];
  const open: Expr[] = [e];
  for (let seen = 0; open.length > 0 && seen < 200; seen++) {
    const next = open.pop()!;
    const part = known.meant(next) ?? next;
    if (!isByPlace(part)) continue;
    if (builtins.get(part.fn)?.pole && !found.includes(part)) found.push(part);
    open.push(...part.args);
  }
  return found;
}

/** Shares, between 0 and 1, at which a function that is never negative comes down to 0. */
function zerosOf(gap: (share: number) => number): readonly number[] {
  // an odd offset, so that no cell begins at a round number
  const place = (i: number): number => (i + 0.31) / (GRID + 1);
  const values = Array.from({ length: GRID + 1 }, (_, i) => gap(place(i)));
  return values.flatMap((middle, i) => {
    const [before = NaN, after = NaN] = [values[i - 1], values[i + 1]];
    if (!(middle <= before && middle <= after && (middle < before || middle < after))) return [];
    let [low, high] = [place(i - 1), place(i + 1)];
    for (let k = 0; k < 80; k++) {
      const [x, y] = [high - (high - low) * GOLDEN, low + (high - low) * GOLDEN];
      if (gap(x) < gap(y)) high = y;
      else low = x;
    }
    const share = (low + high) / 2;
    return gap(share) < 1e-6 * Math.max(before, after) ? [share] : [];
  });
}

const GOLDEN = (Math.sqrt(5) - 1) / 2;
