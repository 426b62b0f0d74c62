/**
 * The total table: how each primitive is computed, and where. A primitive goes to the device where its kernels take the types exactly; small things whose
 * operands are all on the host (the numbers of a schedule, counters, the index of an iteration) stay there, which saves launches and digits.
 */
import { sizeOf } from "../../graph/shape.js";
import type { Node, Prim } from "../../graph/types.js";
import type { Device } from "./device.js";
import { elementwise } from "./lower-elementwise.js";
import { linear } from "./lower-linear.js";
import { structure } from "./lower-structure.js";
import { only, type Placed, type Rule } from "./lowering.js";

/** Values that come from elsewhere. */
type Source = "input" | "state" | "constant" | "iota" | "random" | "randomCounts";
/** The same value under another name or shape. */
type Renaming = "broadcast" | "reshape" | "stopGradient";

type Entry<P extends Prim> = P extends Source ? "source" | "host" : P extends Renaming ? "renaming" : Placed<P>;

const table: { readonly [P in Prim]: Entry<P> } = {
  input: "source",
  state: "source",
  constant: "source",
  iota: "source",
  // words need 32-bit arithmetic, which TensorFlow.js has not; what is drawn is uploaded
  random: "host",
  randomCounts: "host",
  broadcast: "renaming",
  reshape: "renaming",
  stopGradient: "renaming",
  ...elementwise,
  ...structure,
  ...linear,
};

export type Where = { readonly on: "source" | "renaming" | "host" } | { readonly on: "device"; readonly rule: Rule<Prim> };

/** Up to so many entries a kernel's launch costs more than the entries. */
const small = 32;
/** Axes that all backends move and cut. */
const axes = 6;

const floats = only("f32");

/** `atHome`: whether the value of a node is on the host. */
export function placed(device: Device, nodes: readonly Node[], node: Node, atHome: (id: number) => boolean): Where {
  const entry = table[node.prim] as Placed<Prim> | "source" | "renaming";
  if (typeof entry === "string") return { on: entry };
  const operands = node.inputs.map((id) => nodes[id]!);
  const takes = entry.takes ?? floats;
  const types = operands.map((operand) => operand.dtype);
  const extents = [node, ...operands].map((n) => n.shape);
  const fits = extents.every((shape) => shape.length <= axes && sizeOf(shape) > 0);
  if (!fits || !takes(types, node.dtype)) return { on: "host" };
  if (!exactHere(device, node.prim)) return { on: "host" };
  if (node.inputs.every(atHome) && extents.every((shape) => sizeOf(shape) <= small)) return { on: "host" };
  return { on: "device", rule: entry as Rule<Prim> };
}

/** A primitive that is a single kernel, which is not exact on this backend, is computed on the host, beside which it is not slow. */
function exactHere(device: Device, prim: Prim): boolean {
  return prim !== "erf" || device.exact("Erf");
}
