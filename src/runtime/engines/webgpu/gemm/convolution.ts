/**
 * Convolutions and their two gradients as matrix products whose operands are index maps over the flat arrays ("implicit GEMM"): nothing is
 * unfolded in memory. Takes the parameters of the primitives `conv`, `convInputGrad` and `convFilterGrad` and shapes (channels last, one or two
 * spatial axes); gives m, n, k, batch, the operands with the WGSL of their functions, and the place of each element of C in the flat output.
 * The caller adds bindings and an epilogue. The batch is the groups; in the input's gradient, groups times phases:
 *
 * With stride s only every s-th tap meets an input position. Positions of one remainder of (position + padding) mod s, a phase, share their
 * taps, so each phase is a product of its own with about 1/s of the taps an axis, and no product is with a zero that the stride puts in.
 *
 * Positions are u32: those before the array's start wrap around to far behind its end, so one comparison finds both.
 */
import type { ConvParams, Shape } from "../../../graph/types.js";
import { lines, over, plus, range, times, within } from "./text.js";
import type { FunctionOperand, GemmOperand, GemmSpec } from "./types.js";

/** A flat array in C order: a storage array by its name, or a function `fn name(index: u32) -> f32` (a fused prologue). */
export type Flat = FlatArray | { readonly read: string };

export interface FlatArray {
  readonly array: string;
  /** Declared as an array of vec4; see StridedOperand. */
  readonly vectors?: boolean;
  readonly element?: "f32" | "f16";
}

export interface ConvolutionGemm extends Pick<GemmSpec, "m" | "n" | "k" | "batch" | "a" | "b"> {
  /** WGSL of the operands' functions and of `place`; to be put behind the declaration of the arrays. */
  readonly functions: string;
  /** Name of `fn(batch: u32, row: u32, col: u32) -> u32`: where an element of C belongs in the flat output … */
  readonly place: string;
  /** … or `0xffffffffu` for an element that belongs nowhere, which the epilogue must drop. Only where this is true. */
  readonly partial: boolean;
}

/** y = conv(x, w): rows are the output's positions, depth the taps and channels of a group. `prefix` begins all names. */
export function convGemm(
  params: ConvParams,
  x: Shape,
  w: Shape,
  from: { readonly x: Flat; readonly w: Flat },
  prefix: string,
): ConvolutionGemm {
  const g = geometry(params, x, w);
  const [h, wd] = g.axes;
  const pointwise = g.pointwise && "array" in from.x;
  const a = pointwise ? strided(from.x, g.cin, g.cinAll, 1) : run(from.x, `${prefix}A`, "columns", g.cin);
  const b = weights(from.w, `${prefix}W`, g);
  const map = [
    ...split("row", [wd.out, "ox"], [h.out, "oy"], [undefined, "image"]),
    ...split("col", [g.cin, "channel"], [wd.window, "kx"], [undefined, "ky"]),
    ...inputPosition(g),
    `let at = ((image * ${h.input}u + iy) * ${wd.input}u + ix) * ${g.cinAll}u + ${group(g.cin)}channel;`,
  ];
  const outside = g.padded ? `iy >= ${h.input}u || ix >= ${wd.input}u` : undefined;
  return {
    m: x[0]! * h.out * wd.out,
    n: g.cout,
    k: h.window * wd.window * g.cin,
    batch: params.groups,
    a,
    b: b.operand,
    functions: [pointwise ? "" : functionsOf(a as FunctionOperand, from.x, map, outside), b.functions, rowMajor(`${prefix}Place`, g)].join(
      "",
    ),
    place: `${prefix}Place`,
    partial: false,
  };
}

/** The gradient of conv in x, of shape `params.inputShape`: rows are positions of the input of one phase, depth its taps and the channels of y. */
export function convInputGradGemm(
  params: ConvParams & { readonly inputShape: Shape },
  dy: Shape,
  w: Shape,
  from: { readonly dy: Flat; readonly w: Flat },
  prefix: string,
): ConvolutionGemm {
  const x = params.inputShape;
  const g = geometry(params, x, w);
  const [h, wd] = g.axes;
  const [ph, pw] = [phasesOf(h), phasesOf(wd)];
  const phase = [
    `let ry = ${within(`(${over("batch", wd.stride, 2)})`, h.stride)};`,
    `let rx = ${within("batch", wd.stride)};`,
    `let group = ${over("batch", h.stride * wd.stride, params.groups)};`,
  ];
  const positions = split("row", [pw.positions, "qx"], [ph.positions, "qy"], [undefined, "image"]);
  const taps = (index: string): string[] => [
    ...split(index, [g.cout, "channel"], [pw.taps, "jx"], [undefined, "jy"]),
    `let ky = ${ph.tap("ry", "jy")};`,
    `let kx = ${pw.tap("rx", "jx")};`,
  ];
  const a = run(from.dy, `${prefix}A`, "columns", g.cout);
  const b = run(from.w, `${prefix}B`, "rows", g.cout);
  const missing = ph.uneven || pw.uneven;
  const noTap = `ky >= ${h.window}u || kx >= ${wd.window}u`;
  const mapA = [
    ...phase,
    ...positions,
    ...taps("col"),
    `let oy = ${plus("qy", ph.first)} - ${ph.back("ry", "jy")};`,
    `let ox = ${plus("qx", pw.first)} - ${pw.back("rx", "jx")};`,
    `let at = ((image * ${h.out}u + oy) * ${wd.out}u + ox) * ${g.coutAll}u + group * ${g.cout}u + channel;`,
  ];
  const mapB = [
    ...phase,
    ...taps("row"),
    `let at = ((ky * ${wd.window}u + kx) * ${g.cin}u + col) * ${g.coutAll}u + group * ${g.cout}u + channel;`,
  ];
  const outsideA = [`oy >= ${h.out}u || ox >= ${wd.out}u`, ...(missing ? [noTap] : [])].join(" || ");
  const place = `fn ${prefix}Place(batch: u32, row: u32, col: u32) -> u32 {
${lines(2, [
  ...phase,
  ...positions,
  `let iy = ${minus(`${times(`(${plus("qy", ph.first)})`, h.stride)} + ry`, h.before)};`,
  `let ix = ${minus(`${times(`(${plus("qx", pw.first)})`, wd.stride)} + rx`, wd.before)};`,
  `if (iy >= ${h.input}u || ix >= ${wd.input}u) { return 0xffffffffu; }`,
  `return ((image * ${h.input}u + iy) * ${wd.input}u + ix) * ${g.cinAll}u + group * ${g.cin}u + col;`,
])}}
`;
  return {
    m: x[0]! * ph.positions * pw.positions,
    n: g.cin,
    k: ph.taps * pw.taps * g.cout,
    batch: params.groups * h.stride * wd.stride,
    a,
    b,
    functions: [functionsOf(a, from.dy, mapA, outsideA), functionsOf(b, from.w, mapB, missing ? noTap : undefined), place].join(""),
    place: `${prefix}Place`,
    partial: ph.partial || pw.partial,
  };
}

/** The gradient of conv in w, of shape `params.filterShape`: rows are taps and channels of x, depth the positions of the output. */
export function convFilterGradGemm(
  params: ConvParams & { readonly filterShape: Shape },
  x: Shape,
  dy: Shape,
  from: { readonly x: Flat; readonly dy: Flat },
  prefix: string,
): ConvolutionGemm {
  const g = geometry(params, x, params.filterShape);
  const [h, wd] = g.axes;
  const pointwise = g.pointwise && "array" in from.x;
  const a = pointwise ? strided(from.x, g.cin, 1, g.cinAll) : run(from.x, `${prefix}A`, "rows", g.cin);
  const b = weights(from.dy, `${prefix}Dy`, g);
  const map = [
    ...split("row", [g.cin, "channel"], [wd.window, "kx"], [undefined, "ky"]),
    ...split("col", [wd.out, "ox"], [h.out, "oy"], [undefined, "image"]),
    ...inputPosition(g),
    `let at = ((image * ${h.input}u + iy) * ${wd.input}u + ix) * ${g.cinAll}u + ${group(g.cin)}channel;`,
  ];
  const outside = g.padded ? `iy >= ${h.input}u || ix >= ${wd.input}u` : undefined;
  return {
    m: h.window * wd.window * g.cin,
    n: g.cout,
    k: x[0]! * h.out * wd.out,
    batch: params.groups,
    a,
    b: b.operand,
    functions: [pointwise ? "" : functionsOf(a as FunctionOperand, from.x, map, outside), b.functions, rowMajor(`${prefix}Place`, g)].join(
      "",
    ),
    place: `${prefix}Place`,
    partial: false,
  };
}

/** One spatial axis. */
interface ConvAxis {
  readonly input: number;
  readonly window: number;
  readonly out: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

interface Geometry {
  /** Two axes; a single one comes second, after one of extent 1. */
  readonly axes: readonly [ConvAxis, ConvAxis];
  readonly cinAll: number;
  readonly coutAll: number;
  /** Channels of a group. */
  readonly cin: number;
  readonly cout: number;
  readonly padded: boolean;
  /** One tap at each position: the convolution is a plain product. */
  readonly pointwise: boolean;
}

function geometry(params: ConvParams, x: Shape, w: Shape): Geometry {
  const axis = (i: number): ConvAxis => {
    const [input, window, stride, dilation] = [x[i + 1]!, w[i]!, params.stride[i]!, params.dilation[i]!];
    const [before, after] = params.padding[i]!;
    const out = Math.floor((input + before + after - dilation * (window - 1) - 1) / stride) + 1;
    return { input, window, out, stride, dilation, before, after };
  };
  const single: ConvAxis = { input: 1, window: 1, out: 1, stride: 1, dilation: 1, before: 0, after: 0 };
  const axes: readonly [ConvAxis, ConvAxis] = w.length === 3 ? [single, axis(0)] : [axis(0), axis(1)];
  const [cinAll, coutAll] = [x[x.length - 1]!, w[w.length - 1]!];
  return {
    axes,
    cinAll,
    coutAll,
    cin: cinAll / params.groups,
    cout: coutAll / params.groups,
    padded: axes.some((a) => a.before > 0 || a.after > 0),
    pointwise: axes.every((a) => a.window === 1 && a.stride === 1 && a.before === 0 && a.after === 0),
  };
}

/** How the taps of one axis fall into phases; names are of WGSL variables: the phase r, the j-th tap of it. */
interface Phases {
  /** The smallest quotient of (position + padding) by the stride, and how many there are. */
  readonly first: number;
  readonly positions: number;
  /** Most taps of a phase. */
  readonly taps: number;
  /** Some phase has fewer taps: then `tap` is beyond the window. */
  readonly uneven: boolean;
  /** Some quotient and phase is no position. */
  readonly partial: boolean;
  readonly tap: (r: string, j: string) => string;
  /** How far the output's position lies before the quotient. */
  readonly back: (r: string, j: string) => string;
}

function phasesOf(axis: ConvAxis): Phases {
  const { stride, dilation, window, input, before } = axis;
  const common = gcd(stride, dilation);
  const [apart, backApart] = [stride / common, dilation / common];
  // tap * dilation = r (mod stride): its first solution, and the rest, `apart` from one to the next
  const starts = range(stride).map((r) => {
    const found = range(apart).find((tap) => (tap * dilation - r) % stride === 0);
    return found ?? window;
  });
  const counts = starts.map((start) => Math.max(0, Math.ceil((window - start) / apart)));
  const backs = starts.map((start, r) => (start === window && (start * dilation - r) % stride !== 0 ? 0 : (start * dilation - r) / stride));
  const first = Math.floor(before / stride);
  const positions = Math.floor((input - 1 + before) / stride) - first + 1;
  const taps = Math.max(...counts, 1);
  return {
    first,
    positions,
    taps,
    uneven: counts.some((c) => c < taps),
    partial: before % stride !== 0 || positions * stride !== input,
    tap: (r, j) => `${table(starts, r)} + ${times(j, apart)}`,
    back: (r, j) => `(${table(backs, r)} + ${times(j, backApart)})`,
  };
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Looks up a number of a short list: the index itself, a constant, or an array. */
function table(values: readonly number[], index: string): string {
  if (values.every((v, i) => v === i)) return index;
  if (values.every((v) => v === values[0])) return `${values[0]}u`;
  return `array<u32, ${values.length}>(${values.map((v) => `${v}u`).join(", ")})[${index}]`;
}

/** Statements that take an index apart, from its fastest part on. */
function split(index: string, ...parts: readonly (readonly [number | undefined, string])[]): string[] {
  let rest = index;
  const texts: string[] = [];
  parts.forEach(([extent, name], i) => {
    if (extent === undefined) {
      texts.push(`let ${name} = ${rest};`);
      return;
    }
    texts.push(`let ${name} = ${within(rest, extent)};`);
    if (extent > 1) {
      const next = `${index}Rest${i}`;
      texts.push(`let ${next} = ${rest} / ${extent}u;`);
      rest = next;
    }
  });
  return texts;
}

const minus = (text: string, n: number): string => plus(text, -n);

/** Where the tap (ky, kx) of output position (oy, ox) lies in the input. */
function inputPosition({ axes: [h, wd] }: Geometry): string[] {
  return [
    `let iy = ${minus(`${times("oy", h.stride)} + ${times("ky", h.dilation)}`, h.before)};`,
    `let ix = ${minus(`${times("ox", wd.stride)} + ${times("kx", wd.dilation)}`, wd.before)};`,
  ];
}

const group = (channels: number): string => `batch * ${channels}u + `;

const strided = (flat: FlatArray, batchStride: number, rowStride: number, colStride: number): GemmOperand => ({
  kind: "strided",
  array: flat.array,
  offset: 0,
  batchStride,
  rowStride,
  colStride,
  ...(flat.vectors === undefined ? {} : { vectors: flat.vectors }),
  ...(flat.element === undefined ? {} : { element: flat.element }),
});

/** Instructions of an index map besides its load, about: eight divisions by constants. */
const mapCost = 30;

/** An operand read through an index map; in runs of four channels where a group's channels are a multiple of four. */
function run(flat: Flat, name: string, along: "rows" | "columns", channels: number): FunctionOperand {
  return {
    kind: "function",
    name,
    along,
    cost: mapCost,
    ...(channels % 4 === 0 ? { vector: `${name}4` } : {}),
    ...("array" in flat && flat.element !== undefined ? { element: flat.element } : {}),
  };
}

/** The functions of such an operand: `map` finds `at`, the index in the flat array; zero where `outside` holds. */
function functionsOf(operand: FunctionOperand, flat: Flat, map: readonly string[], outside: string | undefined): string {
  const body = (zero: string, value: string): string =>
    lines(2, [
      ...map.slice(0, -1),
      ...(outside === undefined ? [] : [`if (${outside}) { return ${zero}; }`]),
      ...map.slice(-1),
      `return ${value};`,
    ]);
  const four = operand.vector;
  return `fn ${operand.name}(batch: u32, row: u32, col: u32) -> f32 {
${body("0.0", readOne(flat, "at"))}}
${four === undefined ? "" : `fn ${four}(batch: u32, row: u32, col: u32) -> vec4f {\n${body("vec4f()", readFour(flat))}}\n`}`;
}

function readOne(flat: Flat, at: string): string {
  if ("read" in flat) return `${flat.read}(${at})`;
  const text = flat.vectors ? `${flat.array}[${at} / 4u][${at} % 4u]` : `${flat.array}[${at}]`;
  return flat.element === "f16" ? `f32(${text})` : text;
}

function readFour(flat: Flat): string {
  if ("array" in flat && flat.vectors) return `vec4f(${flat.array}[at / 4u])`;
  return `vec4f(${range(4)
    .map((i) => readOne(flat, i === 0 ? "at" : `(at + ${i}u)`))
    .join(", ")})`;
}

/** An operand [rows, Cout] whose columns are a group's channels of the output: the weights in conv, dy in the filter's gradient. */
function weights(flat: Flat, name: string, g: Geometry): { readonly operand: GemmOperand; readonly functions: string } {
  if ("array" in flat) return { operand: strided(flat, g.cout, g.coutAll, 1), functions: "" };
  const operand = run(flat, name, "columns", g.cout);
  return { operand, functions: functionsOf(operand, flat, [`let at = row * ${g.coutAll}u + ${group(g.cout)}col;`], undefined) };
}

/** The place in an output [rows, Cout]. */
function rowMajor(name: string, g: Geometry): string {
  return `fn ${name}(batch: u32, row: u32, col: u32) -> u32 { return row * ${g.coutAll}u + ${group(g.cout)}col; }
`;
}
