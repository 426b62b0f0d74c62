/**
 * Conditioners: the net of `coupling(mlp([64, 64]))`, from the entries that a bijection keeps to the parameters of those that it changes. What
 * the flow is conditioned on comes in as further arguments. An output layer makes the parameters of the net's features, zero at the start, so
 * that the bijection starts near the identity (as the last layer of Glow's; Kingma & Dhariwal 2018, section 3.3); `head = false` leaves it out.
 */
import { camel } from "../base/camel.js";
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { requireTensor } from "./builtin-call.js";
import { applyTo } from "./calls.js";
import { type Env, freshId, newOwner, type Owner } from "./env.js";
import { factsOf, netKey } from "./facts.js";
import { sameShape, showShape, tensor } from "./shapes.js";
import type { Conditioner, Dim, Expr, LayerInstance, Local, Net } from "./types.js";
import { childrenOf, walkExpr } from "./walk.js";

interface Wanted {
  /** "`coupling`" */
  readonly what: string;
  readonly net: ast.Expr;
  /** Event shapes that it maps from and to. */
  readonly from: readonly Dim[];
  readonly to: readonly Dim[];
  /** Towards a net of the right shape. */
  readonly help?: readonly string[];
  /** An output layer is put on top. */
  readonly head: boolean;
  /** `f.coupling1` */
  readonly path: string;
  readonly span: Span;
}

export function conditionerOf(env: Env, wanted: Wanted): Conditioner | undefined {
  const { cx } = env;
  const { net: written, path } = wanted;
  const name = freshId(cx, camel(path.replaceAll(".", "_")));
  const input: Local = { id: freshId(cx, `${name}.t`), name: "t", type: tensor(wanted.from), span: written.span };
  const owner = newOwner(path);
  const inner: Env = { ...env, owner, mode: "net", site: name, template: false };
  const piped: Expr = { kind: "local", local: input, type: input.type, span: written.span };
  const help = wanted.help ?? [`${wanted.what} takes a net that makes its parameters: \`mlp([64])\``];
  const value = applyTo(inner, written, piped, written.span, help);
  const features = value && requireTensor(env, value);
  if (!value || !features) return undefined;
  if (owner.random) {
    report(cx.diagnostics, "GM2080", written.span, { what: `the net of ${wanted.what}` }, { help: ["leave `dropout` out of it"] });
    return undefined;
  }
  if (!fits(env, wanted, features.shape)) return undefined;
  const result = wanted.head ? outputLayer(owner, value, wanted) : value;
  const given: Local[] = [];
  walkExpr(result, (e) => {
    if (e.kind === "local" && e.local.id !== input.id && !given.some((l) => l.id === e.local.id)) given.push(e.local);
  });
  const net: Net = {
    name,
    path,
    params: [input, ...given],
    body: [],
    result,
    weights: owner.weights,
    random: false,
    doc: `Conditioner of ${path}.`,
    span: written.span,
  };
  cx.facts.set(netKey(name), factsOf(cx, result));
  cx.nets.push(net);
  cx.netByName.set(name, net);
  return { net: name, given: given.map((local): Expr => ({ kind: "local", local, type: local.type, span: written.span })) };
}

function fits(env: Env, { what, net, from, to, help, head, span }: Wanted, found: readonly Dim[]): boolean {
  const right = head ? found.length > 0 && sameShape(found.slice(0, -1), to.slice(0, -1)) : sameShape(found, to);
  if (right) return true;
  const places = head && to.length > 1 ? `${showShape([...to.slice(0, -1), { size: NaN, text: "…" }])}`.replace(/ = .*/u, "") : undefined;
  report(
    env.cx.diagnostics,
    "GM2073",
    net.span,
    { what, from: showShape(from), to: head ? (places ?? "a vector of features") : showShape(to), found: showShape(found) },
    {
      labels: [{ span, text: "in this bijection" }],
      help: head
        ? [`an output layer makes the parameters, ${showShape(to)}, of the features along its last axis`]
        : (help ?? ["the last axis holds the parameters of the entries that are changed"]),
    },
  );
  return false;
}

/** `dense` to the parameters, all weights zero at the start. */
function outputLayer(owner: Owner, value: Expr, { to, span }: Wanted): Expr {
  const features = value.type.kind === "tensor" ? (value.type.shape[value.type.shape.length - 1]?.size ?? 1) : 1;
  const outputs = to[to.length - 1]?.size ?? 1;
  const instance: LayerInstance = {
    layer: "dense",
    path: `${owner.path}.out`,
    spec: [features, outputs],
    options: { start: "zeros" },
    parameterCount: (features + 1) * outputs,
    span,
  };
  owner.weights.push({ kind: "layer", name: "out", layer: instance });
  return { kind: "layer", instance, args: [value], type: tensor(to), span: value.span };
}

/** A function of the flow as a net: what it is conditioned on comes after its own arguments. */
export function netOf(env: Env, wanted: string, inputs: readonly Local[], result: Expr, span: Span): Conditioner {
  const { cx } = env;
  const given: Local[] = [];
  walkExpr(result, (e) => {
    if (e.kind === "local" && ![...inputs, ...given].some((l) => l.id === e.local.id)) given.push(e.local);
  });
  const net: Net = {
    name: freshId(cx, wanted),
    path: env.owner.path,
    params: [...inputs, ...given],
    body: [],
    result,
    weights: [],
    random: false,
    doc: undefined,
    span,
  };
  cx.facts.set(netKey(net.name), factsOf(cx, result));
  cx.nets.push(net);
  cx.netByName.set(net.name, net);
  return { net: net.name, given: given.map((local): Expr => ({ kind: "local", local, type: local.type, span })) };
}

/** The condition of a step, as a net where weights are behind it: a flow's weights are those of its nets and bijections. */
export function conditionOf(env: Env, flow: string, value: Expr): Expr {
  if (!readsWeights(value)) return value;
  const { net, given } = netOf(env, camel(`${env.owner.path}_${flow}_given`.replaceAll(".", "_")), [], value, value.span);
  return { kind: "netCall", net, args: given, type: value.type, span: value.span };
}

const readsWeights = (e: Expr): boolean => ["layer", "param", "netCall", "flowCall"].includes(e.kind) || childrenOf(e).some(readsWeights);
