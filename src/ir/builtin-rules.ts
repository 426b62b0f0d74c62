/**
 * Typing rules of the builtins: arguments -> type of the result and the options that the runtime needs. Each reports what does not fit and then
 * gives undefined.
 */
import { report } from "../base/report.js";
import { textOf } from "../base/source.js";
import type { BuiltinCall, KnownArg, Options, Typed, TypedArg } from "./builtin-types.js";
import { abovezero, anything, between, fromZero, hull, isNonNegative, isPositive, multiplied, type Range, times } from "./range.js";
import { broadcastShapes, dim, elementCount, plusDim, sameShape, shapeOf, showShape, tensor, timesDim } from "./shapes.js";
import type { Dim, Element, Expr } from "./types.js";

export function without(shape: readonly Dim[], axes: readonly number[]): readonly Dim[] {
  return shape.filter((_, i) => !axes.includes(i - shape.length));
}

/** Two operands of one shape, or of shapes that repeat to one. */
export function elementwise(call: BuiltinCall, element: Element): Typed | undefined {
  const [a, b] = call.args;
  if (!a || !b) return undefined;
  const shape = broadcastShapes(a.type.shape, b.type.shape);
  if (shape) return { type: tensor(shape, element) };
  return mismatch(call, a, b, `\`${call.symbol ?? call.name}\` needs operands of one shape`);
}

export function mismatch(call: BuiltinCall, a: TypedArg, b: TypedArg, what: string, help: readonly string[] = []): undefined {
  report(
    call.cx.diagnostics,
    "GM2003",
    call.span,
    { what, expected: showShape(a.type.shape), found: showShape(b.type.shape) },
    {
      labels: [
        { span: a.span, text: showShape(a.type.shape) },
        { span: b.span, text: showShape(b.type.shape) },
      ],
      help,
    },
  );
  return undefined;
}

const PRODUCT = "`@` sums over the last axis on the left and the first of a matrix on the right, which must agree";

/** Whether the axes that `@` sums over have one size. */
function productFits(left: readonly Dim[], right: readonly Dim[]): boolean {
  return left.at(-1)?.size === (right.length === 1 ? right[0] : right.at(-2))?.size;
}

/** As it stands in the text, in parentheses where it is more than a name, a number or a call. */
function operand({ span }: TypedArg): string {
  const text = textOf(span);
  return /^(?:[\p{L}\p{N}_.]+(?:\[[^\]]*\]|\([^()]*\))*|\(.*\))$/su.test(text) ? text : `(${text})`;
}

export function matmulType(call: BuiltinCall): Typed | undefined {
  const [a, b] = call.args;
  if (!a || !b) return undefined;
  const [left, right] = [a.type.shape, b.type.shape];
  if (left.length === 0 || right.length === 0) {
    const scalar = left.length === 0 ? a : b;
    report(
      call.cx.diagnostics,
      "GM2030",
      scalar.span,
      { what: "`@`", expected: "a vector or a matrix", found: "a scalar" },
      { help: ["use `*` to scale by a number"] },
    );
    return undefined;
  }
  if (!productFits(left, right)) {
    const inner = left[left.length - 1];
    if (productFits(right, left)) {
      const swapped = `${operand(b)} @ ${operand(a)}`;
      return mismatch(call, a, b, PRODUCT, [`the other way round they agree: \`${swapped}\``]);
    }
    const turned = [left, right].some((s) => s.length === 2) && [...left, ...right].filter((d) => d.size === inner?.size).length > 1;
    const help = turned ? ["`transpose(W)` swaps the axes of a matrix"] : [];
    return mismatch(call, a, b, PRODUCT, help);
  }
  const leading = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  if (!leading) return mismatch(call, a, b, "`@` needs the same leading axes");
  const rows = left.length >= 2 ? left.slice(-2, -1) : [];
  const columns = right.length >= 2 ? right.slice(-1) : [];
  return { type: tensor([...leading, ...rows, ...columns]) };
}

/** A sum of products; where one side weighs by probabilities, a mean of what it weighs. */
export function matmulRange([a = anything, b = anything]: readonly Range[], _: Options, [left, right]: readonly KnownArg[]): Range {
  if (left?.simplex) return b;
  if (right?.simplex && right.shape.length === 1) return a;
  return times(multiplied(a, b), left?.shape.at(-1)?.size ?? 1);
}

/** A mean of rows that are probabilities, weighed by probabilities. */
export function matmulSimplex([left, right]: readonly KnownArg[]): boolean {
  return left?.simplex === true && right?.simplex === true && right.shape.length > 1;
}

/** The rule of what keeps probabilities as they are unless it works along their axis, the last. */
export function alongOthers([x, ...more]: readonly KnownArg[], { axis }: Options): boolean {
  return axis !== -1 && [x, ...more].every((arg) => arg?.simplex);
}

export function powRange([base = anything, exponent = anything]: readonly Range[]): Range {
  const even = exponent.low === exponent.high && exponent.low % 2 === 0;
  if (isNonNegative(base) && exponent.low === exponent.high) {
    const [low, high] = [base.low ** exponent.low, base.high ** exponent.low];
    const grows = exponent.low >= 0;
    if (grows) return { ...base, low, high };
    if (isPositive(base)) return { low: high, high: low, lowOpen: base.highOpen, highOpen: base.lowOpen };
  }
  if (isPositive(base)) return abovezero;
  const far = Math.max(Math.abs(base.low), Math.abs(base.high)) ** exponent.low;
  if (even && exponent.low > 0 && Number.isFinite(far)) return { low: 0, high: far, lowOpen: false, highOpen: false };
  return even || isNonNegative(base) ? fromZero : anything;
}

export function withOptions({ args, options }: BuiltinCall): Typed {
  return { type: tensor(args[0]?.type.shape ?? []), options: Object.fromEntries(options) };
}

export function whereType(call: BuiltinCall): Typed | undefined {
  const [condition, a, b] = call.args;
  if (!condition || !a || !b) return undefined;
  if (condition.type.element !== "bool") {
    report(
      call.cx.diagnostics,
      "GM2028",
      condition.span,
      { expected: "a condition", found: "a number" },
      { help: ["compare it: `greater(x, 0)`"] },
    );
    return undefined;
  }
  const both = broadcastShapes(a.type.shape, b.type.shape);
  if (!both) return mismatch(call, a, b, "`where` needs both choices in one shape");
  const shape = broadcastShapes(condition.type.shape, both);
  return shape ? { type: tensor(shape) } : mismatch(call, condition, a, "`where` needs its condition in the shape of the choices");
}

export function gluType(call: BuiltinCall): Typed | undefined {
  const shape = call.args[0]?.type.shape ?? [];
  const axis = call.options.get("axis") as number;
  const at = shape.length + axis;
  const size = shape[at];
  if (!size || size.size % 2 !== 0) {
    report(call.cx.diagnostics, "GM2030", call.span, { what: "`glu`", expected: "an even size along its axis", found: showShape(shape) });
    return undefined;
  }
  return { type: tensor(shape.map((d, i) => (i === at ? dim(d.size / 2) : d))), options: { axis } };
}

export function reshapeType(call: BuiltinCall): Typed | undefined {
  const x = call.args[0];
  const shape = call.dims.get("shape");
  if (!x || !shape) return undefined;
  const [before, after] = [elementCount(x.type.shape), elementCount(shape)];
  if (before !== after) {
    report(
      call.cx.diagnostics,
      "GM2044",
      call.span,
      { from: showShape(x.type.shape), fromCount: before, to: showShape(shape), toCount: after },
      { labels: [{ span: x.span, text: showShape(x.type.shape) }], help: reshapeHelp(x, shape) },
    );
    return undefined;
  }
  return { type: tensor(shape, x.type.element), options: { shape: shape.map((d) => d.size) } };
}

/** The dense layer that has made too many or too few entries, and how many are wanted. */
function reshapeHelp(x: TypedArg, shape: readonly Dim[]): readonly string[] {
  let from: Expr | undefined = x.expr;
  while (from?.kind === "builtin" && sameShape(shapeOf(from.args[0]), x.type.shape)) from = from.args[0];
  const sizes = shape.map((d) => d.text).join(" * ");
  if (from?.kind === "layer" && from.instance.layer === "dense" && x.type.shape.length === 1)
    return [`let the layer before make as many: \`dense(${sizes})\``];
  return ["`reshape` gives the entries new axes, and neither repeats nor drops any: its sizes multiply to as many as there are"];
}

export function transposeType(call: BuiltinCall): Typed | undefined {
  const x = call.args[0];
  if (!x) return undefined;
  const rank = x.type.shape.length;
  const order = call.dims.get("order")?.map((d) => d.size);
  if (order === undefined && rank < 2) {
    report(call.cx.diagnostics, "GM2030", x.span, { what: "`transpose`", expected: "a matrix", found: showShape(x.type.shape) });
    return undefined;
  }
  const axes = order
    ? order.map((a) => a - 1)
    : [...x.type.shape.keys()].map((i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));
  if (axes.length !== rank || new Set(axes).size !== rank || axes.some((a) => a < 0 || a >= rank)) {
    report(
      call.cx.diagnostics,
      "GM2047",
      call.span,
      { what: "`transpose`", axis: (order ?? []).join(", "), shape: showShape(x.type.shape) },
      {
        help: [`name each of the axes 1..${rank} once`],
      },
    );
    return undefined;
  }
  const shape = axes.flatMap((a) => x.type.shape[a] ?? []);
  return { type: tensor(shape, x.type.element), options: { order: axes.map((a) => a - rank) } };
}

export function concatType(call: BuiltinCall): Typed | undefined {
  const axis = call.options.get("axis") as number;
  const [a, ...others] = call.args;
  if (!a) return undefined;
  const vectors = call.args.map((arg) => (arg.type.shape.length === 0 ? [dim(1)] : arg.type.shape));
  const [shape = [], ...more] = vectors;
  const at = shape.length + axis;
  for (const [i, other] of more.entries()) {
    const clean = other.length === shape.length && other.every((d, j) => j === at || d.size === shape[j]?.size);
    const arg = others[i];
    if (!clean && arg) return mismatch(call, a, arg, "`concat` needs the same sizes on all axes but the one it joins");
  }
  const joined = more.reduce((total, s) => plusDim(total, s[at] ?? dim(0)), shape[at] ?? dim(0));
  return { type: tensor(shape.map((d, i) => (i === at ? joined : d))), options: { axis } };
}

export function stackType(call: BuiltinCall): Typed | undefined {
  const [a, ...others] = call.args;
  if (!a) return undefined;
  const odd = others.find((b) => !sameShape(a.type.shape, b.type.shape));
  if (odd) return mismatch(call, a, odd, "`stack` needs values of one shape");
  return { type: tensor([dim(call.args.length), ...a.type.shape]) };
}

export function padType(call: BuiltinCall): Typed | undefined {
  const x = call.args[0];
  const [low, high] = [call.options.get("low") as readonly number[], call.options.get("high") as readonly number[]];
  if (!x) return undefined;
  const rank = x.type.shape.length;
  if (low.length !== rank || high.length !== rank) {
    report(call.cx.diagnostics, "GM2030", call.span, {
      what: "`pad`",
      expected: `${rank} numbers before and after`,
      found: `${low.length} and ${high.length}`,
    });
    return undefined;
  }
  return { type: tensor(x.type.shape.map((d, i) => dim(d.size + (low[i] ?? 0) + (high[i] ?? 0)))), options: { low, high } };
}

export function takeType(call: BuiltinCall): Typed | undefined {
  const [table, labels] = call.args;
  const rows = table?.type.shape[0];
  if (!table || !labels) return undefined;
  if (!rows) {
    report(call.cx.diagnostics, "GM2039", call.span, { what: "a scalar", expected: "no index", found: "one" });
    return undefined;
  }
  if (labels.classes && labels.classes.size !== rows.size) {
    report(
      call.cx.diagnostics,
      "GM2040",
      call.span,
      { rows: showShape([rows]), classes: showShape([labels.classes]) },
      {
        labels: [
          { span: table.span, text: `${showShape(table.type.shape)}: ${rows.size} rows` },
          { span: labels.span, text: `${labels.classes.size} classes` },
        ],
      },
    );
    return undefined;
  }
  return { type: tensor([...labels.type.shape, ...table.type.shape.slice(1)], table.type.element) };
}

export function onehotType(call: BuiltinCall): Typed | undefined {
  const label = call.args[0];
  if (!label) return undefined;
  const classes = call.dims.get("classes")?.[0] ?? label.classes;
  if (!classes) {
    report(
      call.cx.diagnostics,
      "GM2024",
      call.span,
      { what: "`onehot`", missing: "`classes`" },
      { help: ["say how many there are: `onehot(c, 10)`"] },
    );
    return undefined;
  }
  return { type: tensor([...label.type.shape, classes]), options: { classes: classes.size } };
}

export function squareType(call: BuiltinCall): Typed | undefined {
  const x = call.args[0];
  const shape = x?.type.shape ?? [];
  if (shape.length >= 2 && sameShape(shape.slice(-1), shape.slice(-2, -1))) return { type: tensor(shape) };
  report(call.cx.diagnostics, "GM2030", x?.span ?? call.span, {
    what: `\`${call.name}\``,
    expected: "a square matrix",
    found: showShape(shape),
  });
  return undefined;
}

/** Number of windows along an axis; undefined where not one fits. */
export function windowed(size: Dim, window: number, stride: number, padding: string | number, dilation = 1): Dim | undefined {
  const reach = (window - 1) * dilation + 1;
  if (padding === "same") return stride === 1 ? size : dim(Math.ceil(size.size / stride));
  const out = Math.floor((size.size + 2 * (typeof padding === "number" ? padding : 0) - reach) / stride) + 1;
  return out < 1 ? undefined : out === size.size ? size : dim(out);
}

export function imageShape(call: BuiltinCall): readonly [Dim, Dim, Dim] | undefined {
  const x = call.args[0];
  const [h, w, c, ...more] = x?.type.shape ?? [];
  if (h && w && c && more.length === 0) return [h, w, c];
  report(call.cx.diagnostics, "GM2030", x?.span ?? call.span, {
    what: `\`${call.name}\``,
    expected: "an image [height, width, channels]",
    found: showShape(x?.type.shape ?? []),
  });
  return undefined;
}

/** Blocks as written, else those of the declaration; the leading axes are as many times shorter. */
export function blockType(call: BuiltinCall): Typed | undefined {
  const [x] = call.args;
  if (!x) return undefined;
  const { shape } = x.type;
  const blocks = call.dims.get("blocks")?.map((d) => d.size) ?? x.blocks;
  const fits = blocks?.every((size, i) => shape[i] !== undefined && size > 0 && shape[i].size % size === 0);
  if (!blocks || fits !== true) {
    report(
      call.cx.diagnostics,
      "GM2030",
      x.span,
      {
        what: `\`${call.name}\``,
        expected: blocks ? `blocks of ${blocks.join(" x ")} that tile its leading axes` : "units in blocks of known sizes",
        found: blocks ? showShape(shape) : "units without any",
      },
      { help: blocks ? [] : [`name the sizes: \`${call.name}(x, 2, 2)\`; of \`binary[…] at_most_one(2, 2)\` they are known`] },
    );
    return undefined;
  }
  const pooled = shape.map((d, i) => ((blocks[i] ?? 1) === 1 ? d : dim(d.size / (blocks[i] ?? 1))));
  return { type: tensor(pooled), options: { blocks: [...blocks], rank: shape.length } };
}

/** As many of what an entry is as a block has units. */
export function blockRange([r = anything]: readonly Range[], { blocks }: Options): Range {
  const units = (blocks as readonly number[]).reduce((n, b) => n * b, 1);
  return { ...r, low: r.low * units, high: r.high * units };
}

/** x [H, W, C] with a kernel [kh, kw, C, K] -> [H', W', K]. */
export function convType(call: BuiltinCall): Typed | undefined {
  const [x, kernel] = call.args;
  const image = imageShape(call);
  const k = image && kernelShape(call);
  if (!x || !kernel || !image || !k) return undefined;
  const [kh, kw, channels, filters] = k;
  if (channels.size !== image[2].size)
    return mismatch(
      call,
      x,
      kernel,
      `\`${call.name}\` needs the image's channels as the third axis of its kernel`,
      turnedHelp(k, 3, image[2]),
    );
  const { stride, padding } = windowOptions(call);
  const [h, w] = [windowed(image[0], kh.size, stride, padding), windowed(image[1], kw.size, stride, padding)];
  if (!h || !w)
    return mismatch(call, x, kernel, `\`${call.name}\` needs a kernel that fits into the image`, [
      '`padding = "same"` reads zeros around it',
    ]);
  return { type: tensor([h, w, filters]), options: unlessDefault(stride, padding) };
}

/** x [H', W', K] with a kernel [kh, kw, C, K] -> [H, W, C]. */
export function convTransposeType(call: BuiltinCall): Typed | undefined {
  const [x, kernel] = call.args;
  const image = imageShape(call);
  const k = image && kernelShape(call);
  if (!x || !kernel || !image || !k) return undefined;
  const [kh, kw, channels, filters] = k;
  if (filters.size !== image[2].size)
    return mismatch(
      call,
      x,
      kernel,
      `\`${call.name}\` needs the last axis of its input as the last of its kernel`,
      turnedHelp(k, 2, image[2]),
    );
  const { stride, padding } = windowOptions(call);
  const grow = (d: Dim, window: number): Dim => (padding === "same" ? timesDim(d, dim(stride)) : dim((d.size - 1) * stride + window));
  return { type: tensor([grow(image[0], kh.size), grow(image[1], kw.size), channels]), options: unlessDefault(stride, padding) };
}

function kernelShape(call: BuiltinCall): readonly [Dim, Dim, Dim, Dim] | undefined {
  const kernel = call.args[1];
  const [kh, kw, channels, filters, ...more] = kernel?.type.shape ?? [];
  if (kh && kw && channels && filters && more.length === 0) return [kh, kw, channels, filters];
  report(
    call.cx.diagnostics,
    "GM2030",
    kernel?.span ?? call.span,
    { what: `\`${call.name}\``, expected: "a kernel [height, width, channels, filters]", found: showShape(kernel?.type.shape ?? []) },
    { help: ["`param W : real[5, 5, 1, 24]`: 24 filters of 5 x 5 over 1 channel"] },
  );
  return undefined;
}

/** The other axis of the kernel may be the one that fits. */
function turnedHelp(kernel: readonly Dim[], other: number, wanted: Dim): readonly string[] {
  if (kernel[other]?.size !== wanted.size) return [];
  return other === 3 ? ["from filters back to channels: `conv_transpose(h, W)`"] : ["from channels to filters: `conv(x, W)`"];
}

function windowOptions({ options }: BuiltinCall): { readonly stride: number; readonly padding: string } {
  return { stride: options.get("stride") as number, padding: options.get("padding") as string };
}

function unlessDefault(stride: number, padding: string): Options {
  return { ...(stride === 1 ? {} : { stride }), ...(padding === "valid" ? {} : { padding }) };
}

/** Sums of products, some of which fall outside the image. */
export function convRange([a = anything, b = anything]: readonly Range[], _: Options, [, kernel]: readonly KnownArg[]): Range {
  const terms = (kernel?.shape ?? []).reduce((n, d) => n * d.size, 1);
  return hull([between(0, 0, false), times(multiplied(a, b), terms)]);
}
