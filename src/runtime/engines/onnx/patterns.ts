/**
 * Groups of nodes that ONNX does in fewer or cheaper operators than one by one. Each entry of the table looks at a node, and where it is the
 * end of its pattern, gives how to lower the whole; the nodes before it that nobody else reads are absorbed.
 */
import type { Graph, Node } from "../../graph/types.js";
import type { Value } from "./builder.js";
import { gemm, isGemm } from "./lower-linear.js";
import type { LoweringContext } from "./lowering.js";
import type { ModelStep } from "./plan.js";

export interface Patterns {
  /** how to lower the last node of a pattern */
  readonly at: ReadonlyMap<number, (c: LoweringContext) => Value>;
  readonly absorbed: ReadonlySet<number>;
}

/** What a matcher may ask. */
interface Surroundings {
  readonly node: (id: number) => Node;
  /** a node of this model that only one other reads */
  readonly private: (id: number) => boolean;
}

interface Match {
  readonly absorbs: readonly number[];
  readonly lower: (c: LoweringContext) => Value;
}

type Matcher = (s: Surroundings, node: Node) => Match | undefined;

/** a @ b + c is one Gemm, which starts from c: a bias, or another product. */
const product: Matcher = (s, node) => {
  if (node.prim !== "add") return undefined;
  const [p, q] = [node.inputs[0]!, node.inputs[1]!];
  // of two products the later one takes in the earlier one
  for (const [id, other] of p > q ? [[p, q] as const, [q, p] as const] : [[q, p] as const, [p, q] as const]) {
    const matmul = s.node(id);
    if (matmul.prim !== "matmul" || !s.private(id) || !isGemm(s.node, matmul)) continue;
    return {
      absorbs: [id],
      lower: (c) => {
        const bias = c.value(other);
        return gemm(c, matmul, matmul.inputs.map(c.value), bias);
      },
    };
  }
  return undefined;
};

const matchers: readonly Matcher[] = [product];

export function findPatterns(graph: Graph, step: ModelStep): Patterns {
  const own = new Set(step.ids);
  const uses = new Map<number, number>();
  const use = (id: number): void => void uses.set(id, (uses.get(id) ?? 0) + 1);
  for (const id of step.ids) graph.nodes[id]!.inputs.forEach(use);
  for (const id of [...step.gives, ...Object.values(step.writes)]) use(id);
  const at = new Map<number, (c: LoweringContext) => Value>();
  const absorbed = new Set<number>();
  const surroundings: Surroundings = {
    node: (id) => graph.nodes[id]!,
    private: (id) => own.has(id) && uses.get(id) === 1 && !at.has(id) && !absorbed.has(id),
  };
  for (const id of step.ids) {
    for (const matcher of matchers) {
      const match = matcher(surroundings, graph.nodes[id]!);
      if (match === undefined) continue;
      at.set(id, match.lower);
      for (const inner of match.absorbs) absorbed.add(inner);
      break;
    }
  }
  return { at, absorbed };
}
