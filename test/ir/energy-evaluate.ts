/**
 * Expressions of the IR in plain float64 on small arrays, written from the language's reference and from nothing of the compiler: what the
 * claims of the analysis are held against. A category's value is its one-hot vector, also between classes.
 */
import type { DeriveContext } from "../../src/ir/derive/context.js";
import type { Expr } from "../../src/ir/types.js";

export interface Arr {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface Point {
  /** By variable; a category as one-hot, [...shape, classes]. */
  readonly variables: Readonly<Record<string, Arr>>;
  /** By weights path: `W`, `f.dense1.kernel`. Missing ones are drawn by `weight`. */
  readonly weight: (path: string, shape: readonly number[]) => Arr;
}

type Value = Arr | { readonly record: Readonly<Record<string, Arr>> };

export const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** From a function of the index. */
function build(shape: readonly number[], f: (index: readonly number[]) => number): Arr {
  const data = Array.from({ length: size(shape) }, (_, flat) => f(unflatten(flat, shape)));
  return { shape, data };
}

function unflatten(flat: number, shape: readonly number[]): readonly number[] {
  const index: number[] = [];
  let rest = flat;
  for (let i = shape.length - 1; i >= 0; i--) {
    const n = shape[i] ?? 1;
    index[i] = rest % n;
    rest = Math.floor(rest / n);
  }
  return index;
}

/** The entry at an index, trailing axes aligned and axes of size 1 repeated. */
function at(x: Arr, index: readonly number[]): number {
  let flat = 0;
  x.shape.forEach((n, i) => {
    const k = index[index.length - x.shape.length + i] ?? 0;
    flat = flat * n + (n === 1 ? 0 : k);
  });
  return x.data[flat] ?? NaN;
}

function broadcast(...shapes: readonly (readonly number[])[]): readonly number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => Math.max(...shapes.map((s) => s[s.length - rank + i] ?? 1)));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

function logsumexp(xs: readonly number[]): number {
  const top = Math.max(...xs);
  return top + Math.log(xs.reduce((a, b) => a + Math.exp(b - top), 0));
}

const ENTRYWISE: Readonly<Record<string, (...x: number[]) => number>> = {
  add: (a = 0, b = 0) => a + b,
  sub: (a = 0, b = 0) => a - b,
  mul: (a = 0, b = 0) => a * b,
  div: (a = 0, b = 0) => a / b,
  pow: (a = 0, b = 0) => a ** b,
  neg: (a = 0) => -a,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sqrt: Math.sqrt,
  square: (a = 0) => a * a,
  relu: (a = 0) => Math.max(a, 0),
  sigmoid: (a = 0) => sigmoid(a),
  softplus: (a = 0) => softplus(a),
  log_sigmoid: (a = 0) => -softplus(-a),
  stop: (a = 0) => a,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a = 0, b = 0) => (a > b ? 1 : 0),
  less: (a = 0, b = 0) => (a < b ? 1 : 0),
  where: (c = 0, a = 0, b = 0) => (c !== 0 ? a : b),
};

const REDUCE: Readonly<Record<string, (xs: readonly number[]) => number>> = {
  sum: (xs) => xs.reduce((a, b) => a + b, 0),
  mean: (xs) => xs.reduce((a, b) => a + b, 0) / xs.length,
  variance: (xs) => {
    const m = xs.reduce((a, b) => a + b, 0) / xs.length;
    return xs.reduce((a, b) => a + (b - m) ** 2, 0) / xs.length;
  },
  norm: (xs) => Math.hypot(...xs),
  max: (xs) => Math.max(...xs),
  min: (xs) => Math.min(...xs),
  logsumexp,
  logmeanexp: (xs) => logsumexp(xs) - Math.log(xs.length),
};

function reduce(x: Arr, axes: readonly number[], f: (xs: readonly number[]) => number): Arr {
  const gone = axes.map((a) => a + x.shape.length);
  const shape = x.shape.filter((_, i) => !gone.includes(i));
  const inner = gone.map((g) => x.shape[g] ?? 1);
  return build(shape, (index) => {
    const xs = Array.from({ length: size(inner) }, (_, flat) => {
      const extra = unflatten(flat, inner);
      let k = 0;
      return at(
        x,
        x.shape.map((_, i) => (gone.includes(i) ? (extra[gone.indexOf(i)] ?? 0) : (index[k++] ?? 0))),
      );
    });
    return f(xs);
  });
}

function alongAxis(x: Arr, axis: number, f: (xs: readonly number[]) => readonly number[]): Arr {
  const i = axis + x.shape.length;
  return build(x.shape, (index) => {
    const xs = Array.from({ length: x.shape[i] ?? 1 }, (_, k) =>
      at(
        x,
        index.map((v, j) => (j === i ? k : v)),
      ),
    );
    return f(xs)[index[i] ?? 0] ?? NaN;
  });
}

function matmul(a: Arr, b: Arr): Arr {
  const [left, right] = [a.shape.length > 1, b.shape.length > 1];
  const A = left ? a : { shape: [1, ...a.shape], data: a.data };
  const B = right ? b : { shape: [...b.shape, 1], data: b.data };
  const n = A.shape.at(-1) ?? 1;
  const lead = broadcast(A.shape.slice(0, -2), B.shape.slice(0, -2));
  const full = build([...lead, A.shape.at(-2) ?? 1, B.shape.at(-1) ?? 1], (index) => {
    const [outer, i, k] = [index.slice(0, -2), index.at(-2) ?? 0, index.at(-1) ?? 0];
    let total = 0;
    for (let j = 0; j < n; j++) total += at(A, [...outer, i, j]) * at(B, [...outer, j, k]);
    return total;
  });
  const shape = [...lead, ...(left ? [A.shape.at(-2) ?? 1] : []), ...(right ? [B.shape.at(-1) ?? 1] : [])];
  return { shape, data: full.data };
}

const shapeOfExpr = (e: Expr): readonly number[] => (e.type.kind === "tensor" ? e.type.shape.map((d) => d.size) : []);

export function evaluateExpr(context: DeriveContext, point: Point, expr: Expr): Arr {
  const categories = new Set([...context.model.variables.values()].filter((v) => v.domain.name === "category").map((v) => v.name));

  const visit = (e: Expr, env: ReadonlyMap<string, Value>): Value => {
    const arr = (x: Expr | undefined): Arr => {
      const v = x ? visit(x, env) : undefined;
      if (!v || "record" in v) throw new Error("no tensor");
      return v;
    };
    switch (e.kind) {
      case "number":
        return { shape: [], data: [e.value] };
      case "variable":
        return point.variables[e.variable] as Arr;
      case "param": {
        const shape = e.type.kind === "tensor" ? e.type.shape.map((d) => d.size) : [];
        const raw = point.weight(e.path, shape);
        return context.model.params.find((p) => p.name === e.param)?.domain.name === "positive"
          ? { shape, data: raw.data.map(Math.exp) }
          : raw;
      }
      case "local":
        return env.get(e.local.id) ?? visit((context.bindings.get(e.local.id) as { value: Expr }).value, env);
      case "record":
        return { record: Object.fromEntries(e.fields.map((f) => [f.name, arr(f.value)])) };
      case "field": {
        const target = visit(e.target, env);
        return "record" in target ? (target.record[e.field] as Arr) : target;
      }
      case "netCall": {
        const net = context.nets.get(e.net);
        if (!net) throw new Error(e.net);
        const inner = new Map<string, Value>(net.params.map((p, i) => [p.id, visit(e.args[i] as Expr, env)]));
        for (const b of net.body) inner.set(b.local.id, visit(b.value, inner));
        return visit(net.result, inner);
      }
      case "layer": {
        const x = arr(e.args[0]);
        const { layer, path, spec, options } = e.instance;
        const numbers = spec.map(Number);
        if (layer === "dense" || layer === "embedding") {
          const [inputs = 1, units = 1] = numbers;
          const out = matmul(x, point.weight(`${path}.kernel`, [inputs, units]));
          if (layer === "embedding" || options["bias"] === false) return out;
          const bias = point.weight(`${path}.bias`, [units]);
          return build(out.shape, (i) => at(out, i) + at(bias, i));
        }
        if (layer === "conv" && options["padding"] === "valid") {
          const [inputs = 1, units = 1, window = 1] = numbers;
          const kernel = point.weight(`${path}.kernel`, [window, window, inputs, units]);
          const [h = 1, w = 1] = x.shape;
          return build([h - window + 1, w - window + 1, units], ([i = 0, j = 0, u = 0]) => {
            let total = 0;
            for (let p = 0; p < window; p++)
              for (let q = 0; q < window; q++)
                for (let c = 0; c < inputs; c++) total += at(x, [i + p, j + q, c]) * at(kernel, [p, q, c, u]);
            return total;
          });
        }
        throw new Error(`layer ${layer}`);
      }
      case "builtin":
        return builtin(e, arr);
      default:
        throw new Error(e.kind);
    }
  };

  const isLabel = (e: Expr | undefined): boolean => e?.type.kind === "tensor" && e.type.element === "int" && categories.size > 0;

  const builtin = (e: Extract<Expr, { kind: "builtin" }>, arr: (x: Expr | undefined) => Arr): Arr => {
    const o = e.options;
    // a label's one-hot form has one axis more, the last
    const shift = isLabel(e) ? 1 : 0;
    const f = ENTRYWISE[e.fn];
    if (f) {
      const args = e.args.map(arr);
      return build(broadcast(...args.map((a) => a.shape)), (i) => f(...args.map((a) => at(a, i))));
    }
    const r = REDUCE[e.fn];
    if (r) return reduce(arr(e.args[0]), o["axes"] as readonly number[], r);
    if (e.fn === "eye") return build([o["size"] as number, o["size"] as number], ([i, j]) => (i === j ? 1 : 0));
    if (e.fn === "zeros" || e.fn === "ones") return build(o["shape"] as readonly number[], () => (e.fn === "ones" ? 1 : 0));
    if (e.fn === "eye") return build([o["size"] as number, o["size"] as number], ([i, j]) => (i === j ? 1 : 0));
    const x = arr(e.args[0]);
    const axis = (typeof o["axis"] === "number" ? o["axis"] : -1) - shift + x.shape.length;
    switch (e.fn) {
      case "matmul":
        return matmul(x, arr(e.args[1]));
      case "take": {
        const labels = arr(e.args[1]);
        const row = x.shape.slice(1);
        const flat = matmul(labels, { shape: [x.shape[0] ?? 1, size(row)], data: x.data });
        return { shape: [...labels.shape.slice(0, -1), ...row], data: flat.data };
      }
      case "onehot":
        return x;
      case "softmax":
        return alongAxis(x, o["axis"] as number, (xs) => {
          const total = logsumexp(xs);
          return xs.map((v) => Math.exp(v - total));
        });
      case "cumsum":
        return alongAxis(x, o["axis"] as number, (xs) => xs.map((_, i) => xs.slice(0, i + 1).reduce((a, b) => a + b, 0)));
      case "reverse":
        return alongAxis(x, o["axis"] as number, (xs) => [...xs].reverse());
      case "reshape":
      case "flatten":
        return { shape: [...(o["shape"] as readonly number[]), ...x.shape.slice(x.shape.length - shift, x.shape.length)], data: x.data };
      case "transpose": {
        const order = [...(o["order"] as readonly number[]).map((a) => a - shift), ...(shift ? [-1] : [])].map((a) => a + x.shape.length);
        return build(
          order.map((a) => x.shape[a] ?? 1),
          (index) =>
            at(
              x,
              x.shape.map((_, i) => index[order.indexOf(i)] ?? 0),
            ),
        );
      }
      case "index": {
        const shape = x.shape.filter((_, i) => i !== axis);
        return build(shape, (i) => at(x, [...i.slice(0, axis), o["position"] as number, ...i.slice(axis)]));
      }
      case "slice": {
        const [start, stop] = [o["start"] as number, o["stop"] as number];
        return build(
          x.shape.map((n, i) => (i === axis ? stop - start : n)),
          (index) =>
            at(
              x,
              index.map((v, i) => (i === axis ? v + start : v)),
            ),
        );
      }
      case "concat": {
        const parts = e.args.map((a) => arr(a)).map((a) => (a.shape.length === 0 ? { ...a, shape: [1] } : a));
        const along = (o["axis"] as number) + (parts[0]?.shape.length ?? 1);
        const shape = (parts[0]?.shape ?? []).map((n, i) => (i === along ? parts.reduce((t, p) => t + (p.shape[i] ?? 0), 0) : n));
        return build(shape, (index) => {
          let k = index[along] ?? 0;
          for (const p of parts) {
            if (k < (p.shape[along] ?? 0))
              return at(
                p,
                index.map((v, i) => (i === along ? k : v)),
              );
            k -= p.shape[along] ?? 0;
          }
          return NaN;
        });
      }
      case "stack": {
        const parts = e.args.map((a) => arr(a));
        return build([parts.length, ...x.shape], ([k = 0, ...rest]) => at(parts[k] as Arr, rest));
      }
      case "conv": {
        const kernel = arr(e.args[1]);
        const [kh = 1, kw = 1, channels = 1] = kernel.shape;
        const stride = Number(o["stride"] ?? 1);
        return build(shapeOfExpr(e), ([i = 0, j = 0, u = 0]) => {
          let total = 0;
          for (let p = 0; p < kh; p++)
            for (let q = 0; q < kw; q++)
              for (let c = 0; c < channels; c++) total += at(x, [i * stride + p, j * stride + q, c]) * at(kernel, [p, q, c, u]);
          return total;
        });
      }
      case "conv_transpose": {
        const kernel = arr(e.args[1]);
        const [kh = 1, kw = 1, , filters = 1] = kernel.shape;
        const [h = 1, w = 1] = x.shape;
        const stride = Number(o["stride"] ?? 1);
        return build(shapeOfExpr(e), ([i = 0, j = 0, c = 0]) => {
          let total = 0;
          for (let m = 0; m < h; m++)
            for (let n = 0; n < w; n++) {
              const [p, q] = [i - m * stride, j - n * stride];
              if (p < 0 || q < 0 || p >= kh || q >= kw) continue;
              for (let u = 0; u < filters; u++) total += at(x, [m, n, u]) * at(kernel, [p, q, c, u]);
            }
          return total;
        });
      }
      case "avg_pool": {
        const n = o["size"] as number;
        return build(shapeOfExpr(e), ([i = 0, j = 0, c = 0]) => {
          let total = 0;
          for (let p = 0; p < n; p++) for (let q = 0; q < n; q++) total += at(x, [i * n + p, j * n + q, c]);
          return total / (n * n);
        });
      }
      case "pool": {
        const blocks = o["blocks"] as readonly number[];
        const total = new Map<string, number>();
        build(x.shape, (i) => {
          const key = i.map((p, axis) => Math.floor(p / (blocks[axis] ?? 1))).join();
          total.set(key, (total.get(key) ?? 0) + at(x, i));
          return 0;
        });
        return build(shapeOfExpr(e), (i) => total.get(i.join()) ?? 0);
      }
      case "upsample": {
        const n = o["factor"] as number;
        return build(shapeOfExpr(e), ([i = 0, j = 0, c = 0]) => at(x, [Math.floor(i / n), Math.floor(j / n), c]));
      }
      case "tril":
        return build(x.shape, (i) => ((i.at(-1) ?? 0) <= (i.at(-2) ?? 0) ? at(x, i) : 0));
      default:
        throw new Error(`builtin ${e.fn}`);
    }
  };

  const out = visit(expr, new Map());
  if ("record" in out) throw new Error("a record");
  return out;
}
