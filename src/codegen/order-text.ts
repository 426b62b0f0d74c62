/** The order in which the entries of a variable are drawn, and its proof, in words and in LaTeX. */
import { textOf } from "../base/source.js";
import type { OrderedLayer, OrderedNet, Sequential } from "../ir/autoregressive/prove.js";
import type { Reach } from "../ir/autoregressive/reach.js";
import { orderText } from "../ir/autoregressive/order.js";
import { latexName, scripted } from "./latex-names.js";
import { place } from "./place.js";

export interface OrderExplanation {
  readonly density: string;
  readonly variable: string;
  readonly place: string;
  readonly text: string;
  readonly latex: string;
  /** So many, each proven. */
  readonly orders: number;
  /** Layers that hold the order, in the order in which they are passed: what each entry, or unit, that they give reads. */
  readonly proof: readonly { readonly layer: string; readonly place: string; readonly reads: string; readonly times: number }[];
}

const READS: Readonly<Record<Reach, string>> = {
  before: "entries before its own",
  upTo: "entries up to its own",
  units: "entries before its degree",
  all: "all entries",
  later: "later entries, too",
};

export function explainOrder(sequential: Sequential): OrderExplanation {
  const { density, variable, orders, span } = sequential;
  const proof = proofOf(sequential.layers);
  return { density, variable, place: place(span), text: orderLine(sequential), latex: orderLatex(sequential), orders, proof };
}

/** Layers alike in text, place and what they read are told once. */
function proofOf(layers: readonly OrderedLayer[]): OrderExplanation["proof"] {
  const proof: { layer: string; place: string; reads: string; times: number }[] = [];
  for (const { instance, reach } of layers) {
    const step = { layer: textOf(instance.span).replaceAll(/\s+/gu, " "), place: place(instance.span), reads: READS[reach], times: 1 };
    const same = proof.find((p) => p.layer === step.layer && p.place === step.place && p.reads === step.reads);
    if (same) same.times++;
    else proof.push(step);
  }
  return proof;
}

/** Nets of the autoregressive bijections of a flow; those that are proven alike are told once. */
export interface NetOrderExplanation {
  readonly flow: string;
  readonly bijection: string;
  readonly place: string;
  readonly text: string;
  /** Nets of the flow that this is said of. */
  readonly times: number;
  readonly proof: OrderExplanation["proof"];
}

export function explainNets(nets: Iterable<OrderedNet>): readonly NetOrderExplanation[] {
  const all: NetOrderExplanation[] = [];
  for (const net of nets) {
    const text = positionsText({ ...net, positionAxes: net.shape.length, orders: 1 });
    const told = { flow: net.flow, bijection: net.bijection, place: place(net.span), text, proof: proofOf(net.layers) };
    const same = all.findIndex((other) => JSON.stringify({ ...other, times: 1 }) === JSON.stringify({ ...told, times: 1 }));
    const before = all[same];
    if (before) all[same] = { ...before, times: before.times + 1 };
    else all.push({ ...told, times: 1 });
  }
  return all;
}

export function printNetOrder(o: NetOrderExplanation): readonly string[] {
  return [
    `autoregressive: the net${o.times === 1 ? "" : `s of ${o.times} steps`} of ${o.bijection} in ${o.flow}  (${o.place})`,
    `  ${o.text}`,
    "  proof: what it makes for an entry reads entries of its input before it alone, so the Jacobian is triangular; on the way,",
    ...proofRows(o.proof),
  ];
}

function proofRows(proof: OrderExplanation["proof"]): readonly string[] {
  const rows = proof.map((p) => [p.times === 1 ? p.layer : `${p.layer}, ${p.times} times`, `reads ${p.reads}`, p.place] as const);
  const widths = [0, 1].map((i) => Math.max(0, ...rows.map((r) => (r[i] ?? "").length)));
  return rows.map(([a, b, c]) => `    ${a.padEnd(widths[0] ?? 0)}  ${b.padEnd(widths[1] ?? 0)}  ${c}`);
}

export function printOrder(o: OrderExplanation): readonly string[] {
  return [
    `autoregressive: ${o.variable} in ${o.density}  (${o.place})`,
    `  ${o.text}`,
    `  LaTeX: ${o.latex}`,
    `  proof${o.orders === 1 ? "" : `, of each of the ${o.orders} orders`}: the parameters of an entry read entries before it alone; on the way,`,
    ...(o.orders === 1
      ? []
      : ["    training takes one of the orders in each step, evaluation the mean of p over all, a sample one by chance for each row"]),
    ...proofRows(o.proof),
  ];
}

/** "p(x) = prod_i p(x_i | x_<i): i over 784 entries, in raster order" */
export function orderLine(sequential: Sequential): string {
  const { density, variable, reads } = sequential;
  const given = reads.length === 0 ? "" : ` | ${reads.join(", ")}`;
  return `${density}(${variable}${given}) = prod_i ${density}(${variable}_i | ${[`${variable}_<i`, ...reads].join(", ")}): ${positionsText(sequential)}`;
}

function orderLatex({ density, variable, reads }: Sequential): string {
  const [p, x] = [latexName(density), latexName(variable)];
  const rest = reads.map(latexName);
  const given = rest.length === 0 ? "" : ` \\mid ${rest.join(", ")}`;
  return `${p}(${x}${given}) = \\prod_{i} ${p}(${scripted(x, "_", "i")} \\mid ${[scripted(x, "_", "<i"), ...rest].join(", ")})`;
}

/** "i over the 784 pixels [28, 28] in raster order, the 3 entries at one of them at once" */
function positionsText({
  shape,
  positionAxes,
  positions,
  order,
  orders,
}: Pick<Sequential, "shape" | "positionAxes" | "positions" | "order" | "orders">): string {
  const axes = shape.slice(0, positionAxes);
  const atOnce = shape.slice(positionAxes).reduce((n, s) => n * s, 1);
  const where = axes.length > 1 ? `the ${positions} positions [${axes.join(", ")}]` : `the ${positions} positions`;
  const how =
    order === "natural"
      ? axes.length > 1
        ? "row after row"
        : "as they lie"
      : order === "reverse"
        ? "from the last to the first"
        : `in the order of ${orderText(order)}`;
  const several = orders === 1 ? "" : `, the first of ${orders} orders`;
  return `i over ${where}, ${how}${several}${atOnce > 1 ? `, the ${atOnce} entries at one of them at once` : ""}`;
}
