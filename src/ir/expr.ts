/**
 * Expressions: syntax tree -> typed IR. `undefined` stands for an expression that is wrong and has been reported, so that what depends on it
 * says nothing more. Calls are in calls.ts, indexing in indexing.ts, log-densities in slots.ts, `E` and sums in binders.ts.
 */
import { assertNever } from "../base/internal-error.js";
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { elaborateBinder } from "./binders.js";
import { builtinCall } from "./builtin-call.js";
import { applyTo, elaborateCall, elaborateCallable } from "./calls.js";
import type { Env } from "./env.js";
import { elaborateIndex } from "./indexing.js";
import { objectiveValue } from "./objective-value.js";
import { describe, type Entity } from "./scope.js";
import { scalarType, showType } from "./shapes.js";
import { elaborateLogDensity } from "./slots.js";
import { arithmetic, kindOfStatic, operators, showNumber, type StaticNumber, undefinedHere } from "./static.js";
import { functionNames } from "./builtins.js";
import { layers } from "./layers.js";
import type { Expr, FieldExpr, NumberExpr, ParamExpr, RecordType, Type, VariableExpr } from "./types.js";
import { typeOfDomain } from "./shapes.js";
import { reportUnknownName } from "./unknown.js";

export function elaborateExpr(env: Env, expr: ast.Expr): Expr | undefined {
  switch (expr.kind) {
    case "number":
      return { kind: "number", value: expr.value, text: undefined, type: scalarType, span: expr.span };
    case "boolean":
    case "string":
    case "list":
      report(env.cx.diagnostics, "GM2028", expr.span, {
        expected: "a number or a tensor",
        found: expr.kind === "list" ? "a list" : expr.kind === "boolean" ? "a truth value" : "a text",
      });
      return undefined;
    case "name":
      return elaborateName(env, expr);
    case "unary": {
      const operand = elaborateExpr(env, expr.operand);
      if (operand === undefined) return undefined;
      if (operand.kind === "number")
        return numberExpr({ kind: "number", value: -operand.value, text: `-${textOfNumber(operand)}` }, expr.span);
      return builtinCall(env, "neg", [operand], expr.span);
    }
    case "binary":
      return elaborateBinary(env, expr);
    case "pipe": {
      const left = elaborateExpr(env, expr.left);
      return left && applyTo(env, expr.right, left, expr.span);
    }
    case "call":
      return elaborateCall(env, expr);
    case "blockCall":
      return elaborateCallable(env, expr);
    case "index":
      return elaborateIndex(env, expr);
    case "field":
      return elaborateField(env, expr);
    case "record":
      return elaborateRecord(env, expr);
    case "logDensity":
      return elaborateLogDensity(env, expr);
    case "binder":
      return elaborateBinder(env, expr);
    default:
      return assertNever(expr);
  }
}

export function numberExpr(value: StaticNumber, span: Span): NumberExpr {
  return {
    kind: "number",
    value: value.value,
    text: value.text === showNumber(value.value) ? undefined : value.text,
    type: scalarType,
    span,
  };
}

function textOfNumber(expr: NumberExpr): string {
  return expr.text ?? showNumber(expr.value);
}

function elaborateBinary(env: Env, expr: ast.BinaryExpr): Expr | undefined {
  const left = elaborateExpr(env, expr.left);
  const right = elaborateExpr(env, expr.right);
  if (left === undefined || right === undefined) return undefined;
  if (left.kind === "number" && right.kind === "number" && expr.op !== "@") {
    const a: StaticNumber = { kind: "number", value: left.value, text: textOfNumber(left) };
    const b: StaticNumber = { kind: "number", value: right.value, text: textOfNumber(right) };
    if (undefinedHere(env, expr, a, b)) return undefined;
    return numberExpr(arithmetic(expr.op, a, b), expr.span);
  }
  // `beta * (…)` of a template whose beta is 1 is the plain term
  if (env.template && expr.op === "*" && left.kind === "number" && left.value === 1) return right;
  if (env.template && expr.op === "*" && right.kind === "number" && right.value === 1) return left;
  return builtinCall(env, operators[expr.op], [left, right], expr.span, undefined, [expr.left, expr.right]);
}

function elaborateName(env: Env, expr: ast.NameExpr): Expr | undefined {
  const entity = env.scope.find(expr.name);
  if (entity === undefined) {
    if (functionNames.includes(expr.name) || layers.has(expr.name)) {
      report(
        env.cx.diagnostics,
        "GM2007",
        expr.span,
        { name: expr.name, what: layers.has(expr.name) ? "a layer" : "a function", expected: "a value" },
        {
          help: [`apply it: \`x |> ${expr.name}${layers.has(expr.name) ? "(…)" : ""}\``],
        },
      );
      return undefined;
    }
    reportUnknownName(env, expr.name, expr.span, isValue, [], "name", env.mode === "objective" ? undefined : "value");
    return undefined;
  }
  return entityValue(env, entity, expr.name, expr.span);
}

/** Entities that stand for a value. */
function isValue(entity: Entity): boolean {
  return ["static", "variable", "param", "local", "value"].includes(entity.kind);
}

/** The value that a name stands for. */
export function entityValue(env: Env, entity: Entity, name: string, span: Span): Expr | undefined {
  switch (entity.kind) {
    case "static": {
      if (entity.value.kind === "number") return numberExpr(entity.value, span);
      report(env.cx.diagnostics, "GM2028", span, { expected: "a number or a tensor", found: kindOfStatic(entity.value) });
      return undefined;
    }
    case "variable":
      return readVariable(env, entity.variable.name, undefined, span);
    case "role": {
      const [only, ...more] = entity.variables;
      if (only !== undefined && more.length === 0) return readVariable(env, only, undefined, span);
      report(env.cx.diagnostics, "GM2045", span, { name, members: entity.variables.map((v) => `\`${v}\``).join(", ") });
      return undefined;
    }
    case "param":
      return paramExpr(entity.param.name, entity.param.path, typeOfDomain(entity.param.domain), span);
    case "local":
      if (entity.samples) return unindexedSamples(env, name, span);
      return { kind: "local", local: entity.local, type: entity.local.type, span };
    case "value":
      return entity.expr;
    case "family":
      report(
        env.cx.diagnostics,
        "GM2045",
        span,
        { name, members: [...entity.members.keys()].map((i) => `\`${name}[${i}]\``).join(", ") },
        {
          help: [`pick one: \`${name}[${[...entity.members.keys()][0] ?? 1}]\``],
        },
      );
      return undefined;
    case "objective":
      return objectiveValue(env, entity, span);
    case "sampleIndex":
      report(
        env.cx.diagnostics,
        "GM2007",
        span,
        { name, what: describe(entity), expected: "a value" },
        { help: [`it picks a sample: \`z[${name}]\``] },
      );
      return undefined;
    case "net":
    case "block":
      report(
        env.cx.diagnostics,
        "GM2007",
        span,
        { name, what: describe(entity), expected: "a value" },
        { help: [`apply it: \`${name}(…)\``] },
      );
      return undefined;
    case "density":
      report(
        env.cx.diagnostics,
        "GM2007",
        span,
        { name, what: describe(entity), expected: "a value" },
        { help: [`\`log ${name}(…)\` is its log, \`E[… ~ ${name}(…)](…)\` draws from it`] },
      );
      return undefined;
    case "flow":
      report(
        env.cx.diagnostics,
        "GM2007",
        span,
        { name, what: describe(entity), expected: "a value" },
        { help: [`apply it: \`${name}(z)\``] },
      );
      return undefined;
    case "poison":
      return undefined;
    default:
      return assertNever(entity);
  }
}

export function readVariable(env: Env, variable: string, sample: VariableExpr["sample"], span: Span): VariableExpr | undefined {
  const found = env.access.read(variable, span);
  const domain = env.cx.variables.get(variable)?.domain;
  if (found === undefined || domain === undefined) return undefined;
  if (found.samples && sample === undefined) return unindexedSamples(env, variable, span);
  return { kind: "variable", variable, sample, type: typeOfDomain(domain), span };
}

function unindexedSamples(env: Env, name: string, span: Span): undefined {
  report(
    env.cx.diagnostics,
    "GM3512",
    span,
    { variable: name },
    { help: [`read one of them: \`${name}[i]\` inside \`mean[i in 1..k](…)\``] },
  );
  return undefined;
}

function paramExpr(param: string, path: string, type: Type, span: Span): ParamExpr {
  return { kind: "param", param, path, type, span };
}

function elaborateField(env: Env, expr: ast.FieldExpr): Expr | undefined {
  const target = elaborateExpr(env, expr.target);
  return target && fieldOf(env, target, expr.field, expr.span);
}

function fieldOf(env: Env, target: Expr, field: ast.Ident, span: Span): Expr | undefined {
  if (target.type.kind !== "record") {
    report(
      env.cx.diagnostics,
      "GM2035",
      field.span,
      { field: field.name, found: showType(target.type) },
      { labels: [{ span: target.span, text: "not a record" }], help: attributeHelp(textOf(target.span), field.name) },
    );
    return undefined;
  }
  const found = target.type.fields.find((f) => f.name === field.name);
  if (found === undefined) {
    const names = target.type.fields.map((f) => f.name);
    report(
      env.cx.diagnostics,
      "GM2034",
      field.span,
      { field: field.name, fields: names.map((n) => `\`${n}\``).join(", ") },
      { help: didYouMeanHelp(field.name, names) },
    );
    return undefined;
  }
  if (target.kind === "record") return target.fields.find((f) => f.name === field.name)?.value;
  const out: FieldExpr = { kind: "field", target, field: field.name, type: found.type, span };
  return out;
}

/** What an array's attribute of numpy and PyTorch is here. */
function attributeHelp(target: string, field: string): readonly string[] {
  const meant = { T: "transpose", mT: "transpose", H: "transpose", shape: "size", size: "size" }[field];
  if (meant === "transpose") return [`write \`transpose(${target})\``];
  if (meant === "size") return ["sizes are known by the names that they are declared with: `data x : real[D]` has D entries"];
  return functionNames.includes(field) ? [`functions stand by themselves: write \`${field}(${target})\``] : [];
}

/** The fields of a record within a record, one by one. */
function flatFields({ name, value }: ast.RecordExpr["fields"][number], type: RecordType): string {
  const from = value.kind === "name" ? value.name : name.name;
  const fields = type.fields.map((f) => `${name.name}_${f.name} = ${value.kind === "record" ? "…" : `${from}.${f.name}`}`);
  const bound = value.kind === "name" || value.kind === "record" ? "" : ` after \`${from} = ${textOf(value.span)}\``;
  return `give its fields one by one${bound}, \`(${fields.join(", ")})\``;
}

function elaborateRecord(env: Env, expr: ast.RecordExpr): Expr | undefined {
  const fields: { readonly name: string; readonly value: Expr }[] = [];
  let ok = true;
  for (const field of expr.fields) {
    const value = elaborateExpr(env, field.value);
    if (value === undefined) ok = false;
    else if (value.type.kind === "record") {
      report(
        env.cx.diagnostics,
        "GM2036",
        field.value.span,
        { found: showType(value.type) },
        { help: [`records do not nest: ${flatFields(field, value.type)}`] },
      );
      ok = false;
    } else fields.push({ name: field.name.name, value });
  }
  if (!ok) return undefined;
  const types = fields.flatMap((f) => (f.value.type.kind === "tensor" ? [{ name: f.name, type: f.value.type }] : []));
  return { kind: "record", fields, type: { kind: "record", fields: types }, span: expr.span };
}
