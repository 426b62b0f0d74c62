/** The marginal of a Normal whose location is affine in a Normal latent -> a low-rank Normal. */
import { InternalError } from "../base/internal-error.js";
import type { Quantity } from "../ir/quantity.js";
import { call, num, numbers, object } from "./js.js";
import { lowerDist, variableOf } from "./lower-dist.js";
import { lowerExpr } from "./lower-expr.js";
import { capital } from "./names.js";
import { bound, densityScope, type QuantityScope, termOf } from "./quantity-scope.js";
import { BATCH, joinLeads, type Lead, leadOf, tensorValue, type TensorValue, type Value } from "./values.js";

/** log p(x) with a Normal latent integrated out: the location is affine in it, and is read off at zero and at the unit vectors. */
export function lowerGaussianMarginal(scope: QuantityScope, q: Extract<Quantity, { kind: "gaussianMarginal" }>): TensorValue {
  const z = variableOf(scope.context, q.latent.variable).domain.shape[0];
  const xShape = variableOf(scope.context, q.child.variable).domain.shape;
  const x = densityScope(scope, q.child.at, undefined, q.child.through).variable(q.child.variable);
  const loc = q.child.dist.params["loc"];
  if (!z || !x || !loc) throw new InternalError("a Gaussian marginal without its parts");
  const prior = lowerDist(densityScope(scope, q.latent.at, undefined, q.latent.through), q.latent.dist, 1);
  // The child's location is affine in z: read it off at zero and at the unit vectors.
  const at = (value: Value): TensorValue => {
    const inner = { ...scope, variable: bound(scope.variable, q.latent.variable, value) };
    return tensorValue(lowerExpr(densityScope(inner, q.child.at, q.latent.variable, q.child.through), loc));
  };
  const zero: TensorValue = { kind: "tensor", js: call("zeros", numbers([1, z.size])), shape: [z], lead: BATCH };
  const offset = scope.writer.bind(
    `${q.child.variable}AtZero`,
    at(zero),
    `location of ${q.child.variable} at ${q.latent.variable} = 0`,
  ) as TensorValue;
  const plate = scope.writer.addPlate(`${q.latent.variable}#${scope.writer.statements.length}`, num(z.size), z.text);
  const ones = Array.from({ length: plate.position }, () => 1);
  const unit: TensorValue = {
    kind: "tensor",
    js: call("reshape", call("eye", num(z.size)), numbers([z.size, ...ones, z.size])),
    shape: [z],
    lead: { plates: new Set([plate.id]), batch: true },
  };
  const points = scope.writer.bind(`unit${capital(q.latent.variable)}`, unit, "unit vectors") as TensorValue;
  const moved = at(points);
  const rowsLead: Lead = { plates: new Set([...moved.lead.plates, ...offset.lead.plates].filter((p) => p !== plate.id)), batch: true };
  const factor = scope.writer.bind(
    "factor",
    { kind: "record", js: call("axisToEvent", call("sub", moved.js, offset.js)), fields: new Map() },
    `[..., ${[z, ...xShape].map((d) => d.size).join(", ")}]  row i: what ${q.latent.variable}[i] adds to it`,
  );
  scope.writer.dropPlate(plate.id);
  const scale = prior.values["scale"];
  const priorLoc = prior.values["loc"];
  const isOne = scale?.js.kind === "number" && scale.js.value === 1;
  const isZero = priorLoc?.js.kind === "number" && priorLoc.js.value === 0;
  const columnScale = scale && scale.shape.length > 0 ? call("expandDims", scale.js, num(-1)) : scale?.js;
  const scaledFactor = isOne || !columnScale ? factor.js : call("mul", columnScale, factor.js);
  const shift =
    priorLoc && priorLoc.shape.length > 0
      ? call("squeeze", call("matmul", call("expandDims", priorLoc.js, num(-2)), factor.js), num(-2))
      : priorLoc && call("mul", priorLoc.js, call("sum", factor.js, numbers([-2])));
  const loc0 = isZero || !shift ? offset.js : call("add", offset.js, shift);
  const noise = lowerDist(
    densityScope(scope, q.child.at, undefined, q.child.through),
    { ...q.child.dist, params: { ...(q.child.dist.params["scale"] ? { scale: q.child.dist.params["scale"] } : {}) } },
    1,
  ).values["scale"];
  const full = noise && noise.shape.length === 0 ? call("mul", noise.js, call("ones", numbers(xShape.map((d) => d.size)))) : noise?.js;
  const js = call(
    "lowRankNormal.logProb",
    x.js,
    object({ loc: loc0, factor: scaledFactor, scale: full ?? call("ones", numbers(xShape.map((d) => d.size))) }),
  );
  const label = `log ${q.child.density}(${q.child.variable})`;
  const lead = joinLeads([leadOf(x), rowsLead, prior.lead, ...(noise ? [noise.lead] : [])]);
  return scope.writer.bind(
    `logP${capital(q.child.variable)}`,
    {
      kind: "tensor",
      js: termOf(scope, label, q.child.span, { js, lead }),
      shape: [],
      lead,
    },
    `${q.latent.variable} integrated out`,
  ) as TensorValue;
}
