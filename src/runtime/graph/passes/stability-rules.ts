/**
 * Rewrites of expressions that lose precision or overflow into equal ones that do not. Used as staging goes, so that the gradients of the
 * stable form are taken, and again as a pass. Each holds wherever the original is defined.
 */
import {
  abs,
  add,
  broadcastTo,
  exp,
  expm1,
  less,
  log,
  log1p,
  mul,
  neg,
  select,
  sigmoid,
  softplus,
  stopGradient,
  sub,
} from "../ops/elementwise.js";
import { logSumExp } from "../ops/reduce.js";
import { reshape, transpose } from "../ops/structure.js";
import { sameShape } from "../shape.js";
import { producer, type Tensor } from "../trace.js";
import type { Node, Prim } from "../types.js";
import { constantValue, operand, under } from "../look.js";

/** Through what only moves values. */
function core(t: Tensor): Node {
  let node = producer(t);
  while (node.prim === "reshape" || node.prim === "broadcast" || node.prim === "stopGradient" || node.prim === "transpose")
    node = producer(operand(node, 0));
  return node;
}

/** x - max(x) and the like: its exp cannot overflow, and it need not be shifted again. */
function isShifted(t: Tensor): boolean {
  const node = core(t);
  if (node.prim !== "sub") return false;
  const top = core(operand(node, 1));
  return top.prim === "reduceMax" || (top.prim === "select" && core(operand(top, 1)).prim === "reduceMax");
}

/** Whether `t` > 0 wherever it is defined. */
function isPositive(t: Tensor): boolean {
  if (sigmoidOf(t) !== undefined || twiceSigmoidOf(t) !== undefined) return true;
  const node = core(t);
  switch (node.prim) {
    case "exp":
    case "sigmoid":
    case "softplus":
      return true;
    case "constant":
      return node.params.values.every((v) => v > 0);
    case "mul":
    case "div":
    case "add":
      return isPositive(operand(node, 0)) && isPositive(operand(node, 1));
    case "reduceSum":
    case "sqrt":
      return isPositive(operand(node, 0));
    default:
      return false;
  }
}

/** u where `t` is sigmoid(u), however it is written: 1 / (1 + exp(-u)), 1 - sigmoid(-u), (1 + tanh(u / 2)) / 2. */
function sigmoidOf(t: Tensor): Tensor | undefined {
  const node = producer(t);
  if (node.prim === "sigmoid") return operand(node, 0);
  if (node.inputs.length !== 2) return undefined;
  const twice = halved(t, t);
  const inner = twice === undefined ? undefined : twiceSigmoidOf(twice);
  if (inner !== undefined) return inner;
  if (node.prim === "add") {
    const other = besides(t, 0.5);
    const v = other === undefined ? undefined : tanhOf(halved(other, t));
    return v && mul(v, 2);
  }
  if (constantValue(operand(node, 0)) !== 1) return undefined;
  const other = operand(node, 1);
  if (other.shape.length < t.shape.length) return undefined;
  if (node.prim === "sub") {
    const u = sigmoidOf(other);
    return u && neg(u);
  }
  const below = node.prim === "div" ? producer(other) : undefined;
  if (below?.prim !== "add") return undefined;
  const [a, b] = [operand(below, 0), operand(below, 1)];
  const v = constantValue(a) === 1 ? under(b, "exp") : constantValue(b) === 1 ? under(a, "exp") : undefined;
  return v === undefined || v.shape.length < t.shape.length ? undefined : neg(v);
}

/** u where `t` is 2 sigmoid(u) written as 1 + tanh(u / 2) or 1 - tanh(-u / 2). */
function twiceSigmoidOf(t: Tensor): Tensor | undefined {
  const { prim } = producer(t);
  const other = prim === "add" || prim === "sub" ? besides(t, 1) : undefined;
  const v = tanhOf(other);
  return v && mul(v, prim === "add" ? 2 : -2);
}

/** v where `t` is tanh(v) or -tanh(-v). */
function tanhOf(t: Tensor | undefined): Tensor | undefined {
  const inner = under(under(t, "neg"), "tanh");
  return inner === undefined ? under(t, "tanh") : neg(inner);
}

/** y where `t` is c + y, y + c or c - y, in its full shape. */
function besides(t: Tensor, c: number): Tensor | undefined {
  const node = producer(t);
  const [a, b] = [operand(node, 0), operand(node, 1)];
  const y = constantValue(a) === c ? b : node.prim === "add" && constantValue(b) === c ? a : undefined;
  return y?.shape.length === t.shape.length ? y : undefined;
}

/** y where `t` is y / 2, in the full shape of `like`. */
function halved(t: Tensor, like: Tensor): Tensor | undefined {
  const node = producer(t);
  if (node.prim !== "div" && node.prim !== "mul") return undefined;
  const [a, b] = [operand(node, 0), operand(node, 1)];
  const y = constantValue(b) === (node.prim === "div" ? 2 : 0.5) ? a : node.prim === "mul" && constantValue(a) === 0.5 ? b : undefined;
  return y?.shape.length === like.shape.length ? y : undefined;
}

/** y where `t` is y^2. */
function squareRoot(t: Tensor): Tensor | undefined {
  const node = producer(t);
  if (node.prim === "mul") return node.inputs[0] === node.inputs[1] ? operand(node, 0) : undefined;
  return node.prim === "pow" && constantValue(operand(node, 1)) === 2 ? operand(node, 0) : undefined;
}

/** Whether log of it has a form better than log of the value. */
function hasOwnLog(t: Tensor): boolean {
  if (sigmoidOf(t) !== undefined || twiceSigmoidOf(t) !== undefined) return true;
  const node = core(t);
  switch (node.prim) {
    case "exp":
    case "sigmoid":
    case "sqrt":
      return true;
    case "add":
      return addsInLogs(operand(node, 0), operand(node, 1));
    case "reduceSum":
      return sumsInLogs(operand(node, 0));
    case "mul":
    case "div":
      return hasOwnLog(operand(node, 0)) || hasOwnLog(operand(node, 1));
    default:
      return false;
  }
}

/** Whether log(a + b) is better taken of the logs of both. */
function addsInLogs(a: Tensor, b: Tensor): boolean {
  return isPositive(a) && isPositive(b) && (hasOwnLog(a) || hasOwnLog(b));
}

/** Whether the log of a sum over `t` is better taken of the logs of its terms: exp(u), p exp(u), sums of such. */
function sumsInLogs(t: Tensor): boolean {
  const exponent = under(t, "exp");
  return exponent === undefined ? isPositive(t) && hasOwnLog(t) : !isShifted(exponent);
}

/** log(exp(u) + exp(v)); where u is -Infinity it is v. */
function logAddExp(u: Tensor, v: Tensor): Tensor {
  return select(less(-Infinity, u), add(u, softplus(sub(v, u))), v);
}

function stableLog(x: Tensor): Tensor | undefined {
  const node = producer(x);
  if (node.inputs.length === 0) return undefined;
  const a = operand(node, 0);
  const u = sigmoidOf(x);
  if (u !== undefined) return neg(softplus(neg(u)));
  const twice = twiceSigmoidOf(x);
  if (twice !== undefined) return logTwiceSigmoid(twice);
  switch (node.prim) {
    case "exp":
      return a;
    case "sqrt":
      return mul(log(a), 0.5);
    case "sub":
      return constantValue(a) === 1 ? full(log1p(neg(operand(node, 1))), x) : undefined;
    case "add": {
      const b = operand(node, 1);
      if (constantValue(a) === 1) return full(log1p(b), x);
      if (constantValue(b) === 1) return full(log1p(a), x);
      return addsInLogs(a, b) ? logAddExp(log(a), log(b)) : undefined;
    }
    // log(exp(a) - 1), the inverse of softplus
    case "expm1":
      return add(a, log(neg(expm1(neg(a)))));
    case "reduceSum":
      return sumsInLogs(a) ? logSumExp(log(a), node.params.axes) : undefined;
    case "mul":
      return splits(a, operand(node, 1)) ? add(log(a), log(operand(node, 1))) : undefined;
    case "div":
      return splits(a, operand(node, 1)) ? sub(log(a), log(operand(node, 1))) : undefined;
    case "pow":
      return isPositive(a) ? mul(operand(node, 1), log(a)) : undefined;
    case "reshape":
      // one that changes no shape is a leaf: a derivative in it is to see this log
      return hasOwnLog(a) && !sameShape(a.shape, x.shape) ? reshape(log(a), x.shape) : undefined;
    case "transpose":
      return hasOwnLog(a) ? transpose(log(a), node.params.perm) : undefined;
    case "stopGradient":
      return hasOwnLog(a) ? stopGradient(log(a)) : undefined;
    case "broadcast":
      return broadcastTo(log(a), x.shape);
    default:
      return undefined;
  }
}

/** Whether log of a product (quotient) is better taken apart. An exp may always be split off: where the other factor is negative, both forms are NaN. */
function splits(a: Tensor, b: Tensor): boolean {
  return core(a).prim === "exp" || core(b).prim === "exp" || ((hasOwnLog(a) || hasOwnLog(b)) && isPositive(a) && isPositive(b));
}

/** `t` in the shape of `like` (an operation on scalars and constants may have lost it). */
function full(t: Tensor, like: Tensor): Tensor {
  return broadcastTo(t, like.shape);
}

function stableExp(x: Tensor): Tensor | undefined {
  // exp(-softplus(u)) = sigmoid(-u); exp(log(u)) = u where u is known to be positive
  const inner = under(x, "neg");
  const u = inner === undefined ? undefined : under(inner, "softplus");
  if (u !== undefined) return sigmoid(neg(u));
  const argument = under(x, "log");
  return argument !== undefined && isPositive(argument) ? argument : undefined;
}

/** log(1 + tanh(u / 2)) */
function logTwiceSigmoid(u: Tensor): Tensor {
  return sub(Math.LN2, softplus(neg(u)));
}

function stableLog1p(x: Tensor): Tensor | undefined {
  const u = under(x, "exp");
  if (u !== undefined) return softplus(u);
  if (producer(x).inputs.length === 2 || producer(x).prim === "reduceSum")
    if (sigmoidOf(x) === undefined && isPositive(x) && hasOwnLog(x)) return softplus(log(x));
  const t = tanhOf(x);
  if (t !== undefined) return logTwiceSigmoid(mul(t, 2));
  const inner = under(x, "neg");
  if (inner === undefined) return undefined;
  const s = sigmoidOf(inner);
  if (s !== undefined) return neg(softplus(s));
  // log(1 - y^2) of a y that comes near 1
  const root = squareRoot(inner);
  if (root !== undefined && (tanhOf(root) ?? sigmoidOf(root)) !== undefined) return add(log1p(root), log1p(neg(root)));
  // log(1 - exp(v)): expm1 keeps its digits where v is near 0; far from it the error stays that of rounding 1 (Maechler 2012)
  const v = under(inner, "exp");
  return v === undefined ? undefined : log(neg(expm1(v)));
}

/** The peephole: what to emit in place of `prim` over `inputs`, or undefined. */
export function stabilise(prim: Prim, inputs: readonly Tensor[]): Tensor | undefined {
  const [x, y] = inputs;
  if (x === undefined || x.dtype !== "f32") return undefined;
  switch (prim) {
    case "log":
      return stableLog(x);
    case "exp":
      return stableExp(x);
    case "log1p":
      return stableLog1p(x);
    case "sqrt": {
      const node = producer(x);
      if (node.prim === "mul" && node.inputs[0] === node.inputs[1]) return abs(operand(node, 0));
      return node.prim === "exp" ? exp(mul(operand(node, 0), 0.5)) : undefined;
    }
    case "div": {
      const [a, b] = [under(x, "exp"), y === undefined ? undefined : under(y, "exp")];
      return a === undefined || b === undefined ? undefined : exp(sub(a, b));
    }
    case "sub": {
      // exp(u) - 1
      const u = y !== undefined && constantValue(y) === 1 && y.shape.length <= x.shape.length ? under(x, "exp") : undefined;
      return u === undefined ? undefined : full(expm1(u), x);
    }
    default:
      return undefined;
  }
}
