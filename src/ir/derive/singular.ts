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

/**
 * What a function of numbers, entry by entry, is at a pole of its parts: `steep` where it has a mean around it and its derivative has none, as log |z|,
 * `endless` where it has none itself, as 1 / z.
 */
export type PoleEdge = Edge | "steep" | "endless";

/** `moves`: of what it reads. `covers`: of what moves, whether it comes to every number of its domain. */
export function poleEdge(e: BuiltinExpr, known: Known, moves: (leaf: Expr) => boolean, covers: (leaf: Expr) => boolean): PoleEdge {
  const leaves: Leaves = [];
  const parts = partsWithPoles(e, known);
  if (parts.length === 0 || !collect([e], leaves, known)) return "meets";
  let found: PoleEdge = "meets";
  for (const { of } of leaves.filter((l) => moves(l.of)))
    for (let i = 0; i < TRIES; i++)
      for (const part of parts) {
        const edge = at(i, of, part);
        if (edge === "jumps") return freeOf(leaves, known).length >= leaves.length - 1 ? "jumps" : "unknown";
        if (edge === "unknown") found = edge;
        if ((edge === "steep" || edge === "endless") && found !== "unknown") found = covers(of) ? edge : "unknown";
      }
  return found;

  /** At the poles of a part that one of what is read takes it to. */
  function at(i: number, of: Expr, part: BuiltinExpr): PoleEdge {
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
    let seen: PoleEdge = "meets";
    for (const share of zerosOf(gap)) {
      const [above, below] = [1, -1].map((side) => DISTANCES.map((d) => numberAt(e, share + side * d))) as [number[], number[]];
      const edge = apart(above.map((v, k) => v - below[k]!));
      if (edge === "jumps") return edge;
      const sides = [growing(above), growing(below)];
      const worst = (["endless", "steep", "unknown"] as const).find((g) => sides.includes(g));
      if (edge === "unknown" || (worst && seen !== "unknown")) seen = edge === "unknown" ? edge : worst!;
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

/**
 * How a function grows as a pole is come to from one side. The mean of its derivative there is what it changes by: none where it has no bound. It has a
 * mean itself if it grows less than 1 / z does.
 */
function growing([far = NaN, near = NaN, nearest = NaN]: readonly number[]): PoleEdge {
  if (nearest === Infinity || nearest === -Infinity) return "endless";
  const [before, after] = [Math.abs(near - far), Math.abs(nearest - near)];
  if (Number.isNaN(after) || after < 1e-6 || after < 0.5 * before) return "meets";
  return after < 0.95 * before ? "unknown" : after < 50 * before ? "steep" : "endless";
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
