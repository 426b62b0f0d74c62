/**
 * Variable elimination (Zhang & Poole 1994; Dechter 1999): finite latents are summed, or maximised, out one after another. Each takes in the factors
 * that read it and leaves a message, a table over those that it shared one with; sums move past factors that do not read their variable. The cost is
 * that of the largest table, not of the joint states: K^2 for a chain of K states each.
 *
 * The order is greedy: next is what joins the fewest latents that had no factor in common (min-fill; Koller & Friedman 2009, section 9.4.3), among
 * these what has the smallest table, then what stands first in the body. Chains and trees are so taken from their ends, without a table over more than two.
 */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { listed, shortened } from "../energy/listed.js";
import type { Elimination, EliminationStep, EstimatorNote, Term } from "../quantity.js";
import type { LogDensityExpr } from "../types.js";
import { MAX_TABLE, stateCount, type States } from "../states.js";
import type { DeriveContext } from "./context.js";

/** A term, and which of the latents it reads. */
export interface Scoped {
  readonly term: Term;
  readonly reads: ReadonlySet<string>;
  /** It is averaged, and no part of the distribution. */
  readonly value?: true;
}

type Planned = Pick<Elimination, "steps" | "largest" | "shape">;

/** Steps that take in all `terms` that read one of `latents`; what reads none is left to the caller. */
export function planElimination(latents: ReadonlyMap<string, States>, terms: readonly Scoped[]): Planned {
  const graph = new Map([...latents.keys()].map((v): [string, Set<string>] => [v, new Set()]));
  const readers = new Map([...latents.keys()].map((v): [string, Set<Scoped>] => [v, new Set()]));
  for (const scoped of terms) {
    const own = [...scoped.reads].filter((v) => latents.has(v));
    for (const v of own) readers.get(v)?.add(scoped);
    join(graph, own);
  }
  const shape = shapeOf(graph);
  const position = new Map(terms.map((t, i) => [t, i]));
  const size = (v: string): number => latents.get(v)?.size ?? 1;
  const byEntry = (v: string): boolean => latents.get(v)?.entries !== undefined;
  const scores = new Map<string, Score>();
  const steps: EliminationStep[] = [];
  let largest: EliminationStep | undefined;
  const queue = new Queue();
  const rate = (v: string): void => {
    const before = scores.get(v);
    const score = { variable: v, position: before?.position ?? scores.size, byEntry: byEntry(v), ...costOf(graph, v, size) };
    if (before?.fill === score.fill && before.table === score.table) return;
    scores.set(v, score);
    queue.add(score);
  };
  for (const v of latents.keys()) rate(v);
  for (let next = queue.take(); next; next = queue.take()) {
    const { variable } = next;
    if (scores.get(variable) !== next) continue;
    scores.delete(variable);
    const neighbours = [...(graph.get(variable) ?? [])];
    const own = [...(readers.get(variable) ?? [])].sort(
      (a, b) => a.reads.size - b.reads.size || (position.get(a) ?? 0) - (position.get(b) ?? 0),
    );
    for (const scoped of own) for (const v of scoped.reads) readers.get(v)?.delete(scoped);
    const table = neighbours.reduce((n, v) => n * size(v), size(variable));
    const states = latents.get(variable) as States;
    const values = own.flatMap((s) => (s.value ? [s.term] : []));
    const terms = own.flatMap((s) => (s.value ? [] : [s.term]));
    const step = { variable, states, terms, ...(values.length > 0 && { values }), neighbours, table };
    steps.push(step);
    if (largest === undefined || table > largest.table) largest = step;
    // of what is left, the table of a neighbour changes, and the fill-in of what is next to one
    const near = new Set(neighbours);
    for (const v of neighbours) for (const w of graph.get(v) ?? []) near.add(w);
    for (const v of neighbours) graph.get(v)?.delete(variable);
    graph.delete(variable);
    join(graph, neighbours);
    for (const v of near) if (graph.has(v)) rate(v);
  }
  return { steps, largest: largest?.table ?? 1, shape };
}

interface Score {
  readonly variable: string;
  /** Among the latents, as they stand in the body. */
  readonly position: number;
  /** Its entries are summed one by one: before what they have in common. */
  readonly byEntry: boolean;
  readonly fill: number;
  readonly table: number;
}

function costOf(
  graph: ReadonlyMap<string, ReadonlySet<string>>,
  variable: string,
  size: (v: string) => number,
): Pick<Score, "fill" | "table"> {
  const near = [...(graph.get(variable) ?? [])];
  let fill = 0;
  near.forEach((a, i) => {
    for (const b of near.slice(i + 1)) if (!graph.get(a)?.has(b)) fill++;
  });
  return { fill, table: near.reduce((n, v) => n * size(v), size(variable)) };
}

const comesBefore = (a: Score, b: Score): boolean =>
  a.byEntry !== b.byEntry
    ? a.byEntry
    : a.fill !== b.fill
      ? a.fill < b.fill
      : a.table !== b.table
        ? a.table < b.table
        : a.position < b.position;

/** Scores by priority, as a binary heap; those that have changed since are passed over by whoever takes them out. */
class Queue {
  private readonly heap: Score[] = [];

  add(score: Score): void {
    const { heap } = this;
    let at = heap.push(score) - 1;
    for (let above = (at - 1) >> 1; at > 0 && comesBefore(score, heap[above] as Score); above = (at - 1) >> 1) {
      heap[at] = heap[above] as Score;
      at = above;
    }
    heap[at] = score;
  }

  take(): Score | undefined {
    const { heap } = this;
    const [first] = heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      const least = left && right && comesBefore(right, left) ? right : left;
      if (!least || !comesBefore(least, last)) break;
      heap[at] = least;
      at = 2 * at + (least === right ? 2 : 1);
    }
    heap[at] = last;
    return first;
  }
}

function join(graph: ReadonlyMap<string, Set<string>>, variables: readonly string[]): void {
  for (const v of variables) for (const w of variables) if (v !== w) graph.get(v)?.add(w);
}

function shapeOf(graph: ReadonlyMap<string, ReadonlySet<string>>): Elimination["shape"] {
  const degrees = [...graph.values()].map((near) => near.size);
  // each part of a forest has one edge less than it has latents
  const edges = degrees.reduce((n, d) => n + d, 0) / 2;
  if (graph.size < 3 || edges > graph.size - partsOf(graph)) return "graph";
  return degrees.every((d) => d <= 2) ? "chain" : "tree";
}

function partsOf(graph: ReadonlyMap<string, ReadonlySet<string>>): number {
  const seen = new Set<string>();
  let parts = 0;
  for (const start of graph.keys()) {
    if (seen.has(start)) continue;
    parts++;
    const open = [start];
    for (let v = open.pop(); v !== undefined; v = open.pop()) {
      if (seen.has(v)) continue;
      seen.add(v);
      open.push(...(graph.get(v) ?? []));
    }
  }
  return parts;
}

/** The latents that share the largest table, as a message lists them. */
function largestTable({ steps, largest }: Planned): readonly string[] {
  const step = steps.find((s) => s.table === largest);
  return step ? [step.variable, ...step.neighbours] : [];
}

/** What `explain` says of an elimination. */
function eliminationNote({ op, steps, largest, shape }: Elimination, density: string): EstimatorNote {
  const names = steps.map((s) => s.variable);
  const variable = names.length > 4 ? `${names.slice(0, 2).join(", ")}, …, ${names.at(-1)}` : names.join(", ");
  const way = eliminationWay(steps, shape);
  if (op === "expect") {
    const reason = `exact: averaged over their posterior, summed out ${way}, at most ${largest} states at once`;
    return { variable, density, estimator: "sum-product", reason };
  }
  const gradient = op === "logsumexp" ? "" : "; the gradient is that of the chosen ones";
  return {
    variable,
    density,
    estimator: op === "logsumexp" ? "sum-product" : `${op}-product`,
    reason: `exact: ${op === "logsumexp" ? "summed" : "optimised"} out ${way}, at most ${largest} states at once${gradient}`,
  };
}

function eliminationWay(steps: readonly EliminationStep[], shape: Elimination["shape"]): string {
  const apart = steps.filter((s) => s.states.entries);
  const order = shape === "graph" ? "one after another" : `along the ${shape}`;
  if (apart.length === 0) return order;
  const one = apart.length < steps.length ? `, the entries of ${listed(apart.map((s) => s.variable))} one by one` : "each entry by itself";
  return apart.length < steps.length ? `${order}${one}` : steps.length === 1 ? one : `${order}, ${one}`;
}

interface Asked {
  readonly op: Elimination["op"];
  /** In the order of the body. */
  readonly latents: ReadonlyMap<string, States>;
  readonly terms: readonly Scoped[];
  /** What was asked for, as messages quote it. */
  readonly text: string;
  readonly density: string;
  readonly span: Span;
  readonly notes: EstimatorNote[];
  /** Of an expectation, the density as it was asked for. */
  readonly posterior?: LogDensityExpr;
}

/** The terms with the latents eliminated, each of which some term reads; undefined after an error. */
export function eliminated(context: DeriveContext, asked: Asked): Elimination | undefined {
  const { op, latents, terms, density, span, notes } = asked;
  const planned = planElimination(latents, terms);
  if (planned.largest > MAX_TABLE) {
    reportTable(context, asked, planned);
    return undefined;
  }
  const elimination: Elimination = { kind: "eliminate", op, ...planned, ...(asked.posterior && { posterior: asked.posterior }), span };
  notes.push(eliminationNote(elimination, density));
  return elimination;
}

function reportTable({ diagnostics }: DeriveContext, { op, text, span }: Asked, planned: Planned): void {
  const shared = largestTable(planned);
  const verb = op === "logsumexp" || op === "expect" ? "sum" : "maximum";
  report(
    diagnostics,
    "GM3860",
    span,
    { quantity: text, states: stateCount(planned.largest), most: MAX_TABLE },
    {
      notes: [
        `in the order found, the ${verb} over \`${shared[0]}\` is for each state of ${listed(shortened(shared.slice(1))).replace("`…`", "…")}, by what they are read in together`,
      ],
      help: [
        "let each conditional read fewer of the latents, as in a chain or a tree, or give them fewer states",
        "or bound it from below with a density that draws them: `maximize ELBO(p, q)`",
      ],
    },
  );
}
