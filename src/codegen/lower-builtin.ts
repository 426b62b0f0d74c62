/**
 * Builtins of the language -> calls of the runtime's tensor functions. Axes are counted from the end in the IR, so leading axes (samples,
 * batch) do not disturb them; only what needs the whole shape (reshape, pad, transpose, concat) goes through the runtime's event functions.
 */
import { InternalError } from "../base/internal-error.js";
import { builtins } from "../ir/builtins.js";
import type { BuiltinExpr } from "../ir/types.js";
import { array, call, type Js, num, numbers, object } from "./js.js";
import { hasLead, type TensorValue } from "./values.js";

const REDUCTIONS = new Set(["sum", "mean", "variance", "max", "min", "logsumexp", "logmeanexp", "norm"]);
const ALONG_AXIS = new Set(["softmax", "log_softmax", "cumsum", "reverse", "glu", "gated_tanh", "argmax"]);

/** JavaScript of a builtin call on lowered arguments. */
export function lowerBuiltin(expr: BuiltinExpr, args: readonly TensorValue[]): Js {
  const [x, y] = args;
  const runtime = builtins.get(expr.fn)?.runtime;
  if (expr.fn === "zeros" || expr.fn === "ones") return call(expr.fn, numbers(expr.options["shape"] as readonly number[]));
  if (expr.fn === "eye") return call("eye", num(expr.options["size"] as number));
  if (!x || runtime === undefined) throw new InternalError(`builtin ${expr.fn}`);
  const rank = expr.type.kind === "tensor" ? expr.type.shape.length : 0;
  const option = (name: string): number => {
    const value = expr.options[name];
    if (typeof value !== "number") throw new InternalError(`builtin ${expr.fn} lacks ${name}`);
    return value;
  };
  const list = (name: string): readonly number[] => (Array.isArray(expr.options[name]) ? (expr.options[name] as readonly number[]) : []);
  if (REDUCTIONS.has(expr.fn)) return x.shape.length === 0 && expr.fn !== "norm" ? x.js : call(runtime, x.js, numbers(list("axes")));
  if (ALONG_AXIS.has(expr.fn)) return call(runtime, x.js, num(option("axis")));
  const batched = args.some((a) => hasLead(a.lead));
  switch (expr.fn) {
    case "matmul":
      return lowerMatmul(x, need(y, expr));
    case "take": {
      const labels = need(y, expr);
      if (!hasLead(x.lead)) return call("take", x.js, labels.js, num(0));
      // a table of the row's own, such as what a net gives or another label has picked
      return call("takeEvent", x.js, labels.js, num(x.shape.length), ...(labels.shape.length === 0 ? [] : [num(labels.shape.length)]));
    }
    case "index":
      return call(
        "squeeze",
        call("sliceAxis", x.js, num(option("axis")), num(option("position")), num(option("position") + 1)),
        num(option("axis")),
      );
    case "slice":
      return call("sliceAxis", x.js, num(option("axis")), num(option("start")), num(option("stop")));
    case "onehot":
      return call("oneHot", x.js, num(option("classes")));
    case "reshape":
    case "flatten":
      return batched
        ? call("reshapeEvent", x.js, num(x.shape.length), numbers(list("shape")))
        : call("reshape", x.js, numbers(list("shape")));
    case "transpose":
      return call("transposeEvent", x.js, numbers(list("order")));
    case "clip":
      return call("clip", x.js, num(option("low")), num(option("high")));
    case "concat":
      return call("concatEvent", array(args.map((a) => eventOf(a, rank))), num(option("axis")));
    case "stack":
      return call("concatEvent", array(args.map((a) => call("expandDims", tensorJs(alignEvent(a, rank - 1)), num(-rank)))), num(-rank));
    case "batch_mean":
      return call("batchMean", tensorJs(x.js), num(x.shape.length));
    case "mmd":
      return call(
        "mmd",
        x.js,
        need(y, expr).js,
        num(x.shape.length),
        object(Object.fromEntries(Object.entries(expr.options).map(([k, v]) => [k, literalJs(v)]))),
      );
    case "pool":
      return call(runtime, x.js, object({ blocks: numbers(list("blocks")), rank: num(option("rank")) }));
    case "pad":
      return call("padEvent", x.js, numbers(list("low")), numbers(list("high")));
    default: {
      const options = Object.entries(expr.options);
      const last =
        options.length > 0
          ? [
              object(
                Object.fromEntries(
                  options.map(([k, v]) => [
                    k,
                    typeof v === "number" ? num(v) : typeof v === "string" ? { kind: "string" as const, value: v } : undefined,
                  ]),
                ),
              ),
            ]
          : [];
      return call(runtime, ...args.map((a) => alignEvent(a, rank)), ...last);
    }
  }
}

function literalJs(value: BuiltinExpr["options"][string]): Js | undefined {
  if (typeof value === "string") return { kind: "string", value };
  return typeof value === "number" ? num(value) : Array.isArray(value) ? numbers(value as readonly number[]) : undefined;
}

/** A literal becomes a tensor where a list of tensors is asked for. */
export function tensorJs(js: Js): Js {
  return js.kind === "number" ? call("constant", js) : js;
}

/** A value with exactly `rank` event axes, also where it has no leading ones. */
function eventOf(value: TensorValue, rank: number): Js {
  if (hasLead(value.lead)) return alignEvent(value, rank);
  let js = tensorJs(value.js);
  for (let r = value.shape.length; r < rank; r++) js = call("expandDims", js, num(-(r + 1)));
  return js;
}

/** Gives a value of smaller event rank the axes that it needs to meet one of rank `rank`: between its leading axes and its event. */
export function alignEvent(value: TensorValue, rank: number): Js {
  let js = value.js;
  if (!hasLead(value.lead)) return js;
  for (let r = value.shape.length; r < rank; r++) js = call("expandDims", js, num(-(r + 1)));
  return js;
}

/** vector @ matrix, matrix @ vector, vector @ vector, matrix @ matrix, with the batch wherever it is. */
function lowerMatmul(a: TensorValue, b: TensorValue): Js {
  const [ra, rb] = [a.shape.length, b.shape.length];
  if (ra === 1 && rb === 1) return call("sum", call("mul", a.js, b.js), numbers([-1]));
  const row = (v: TensorValue): Js => call("expandDims", v.js, num(-2));
  const column = (v: TensorValue): Js => call("expandDims", v.js, num(-1));
  if (ra === 1)
    return hasLead(a.lead) && !hasLead(b.lead) && rb === 2
      ? call("matmul", a.js, b.js)
      : call("squeeze", call("matmul", row(a), b.js), num(-2));
  if (rb === 1) {
    // A matrix of parameters times a batched vector is the batch times its transpose: one product for all rows.
    if (hasLead(b.lead) && !hasLead(a.lead) && ra === 2) return call("matmul", b.js, call("transpose", a.js));
    return call("squeeze", call("matmul", a.js, column(b)), num(-1));
  }
  return call("matmul", a.js, b.js);
}

function need(value: TensorValue | undefined, expr: BuiltinExpr): TensorValue {
  if (!value) throw new InternalError(`builtin ${expr.fn} lacks an argument`);
  return value;
}
