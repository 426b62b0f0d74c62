/**
 * One pass towards a fixed point that is found entry after entry, over all entries at once (Song et al. 2021, "Accelerating Feedforward Computation via
 * Parallel Nonlinear Equation Solving": Jacobi's method on a triangular system). The i-th pass makes entry i right whatever later ones are, and most
 * passes make many right: once a pass changes nothing, all are.
 *
 * Later entries are guesses, and a net may overflow at a guess; what a mask then multiplies by 0 is no number, and spoils earlier entries. A row in
 * which that is seen goes on carefully: its pass is lost, and from there on later entries are held at 0 and one is fixed a pass. So D entries
 * take D + 1 passes at most.
 */
import {
  abs,
  and,
  cast,
  constant,
  equal,
  greater,
  inline,
  less,
  maximum,
  reduceMax,
  reshape,
  select,
  state,
  sub,
  writeState,
  type Tensor,
} from "../graph/index.js";
import type { StateSpec } from "../graph/program.js";
import type { Graph, Shape } from "../graph/types.js";

const FINITE = 3.4028234663852886e38;

/** The entries of the store of one fixed point [..., D]: the values so far, 1 for rows that go on carefully, 1 while something changes. All begin at 0. */
export function passStates(name: string, shape: Shape): ReadonlyMap<string, StateSpec> {
  return new Map([
    [name, { dtype: "f32", shape }],
    [`${name}.careful`, { dtype: "f32", shape: [...shape.slice(0, -1), 1] }],
    [`${name}.changed`, { dtype: "f32", shape: [] }],
  ]);
}

/** Stages pass number `i` (from 0 on) of the fixed point that has these states. */
export function passAtAll(name: string, body: Graph, places: readonly number[], operands: readonly Tensor[], i: Tensor): void {
  const shape = body.nodes[body.outputs["x"]!]!.shape;
  const [x, careful, changed] = [...passStates(name, shape)].map(([entry, spec]) => state(entry, spec.shape, spec.dtype)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const value = inline(body, { ...Object.fromEntries(operands.entries()), x })["x"]!;
  const place = constant(places, [places.length], "i32");
  const wasCareful = greater(careful, 0.5);
  const lost = reshape(reduceMax(select(less(abs(value), FINITE), 0, 1), -1), careful.shape);
  const nowCareful = maximum(careful, lost);
  // of a careful row, how many entries are right
  const right = sub(i, cast(careful, "i32"));
  const fixes = and(equal(place, right), wasCareful);
  const held = select(less(place, right), x, select(fixes, value, 0));
  const next = select(greater(nowCareful, 0.5), held, value);
  writeState(x, next);
  writeState(careful, nowCareful);
  const moves = select(equal(next, x), 0, 1);
  writeState(changed, maximum(reduceMax(moves), reduceMax(nowCareful)));
}
