/**
 * A flow that the model writes out, `flow swirl(a) on real[2] { forward(z) = …  inverse(x) = … }`: its two functions as nets, and the structure of
 * its Jacobian, from which the log-determinant is derived.
 */
import { camel } from "../base/camel.js";
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { localEntity } from "./body.js";
import { requireTensor } from "./builtin-call.js";
import { type Env, freshId, within } from "./env.js";
import { stopsGradient } from "./derive/gradient-parts.js";
import { elaborateExpr } from "./expr.js";
import { factsOf, factsOfDomain } from "./facts.js";
import { netOf } from "./flow-conditioner.js";
import { rangeOfSum, roomHelp, waysOnto } from "./flow-onto.js";
import { endMovedByOthers } from "./flow-structure/part.js";
import { notMonotone } from "./flow-structure/monotone.js";
import { sizeOf } from "./flow-structure/reads.js";
import { isRegularBeside, singularity } from "./flow-structure/singular.js";
import { showSide } from "./flows.js";
import { writtenOut } from "./inline-nets.js";
import { interior, rangeOfDomain, showRange } from "./range.js";
import { type Chain, declaredSide } from "./flow-chain.js";
import { denseStructure, type Found, isLinear, MOST_ENTRIES, type JacobianStructure, structureOf } from "./flow-structure/structure.js";
import { Scope } from "./scope.js";
import { elementCount, sameShape, showShape, sizesOf, tensor } from "./shapes.js";
import type { Expr, Local, Net, OwnStep, Side } from "./types.js";
import { childrenOf, walkExpr } from "./walk.js";

export function appendOwn(env: Env, decl: ast.FlowDecl, chain: Chain): boolean {
  const from = chain.side;
  const to = decl.range ? declaredSide(env, decl.range) : from;
  const forward = decl.directions.find((d) => d.direction === "forward");
  const inverse = decl.directions.find((d) => d.direction === "inverse");
  if (!to || !forward) return false;
  const there = written(env, decl, forward, from, to);
  const reported = inverse && hasOwnWeights(env, decl, forward);
  const back = inverse && written(env, decl, inverse, to, from);
  if (inverse && (reported || hasOwnWeights(env, decl, inverse))) return false;
  if (there && hidesSlope(env, decl, there)) return false;
  const random = env.owner.random;
  if (random) report(env.cx.diagnostics, "GM2083", forward.span, { flow: decl.name.name, problem: "it draws random numbers" });
  if (!there || (inverse && !back) || random) return false;
  const jacobian = jacobianOf(env, decl, there, [from, to], forward.body.span);
  if (
    !jacobian ||
    !isOnto(env, decl, there, { from, onto: to }, forward) ||
    leavesCone(env, decl, there, jacobian, to, forward.body.span) ||
    (back && inverse && !isOnto(env, decl, back, { from: to, onto: from }, inverse))
  )
    return false;
  if (!back) tellUnproven(env, decl, there, jacobian, forward.body.span);
  const name = camel(env.owner.path.replaceAll(".", "_"));
  const step: OwnStep = {
    kind: "own",
    forward: netOf(env, `${name}Forward`, [there.input], there.value, forward.body.span),
    inverse: back && netOf(env, `${name}Inverse`, [back.input], back.value, inverse.body.span),
    jacobian:
      jacobian.kind === "rankOne"
        ? {
            kind: "rankOne",
            scalar: netOf(env, `${name}Scalar`, [there.input], jacobian.scalar, forward.body.span),
            rest: netOf(env, `${name}Rest`, [there.input, jacobian.local], jacobian.rest, forward.body.span),
          }
        : jacobian,
    from,
    to,
    span: decl.span,
  };
  chain.steps.push(step);
  chain.side = to;
  return true;
}

interface Written {
  readonly input: Local;
  readonly value: Expr;
}

function written(env: Env, decl: ast.FlowDecl, { param, body }: ast.FlowDirection, from: Side, to: Side): Written | undefined {
  const { cx } = env;
  const scope = new Scope(env.scope);
  const input: Local = { id: freshId(cx, `${env.site}.${param.name}`), name: param.name, type: tensor(from.shape), span: param.span };
  const facts = factsOfDomain({ name: from.domain, classes: undefined, shape: from.shape, optional: false, atMostOne: undefined });
  cx.facts.set(input.id, { ...facts, range: interior(facts.range) });
  scope.define(param.name, localEntity(input));
  const called = elaborateExpr(within(env, scope), body);
  // a net without weights hides no structure
  const value = called && writtenOut(cx, called);
  const type = value && requireTensor(env, value);
  if (!value || !type) return undefined;
  if (sameShape(type.shape, to.shape) && type.element === "real") return { input, value };
  const problem = `it maps to ${showShape(to.shape)}, and \`${param.name}\` is made ${showShape(type.shape)}`;
  report(
    cx.diagnostics,
    "GM2083",
    body.span,
    { flow: decl.name.name, problem },
    { labels: [{ span: decl.name.span, text: "declared here" }] },
  );
  return undefined;
}

/** What a body holds weights of, the first: a layer, or a net of the file. */
function ownWeights({ cx, owner }: Env): { readonly name: string; readonly span: Span | undefined } | undefined {
  const weights = owner.weights.find((w) => w.kind === "layer" || w.kind === "net");
  if (weights === undefined) return undefined;
  if (weights.kind === "layer") return { name: weights.layer.layer, span: weights.layer.span };
  const inner = weights.kind === "net" ? cx.netByName.get(weights.net)?.name : undefined;
  return inner === undefined ? undefined : { name: inner, span: undefined };
}

const sharedNet = "a net of the model, `net s(v) = v |> dense(2)` within `model`: all calls of that share its weights";

/** A layer within one direction has weights that the other cannot read, so that neither undoes the other. Reports the first of the direction that was read last. */
function hasOwnWeights(env: Env, { name }: ast.FlowDecl, { body }: ast.FlowDirection): boolean {
  const own = ownWeights(env);
  if (own === undefined) return false;
  report(
    env.cx.diagnostics,
    "GM2083",
    own.span ?? body.span,
    { flow: name.name, problem: `\`${own.name}\` has weights of its own here, so that the other direction cannot undo it` },
    {
      labels: [{ span: name.span, text: "declared here" }],
      help: [`make it ${sharedNet}`],
    },
  );
  return true;
}

/** The log-determinant is made of derivatives, and `stop` hides those of what passes through it. Reports where one does. */
function hidesSlope(env: Env, decl: ast.FlowDecl, { input, value }: Written): boolean {
  const { cx } = env;
  const stopped = (exprs: readonly Expr[], moving: Set<string>): Expr | undefined => {
    const moves = (e: Expr): boolean => (e.kind === "local" ? moving.has(e.local.id) : childrenOf(e).some(moves));
    const find = (e: Expr): Expr | undefined => {
      if (!moves(e)) return undefined;
      if (stopsGradient(e)) return e;
      const net = e.kind === "netCall" ? cx.netByName.get(e.net) : undefined;
      const read = net?.params.filter((_, i) => e.kind === "netCall" && moves(e.args[i] as Expr)).map((p) => p.id);
      const inside = net && ofNet(net, new Set(read));
      if (inside) return inside;
      for (const child of childrenOf(e)) {
        const found = find(child);
        if (found) return found;
      }
      return undefined;
    };
    for (const e of exprs) {
      const found = find(e);
      if (found) return found;
    }
    return undefined;
  };
  const ofNet = (net: Net, moving: Set<string>): Expr | undefined => {
    for (const { local, value: bound } of net.body) {
      const found = stopped([bound], moving);
      if (found) return found;
      moving.add(local.id);
    }
    return stopped([net.result], moving);
  };
  const at = stopped([value], new Set([input.id]));
  if (!at) return false;
  report(
    cx.diagnostics,
    "GM3715",
    at.span,
    { flow: decl.name.name, input: input.name },
    {
      labels: [{ span: decl.name.span, text: "declared here" }],
      help: ["leave `stop` out, or stop what the flow is given, `f(z | stop(e))`"],
    },
  );
  return true;
}

/** A direction whose values leave out a part of the side that it maps onto is no bijection onto it: mass of the density would be missing. */
function isOnto(
  env: Env,
  decl: ast.FlowDecl,
  { value }: Written,
  { from, onto }: { readonly from: Side; readonly onto: Side },
  { direction, body }: ast.FlowDirection,
): boolean {
  const range = rangeOfSum(value, (e) => factsOf(env.cx, e).range);
  const all = rangeOfDomain({ name: onto.domain, classes: undefined, shape: onto.shape, optional: false, atMostOne: undefined });
  // an interval is safe: no value lies outside of it
  if (range.low <= all.low && range.high >= all.high) {
    if (range.low < all.low || range.high > all.high)
      report(
        env.cx.diagnostics,
        "GM3712",
        body.span,
        { flow: decl.name.name, direction, onto: showSide(onto), found: showRange(range) },
        {
          labels: [{ span: decl.name.span, text: "declared here" }],
          help: ["`exp`, `softplus` and `positive` parameters lie above 0, `sigmoid` between 0 and 1", ...roomHelp(direction, onto)],
        },
      );
    return true;
  }
  const found = showRange(range);
  report(
    env.cx.diagnostics,
    "GM3710",
    body.span,
    { flow: decl.name.name, direction, onto: showSide(onto), found },
    {
      labels: [{ span: decl.name.span, text: "declared here" }],
      help:
        direction === "forward"
          ? [...waysOnto(range, from, onto), ...roomHelp(direction, onto)]
          : ["the inverse maps back onto all that the flow is declared on"],
    },
  );
  return false;
}

/** Entries whose ends others move fill a cone of the range: given those, a part of it is out of reach. Reports it. */
function leavesCone(env: Env, decl: ast.FlowDecl, { input, value }: Written, jacobian: JacobianStructure, onto: Side, span: Span): boolean {
  if (jacobian.kind !== "triangular") return false;
  const found = endMovedByOthers(value, input.id, jacobian.levels, (e) => factsOf(env.cx, e).range);
  if (!found) return false;
  const { low } = found.range;
  const side = Number.isFinite(low) ? "above" : "below";
  report(
    env.cx.diagnostics,
    "GM3710",
    span,
    {
      flow: decl.name.name,
      direction: "forward",
      onto: showSide(onto),
      found: `a cone: entry ${found.output + 1} lies ${side} what the others make of it`,
    },
    {
      labels: [{ span: decl.name.span, text: "declared here" }],
      help: [
        "values in order, such as those of `cumsum(exp(z))`, are the first one and gaps: let the data be these, onto `positive` each, and the flow `exp(z)`",
        `or give entries that reach all of \`${onto.domain}\` whatever the others are`,
      ],
    },
  );
  return true;
}

/** Without an inverse nothing is tried as a training starts, so that a map that is not one to one would not be found. */
function tellUnproven(env: Env, decl: ast.FlowDecl, { input, value }: Written, jacobian: JacobianStructure, span: Span): void {
  if (jacobian.kind === "linear" || (jacobian.kind === "triangular" && isLinear(value, input.id))) return;
  const entries = sizeOf(sizesOf(value)) > 1;
  const found =
    jacobian.kind === "elementwise" || jacobian.kind === "triangular"
      ? notMonotone(value, input.id, jacobian, (e) => factsOf(env.cx, e).range)
      : { output: 0, input: 0 };
  if (!found) return;
  const z = input.name;
  const together = jacobian.kind === "rankOne" || jacobian.kind === "dense";
  const problem = together
    ? "all entries change together"
    : entries
      ? `entry ${found.output + 1} may rise and fall with \`${z}[${found.input + 1}]\``
      : `it may rise and fall with \`${z}\``;
  report(
    env.cx.diagnostics,
    "GM3711",
    span,
    { flow: decl.name.name, problem },
    {
      labels: [{ span: decl.name.span, text: "declared here" }],
      help: [
        "where two values map to one, log p is not that of what is drawn, and p does not integrate to 1",
        `give its \`inverse(x) = …\`: the start of a training tries it`,
        together
          ? "or use `planar`, `radial` or `sylvester`, which are kept one to one"
          : `or write it so that it is seen to grow: \`${z} + 0.5 * tanh(${z})\`, \`exp(a) * ${z}\``,
      ],
    },
  );
}

/** The structure that is found, or that `jacobian = dense` asks for. */
function jacobianOf(
  env: Env,
  decl: ast.FlowDecl,
  { input, value }: Written,
  sides: readonly Side[],
  span: Span,
): JacobianStructure | undefined {
  const { cx } = env;
  const flow = decl.name.name;
  const size = input.type.kind === "tensor" ? elementCount(input.type.shape) : 0;
  const asked = decl.jacobian;
  if (asked && asked.name !== "dense") {
    report(
      cx.diagnostics,
      "GM2083",
      asked.span,
      { flow, problem: `there is no Jacobian \`${asked.name}\`` },
      { help: ["write `jacobian = dense`"] },
    );
    return undefined;
  }
  if (asked && size > MOST_ENTRIES) {
    report(
      cx.diagnostics,
      "GM3708",
      asked.span,
      { flow, size, most: MOST_ENTRIES },
      {
        labels: [{ span: decl.name.span, text: "declared here" }],
        help: [
          "leave it out where the map has a structure: elementwise, triangular in some order of the entries, or a change through one scalar (`z + u * tanh(w @ z)`)",
          "a map of another kind is made of bijections of any size: `coupling(mlp([64])) |> reverse |> coupling(mlp([64]))`",
        ],
      },
    );
    return undefined;
  }
  const wide = (): Local => ({ id: freshId(cx, `${env.site}.s`), name: "s", type: input.type, span });
  const found = asked ? denseStructure(value, input) : structureOf(value, input, wide);
  if (reportsSingular(env, decl, { input, value }, found, sides, span)) return undefined;
  if (found.kind !== "none") return found;
  const own = ownWeights(env);
  const calls: { readonly flow: string; readonly span: Span }[] = [];
  walkExpr(value, (e) => void (e.kind === "flowCall" && calls.push({ flow: e.flow, span: e.span })));
  report(
    cx.diagnostics,
    "GM3707",
    span,
    { flow, reason: found.reason },
    {
      labels: [
        { span: decl.name.span, text: "declared here" },
        ...calls.map((c) => ({ span: c.span, text: "each entry of a flow's value is taken to read all entries of its argument" })),
      ],
      help: [
        ...calls.slice(0, 1).map((c) => `make \`${c.flow}\` a step of the chain instead of calling it: \`z |> ${c.flow} |> ${flow}\``),
        ...(found.problem === "singular"
          ? [`let every entry of \`${input.name}\` be read: a map that forgets one is not one to one, and its determinant is 0`]
          : found.problem === "narrow"
            ? [
                `add that to \`${input.name}\`, as in \`${input.name} + u * tanh(w @ ${input.name})\`: by itself it maps many values to one, and its determinant is 0`,
              ]
            : found.problem === "tooLarge"
              ? [
                  "`invertible_linear` is a linear map along the last axis of any size, whose determinant is known from its LU form",
                  "or make it of several flows, each with a structure of its own: `f |> g`",
                ]
              : [
                  `structures are: elementwise, triangular in some order of the entries, linear (up to ${MOST_ENTRIES} entries), a change through one scalar (\`z + u * tanh(w @ z)\`)`,
                  ...(size <= MOST_ENTRIES
                    ? ["or add `jacobian = dense` to its body: all of the Jacobian, one derivative for each entry"]
                    : []),
                  "or make it of several flows, each with a structure of its own: `f |> g`",
                ]),
        ...(own === undefined ? [] : [`where an \`inverse\` is added too, \`${own.name}\` is to be ${sharedNet}`]),
      ],
    },
  );
  return undefined;
}

/** Entries that follow from one another, whatever structure they have and whatever the weights are. */
function reportsSingular(
  env: Env,
  decl: ast.FlowDecl,
  { input, value }: Written,
  found: Found,
  sides: readonly Side[],
  span: Span,
): boolean {
  if (found.kind === "none" && found.problem !== undefined) return false;
  const { cx } = env;
  const knowledge = { simplex: (e: Expr) => factsOf(cx, e).simplex };
  const reason = singularity(value, input, found.kind === "none" ? undefined : found, MOST_ENTRIES, knowledge);
  if (reason === undefined) return false;
  const written = textOf(span);
  const onReal = sides.every((side) => side.domain === "real");
  // on all of the real line the sum lies where it should
  const factor = onReal ? [0.5, 2].find((c) => isRegularBeside(value, input, c, knowledge)) : undefined;
  const added = `add that to \`${input.name}\`${found.kind === "none" ? ", with `jacobian = dense`" : ""}`;
  report(
    cx.diagnostics,
    "GM3707",
    span,
    { flow: decl.name.name, reason },
    {
      labels: [{ span: decl.name.span, text: "declared here" }],
      help: [
        "a bijection keeps as many numbers free as it is given: let every entry of the value move by itself",
        ...(factor === undefined
          ? []
          : [
              written.length < 60
                ? `${added}: \`${input.name} + ${factor} * (${written})\``
                : `${added}, \`${input.name} + ${factor} * (…)\``,
            ]),
        ...(decl.directions.some((d) => d.direction === "inverse")
          ? ["its `inverse` cannot undo it: an entry that is not kept is not found again"]
          : []),
      ],
    },
  );
  return true;
}
