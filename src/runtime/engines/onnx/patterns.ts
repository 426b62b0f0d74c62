/**
 * Groups of nodes that ONNX does in fewer or cheaper operators than one by one. Each matcher looks at a node, and where it is the end of its
 * pattern, says how to lower the whole; the nodes before it that nobody else reads are absorbed.
 */
import { sameShape, sizeOf } from "../../graph/shape.js";
import type { Graph, Node } from "../../graph/types.js";
import { float, int, type ModelBuilder, type Value } from "./builder.js";
import { conv, convInputGrad } from "./lower-conv.js";
import { gemm, isGemm, unfolded } from "./lower-linear.js";
import { reduce } from "./lower-structure.js";
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
  /** a node of this model that only one other reads, and that is in no pattern yet */
  readonly private: (id: number) => boolean;
  /** the nodes of this model that read a value; null where it also leaves the model */
  readonly readers: (id: number) => readonly number[] | null;
  /** the node of this model that takes max(x, 0) */
  readonly reluOf: (x: number) => number | undefined;
}

interface Match {
  readonly absorbs: readonly number[];
  readonly lower: (c: LoweringContext) => Value;
}

type Matcher = (s: Surroundings, node: Node) => Match | undefined;

const scalarOf = (node: Node): number | undefined =>
  node.prim === "constant" && node.params.values.length === 1 ? node.params.values[0] : undefined;

/** The other operand of an operation with a constant, and the constant. */
function withConstant(s: Surroundings, node: Node): { readonly x: number; readonly constant: number } | undefined {
  const [p, q] = [node.inputs[0]!, node.inputs[1]!];
  const [left, right] = [scalarOf(s.node(p)), scalarOf(s.node(q))];
  if (right !== undefined) return { x: p, constant: right };
  return left === undefined ? undefined : { x: q, constant: left };
}

const isRelu = (s: Surroundings, node: Node): number | undefined => {
  if (node.prim !== "max" || node.dtype !== "f32") return undefined;
  const parts = withConstant(s, node);
  return parts?.constant === 0 && sameShape(s.node(parts.x).shape, node.shape) ? parts.x : undefined;
};

/** max(x, 0) is Relu, which onnxruntime does at the end of a Gemm or Conv. */
const relu: Matcher = (s, node) => {
  const x = isRelu(s, node);
  if (x === undefined) return undefined;
  return {
    absorbs: [],
    lower: (c) => {
      const { name, shape, folded } = c.value(x);
      return folded === undefined ? { name: c.b.op("Relu", [name]), shape } : unfolded(c.b, c.b.op("Relu", [folded]), shape);
    },
  };
};

/**
 * The gradient of max(x, 0): select(0 < x, g, 0) is g min(1e38 y, 1) with y = max(x, 0), where y is 0 or a normal number. Where costs as much
 * as five multiplications, HardSigmoid, max(0, min(1, 1e38 y)), as two. Differs from select in that a g that is not finite shows even where x is not positive.
 */
const reluGradient: Matcher = (s, node) => {
  if (node.prim !== "select" || node.dtype !== "f32") return undefined;
  const [condition, g, other] = [s.node(node.inputs[0]!), node.inputs[1]!, s.node(node.inputs[2]!)];
  if (condition.prim !== "lt" || scalarOf(other) !== 0 || scalarOf(s.node(condition.inputs[0]!)) !== 0) return undefined;
  const y = s.reluOf(condition.inputs[1]!);
  if (y === undefined || y > node.id || !sameShape(s.node(g).shape, node.shape)) return undefined;
  return {
    absorbs: s.private(condition.id) ? [condition.id] : [],
    lower: (c) => {
      const [gate, value] = [c.value(y), c.value(g)];
      const open = c.b.once("HardSigmoid", [gate.name], { alpha: float(1e38), beta: float(0) });
      return { name: c.b.op("Mul", [value.name, open]), shape: node.shape };
    },
  };
};

/** a @ b + c is one Gemm, which starts from c: a bias, or another product. A convolution takes a bias of its channels. */
const biased: Matcher = (s, node) => {
  if (node.prim !== "add") return undefined;
  const [p, q] = [node.inputs[0]!, node.inputs[1]!];
  // of two products the later one takes in the earlier one
  const orders = p > q ? [[p, q] as const, [q, p] as const] : [[q, p] as const, [p, q] as const];
  for (const [id, other] of orders) {
    const product = s.node(id);
    const operands = (c: LoweringContext): Value[] => product.inputs.map(c.value);
    if (!s.private(id)) continue;
    if (product.prim === "matmul" && isGemm(s.node, product)) {
      return { absorbs: [id], lower: (c) => gemm(c, product, operands(c), c.value(other)) };
    }
    if ((product.prim === "conv" || product.prim === "convInputGrad") && isChannelBias(s, other, product)) {
      const lower = (c: LoweringContext): Value => {
        const value = c.value(other);
        // handed over from another part of the program, the bias comes stretched, and the operator takes none such
        const own = value.shape.length === 1 ? value : undefined;
        const result = product.prim === "conv" ? conv(c, product, operands(c), own) : convInputGrad(c, product, operands(c), own);
        return own ? result : { ...result, name: c.b.op("Add", [result.name, value.name]) };
      };
      return { absorbs: [id], lower };
    }
  }
  return undefined;
};

/** One number a channel, stretched over the rest. */
function isChannelBias(s: Surroundings, id: number, product: Node): boolean {
  const bias = s.node(id);
  if (bias.prim !== "broadcast") return false;
  const from = s.node(bias.inputs[0]!);
  // a source: what is computed may be held smaller than its shape
  return (from.prim === "state" || from.prim === "input") && sameShape(from.shape, product.shape.slice(-1));
}

/** A factor of a product: what it is up to its sign, and the other factor. */
interface Factor {
  readonly key: string;
  readonly sign: 1 | -1;
  readonly id: number;
  readonly rest: number;
}

/** Both ways to read a product. A literal is known by its magnitude, anything else by its node, below negations and stretching. */
function factorsOf(s: Surroundings, product: Node): Factor[] {
  const [p, q] = [product.inputs[0]!, product.inputs[1]!];
  const read = (id: number, rest: number): Factor => {
    const literal = scalarOf(s.node(id));
    if (literal !== undefined) return { key: `number ${Math.abs(literal)}`, sign: literal < 0 ? -1 : 1, id, rest };
    let sign: 1 | -1 = 1;
    let root = s.node(id);
    while (root.prim === "neg" || root.prim === "broadcast") {
      if (root.prim === "neg") sign = -sign as 1 | -1;
      root = s.node(root.inputs[0]!);
    }
    return { key: `node ${root.id}`, sign, id, rest };
  };
  return [read(p, q), read(q, p)];
}

/** c a + c b and c a - c b, as gradients of a weighted objective come out, multiply once. c may be a literal or a tensor. */
const commonFactor: Matcher = (s, node) => {
  if ((node.prim !== "add" && node.prim !== "sub") || node.dtype !== "f32") return undefined;
  const [p, q] = node.inputs.map(s.node) as [Node, Node];
  if (p.prim !== "mul" || q.prim !== "mul" || p.id === q.id || !s.private(p.id) || !s.private(q.id)) return undefined;
  for (const left of factorsOf(s, p)) {
    const right = factorsOf(s, q).find((factor) => factor.key === left.key);
    if (right === undefined) continue;
    const op = (left.sign === right.sign) === (node.prim === "add") ? "Add" : "Sub";
    return {
      absorbs: [p.id, q.id],
      lower: (c) => {
        const [factor, x, y] = [c.value(left.id), c.value(left.rest), c.value(right.rest)];
        const name = c.b.op("Mul", [c.b.op(op, [x.name, y.name]), factor.name]);
        return { name, shape: stretchedTo(node, [factor, x, y]) };
      },
    };
  }
  return undefined;
};

/** The shape of an elementwise result: the node's own, where an operand has it. */
function stretchedTo(node: Node, operands: readonly Value[]): readonly number[] {
  const rank = Math.max(...operands.map((x) => x.shape.length));
  return node.shape
    .slice(node.shape.length - rank)
    .map((_, i) => Math.max(...operands.map((x) => x.shape[i - rank + x.shape.length] ?? 1)));
}

/** A leaf of a sum of terms and its sign. */
interface Term {
  readonly id: number;
  readonly sign: 1 | -1;
}

/** The least length of products below: under it their extra operators cost more than the logarithms they save. */
const leastGroup = 8;

/**
 * Σ (… ± softplus(x) …), the log-likelihood of every Bernoulli. The logarithm is the dearest operator in softplus(x) = max(x, 0) - log(sigmoid(|x|)),
 * so its sum is taken apart, as logarithms of products of up to 64 factors, each in [1/2, 1); max(x, 0) stays with the other terms, which it cancels.
 */
const sumOfSoftplus: Matcher = (s, node) => {
  if (node.prim !== "reduceSum" || node.dtype !== "f32") return undefined;
  const shape = s.node(node.inputs[0]!).shape;
  const group = groupLength(shape, node.params.axes);
  if (group < leastGroup) return undefined;
  const absorbs: number[] = [];
  const terms = collectTerms(s, node.inputs[0]!, shape, absorbs);
  const soft = terms.filter((term) => s.node(term.id).prim === "softplus" && s.private(term.id));
  if (soft.length === 0) return undefined;
  return {
    absorbs: [...absorbs, ...soft.map((term) => term.id)],
    lower: (c) => {
      const operand = (term: Term): number => s.node(term.id).inputs[0]!;
      const linear = terms.map((term): Signed => ({
        sign: term.sign,
        name: soft.includes(term) ? c.b.op("Relu", [c.full(operand(term))]) : c.full(term.id),
      }));
      const total = reduce(c.b, "ReduceSum", { name: signedSum(c.b, linear), shape }, node.params.axes).name;
      const logs = soft.map((term): Signed => ({
        sign: term.sign === 1 ? -1 : 1,
        name: logSigmoidSum(c, operand(term), shape, node.params.axes[0]!, group),
      }));
      return { name: signedSum(c.b, [{ sign: 1, name: total }, ...logs]), shape: node.shape };
    },
  };
};

/** Terms of private sums and differences of the full shape. */
function collectTerms(s: Surroundings, root: number, shape: readonly number[], absorbs: number[]): Term[] {
  const terms: Term[] = [];
  const visit = (id: number, sign: 1 | -1): void => {
    const n = s.node(id);
    const inner = n.prim === "add" || n.prim === "sub" || n.prim === "neg";
    if (!inner || !s.private(id) || n.inputs.some((operand) => !sameShape(s.node(operand).shape, shape))) {
      terms.push({ id, sign });
      return;
    }
    absorbs.push(id);
    visit(n.inputs[0]!, n.prim === "neg" ? (-sign as 1 | -1) : sign);
    if (n.inputs.length > 1) visit(n.inputs[1]!, n.prim === "sub" ? (-sign as 1 | -1) : sign);
  };
  visit(root, 1);
  return terms;
}

/** The largest divisor up to 64 of the elements reduced, where these are the last axes. */
function groupLength(shape: readonly number[], axes: readonly number[]): number {
  if (axes.length === 0 || axes[0] !== shape.length - axes.length) return 0;
  const n = sizeOf(axes.map((axis) => shape[axis]!));
  for (let length = Math.min(64, n); length > 1; length--) if (n % length === 0) return length;
  return 0;
}

/** Σ log(sigmoid(|x|)) over the axes from `first` on. */
function logSigmoidSum(c: LoweringContext, x: number, shape: readonly number[], first: number, group: number): string {
  const kept = shape.slice(0, first);
  const groups = sizeOf(shape) / sizeOf(kept) / group;
  const factors = c.b.op("Sigmoid", [c.b.op("Abs", [c.full(x)])]);
  const products = c.b.op("ReduceProd", [c.b.op("Reshape", [factors, c.b.i64([...kept, groups, group])]), c.b.i64([first + 1])], {
    keepdims: int(0),
  });
  return reduce(c.b, "ReduceSum", { name: c.b.op("Log", [products]), shape: [...kept, groups] }, [first]).name;
}

interface Signed {
  readonly sign: 1 | -1;
  readonly name: string;
}

/** The terms summed in order, from the first positive one if there is one. */
function signedSum(b: ModelBuilder, terms: readonly Signed[]): string {
  const at = Math.max(
    0,
    terms.findIndex((term) => term.sign === 1),
  );
  const first = terms[at]!;
  const start = first.sign === 1 ? first.name : b.op("Neg", [first.name]);
  return terms.filter((_, i) => i !== at).reduce((total, { sign, name }) => b.op(sign === 1 ? "Add" : "Sub", [total, name]), start);
}

/** A scaled value that only products read is scaled by them, for nothing: Gemm has a factor of its own. */
const scaledOperand: Matcher = (s, node) => {
  if (node.prim !== "mul" || node.dtype !== "f32") return undefined;
  const parts = withConstant(s, node);
  const readers = s.readers(node.id);
  if (parts === undefined || readers === null || !sameShape(s.node(parts.x).shape, node.shape)) return undefined;
  const all = readers.every((id) => {
    const reader = s.node(id);
    return reader.prim === "matmul" && isGemm(s.node, reader);
  });
  return all
    ? { absorbs: [], lower: (c) => ({ ...c.value(parts.x), factor: parts.constant * (c.value(parts.x).factor ?? 1) }) }
    : undefined;
};

/** A sigmoid that is only compared (a draw) or subtracted from another value (x - p, the gradient of a Bernoulli) needs no digits beside those of 1. */
const roughSigmoid: Matcher = (s, node) => {
  if (node.prim !== "sigmoid") return undefined;
  const isRough = (id: number): boolean => {
    const reader = s.node(id);
    if (reader.prim === "lt" || reader.prim === "le") return true;
    return (reader.prim === "sub" || reader.prim === "add") && reader.inputs.every((x) => scalarOf(s.node(x)) === undefined);
  };
  if (s.readers(node.id)?.every(isRough) !== true) return undefined;
  return {
    absorbs: [],
    lower: (c) => {
      const { name, shape } = c.value(node.inputs[0]!);
      return { name: c.b.op("Sigmoid", [name]), shape };
    },
  };
};

const matchers: readonly Matcher[] = [relu, reluGradient, sumOfSoftplus, roughSigmoid, biased, scaledOperand, commonFactor];

export function findPatterns(graph: Graph, step: ModelStep): Patterns {
  const own = new Set(step.ids);
  const readers = new Map<number, number[]>();
  for (const id of step.ids) for (const operand of graph.nodes[id]!.inputs) readers.set(operand, [...(readers.get(operand) ?? []), id]);
  const leaving = new Set([...step.gives, ...Object.values(step.writes)]);
  const at = new Map<number, (c: LoweringContext) => Value>();
  const absorbed = new Set<number>();
  const relus = new Map<number, number>();
  const surroundings: Surroundings = {
    node: (id) => graph.nodes[id]!,
    private: (id) => own.has(id) && readers.get(id)?.length === 1 && !leaving.has(id) && !at.has(id) && !absorbed.has(id),
    readers: (id) => (leaving.has(id) ? null : (readers.get(id) ?? [])),
    reluOf: (x) => relus.get(x),
  };
  for (const id of step.ids) {
    const x = isRelu(surroundings, graph.nodes[id]!);
    if (x !== undefined) relus.set(x, id);
  }
  // from the end, so that the longest pattern takes its nodes first
  for (const id of [...step.ids].reverse()) {
    if (absorbed.has(id)) continue;
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
