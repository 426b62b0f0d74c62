/** Data that may be missing in a row: what is filled in, and quantities that rows of either kind have of their own. */
import { InternalError } from "../base/internal-error.js";
import type { ByRow, Quantity } from "../ir/quantity.js";
import { call, type Js, num } from "./js.js";
import { capital } from "./names.js";
import { quantityText } from "./mathtext.js";
import { bound, type QuantityScope, termOf } from "./quantity-scope.js";
import { joinLeads, type Lead, NO_LEAD, tensorValue, type TensorValue, type Value } from "./values.js";

/** The batch of the variable as the data have it. */
function dataOf(scope: QuantityScope, variable: string): TensorValue {
  const row = scope.data(variable);
  if (!row) throw new InternalError(`\`${variable}\` is no data of the objective`);
  return tensorValue(row);
}

/** A draw, in the rows where the data have no value. */
export function fillIn(scope: QuantityScope, variable: string, drawn: Value): TensorValue {
  const data = dataOf(scope, variable);
  const value = tensorValue(drawn);
  return scope.writer.bind(
    variable,
    { ...value, js: call("fillMissing", data.js, value.js) },
    `drawn where ${variable} is missing`,
  ) as TensorValue;
}

/** The weights of all states: in rows where the data have a value, 1 for that and 0 for others. */
export function weighKnown(scope: QuantityScope, variable: string, states: TensorValue, weights: TensorValue): TensorValue {
  const data = dataOf(scope, variable);
  const value: TensorValue = {
    ...weights,
    js: call("weighKnown", data.js, states.js, weights.js, ...rankOf(data)),
    lead: joinLeads([weights.lead, states.lead, data.lead]),
  };
  return scope.writer.bind(`weight${capital(variable)}`, value, `all on ${variable} where it is there`) as TensorValue;
}

/** The logs of all states: in rows where the data have a value, of that one alone. */
export function onlyKnown(scope: QuantityScope, variable: string, states: TensorValue, logs: TensorValue): TensorValue {
  const data = dataOf(scope, variable);
  const known = call("weighKnown", data.js, states.js, num(1), ...rankOf(data));
  return { ...logs, js: call("add", logs.js, call("log", known)), lead: joinLeads([logs.lead, states.lead, data.lead]) };
}

/** A log-density of what was drawn, in the rows where it was: 0 in others. */
export function whereDrawn(scope: QuantityScope, variable: string, log: TensorValue): TensorValue {
  const data = dataOf(scope, variable);
  return { ...log, js: call("whereMissing", data.js, log.js, num(0), ...rankOf(data)), lead: joinLeads([log.lead, data.lead]) };
}

/** `lowerPart` lowers either part. */
export function lowerByRow(scope: QuantityScope, q: ByRow, lowerPart: (scope: QuantityScope, q: Quantity) => TensorValue): TensorValue {
  const data = dataOf(scope, q.variable);
  // it has a name as a whole: the mean of a part over rows of the other kind is no quantity
  const within: QuantityScope = { ...scope, enumerating: true };
  const known = (): Value =>
    scope.writer.remember(`known:${q.variable}`, () =>
      scope.writer.bind(`${q.variable}Known`, { ...data, js: call("presentOr", data.js, num(0)) }, `0 where ${q.variable} is missing`),
    );
  const zero: TensorValue = { kind: "tensor", js: num(0), shape: [], lead: NO_LEAD };
  const lower = (part: Quantity | undefined, at: QuantityScope): TensorValue => (part ? lowerPart(at, part) : zero);
  const there = lower(q.there, q.there ? { ...within, variable: bound(scope.variable, q.variable, known()) } : within);
  const missing = lower(q.missing, within);
  const lead: Lead = joinLeads([there.lead, missing.lead, data.lead]);
  const js: Js = call("whereMissing", data.js, missing.js, there.js, ...rankOf(data));
  if (q.text !== undefined) return { kind: "tensor", js: termOf(scope, q.text, q.span, { js, lead }), shape: [], lead };
  const part = q.there ?? q.missing;
  const label = part
    ? `${quantityText(scope.context, part)}, ${q.variable} ${q.there ? "there" : "missing"}`
    : quantityText(scope.context, q);
  const value: TensorValue = { kind: "tensor", js: termOf(scope, label, q.span, { js, lead }), shape: [], lead };
  return scope.writer.bind(`log${capital(q.variable)}${q.there ? "There" : "Missing"}`, value) as TensorValue;
}

/** How many axes of an event follow the batch; left out where there is none. */
const rankOf = ({ shape }: TensorValue): readonly Js[] => (shape.length === 0 ? [] : [num(shape.length)]);
