/**
 * Schedules: numbers that change as training goes, `linear(0, 1, epochs = 10)`; arguments of objectives and learning rates.
 * Names and arguments are those of `src/runtime/optim/schedules.ts`; a test holds them together.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { actualsOf, bindArguments } from "./arguments.js";
import type { Env } from "./env.js";
import { requireStatic, toStaticValue } from "./static.js";
import type { SettingValue } from "./types.js";

export interface ScheduleEntry {
  readonly name: string;
  /** Name of the runtime's function. */
  readonly runtime: string;
  readonly doc: string;
  readonly params: readonly { readonly name: string; readonly required: boolean; readonly schedule?: boolean; readonly list?: boolean }[];
  /** Takes its length as `epochs = …` or `steps = …`. */
  readonly length: boolean;
}

const number = (name: string, required = true): ScheduleEntry["params"][number] => ({ name, required });
const length = [number("epochs", false), number("steps", false)];

const table: readonly ScheduleEntry[] = [
  { name: "constant", runtime: "constantSchedule", doc: "always the same", params: [number("value")], length: false },
  {
    name: "linear",
    runtime: "linear",
    doc: "from one number to another along a straight line",
    params: [number("from"), number("to"), ...length],
    length: true,
  },
  {
    name: "cosine",
    runtime: "cosine",
    doc: "from one number to another along half a cosine",
    params: [number("from"), number("to"), ...length],
    length: true,
  },
  {
    name: "exponential",
    runtime: "exponentialSchedule",
    doc: "multiplied by `rate` over each length, smoothly",
    params: [number("start"), number("rate"), ...length],
    length: true,
  },
  {
    name: "step_decay",
    runtime: "stepDecay",
    doc: "multiplied by `factor` at the end of each length",
    params: [number("start"), number("factor"), ...length],
    length: true,
  },
  {
    name: "piecewise",
    runtime: "piecewise",
    doc: "a list of values, each for its number of epochs or steps",
    params: [
      { name: "values", required: true, list: true },
      { name: "epochs", required: false, list: true },
      { name: "steps", required: false, list: true },
    ],
    length: true,
  },
  {
    name: "warmup",
    runtime: "warmup",
    doc: "1/n, 2/n, … of another schedule or number in the first n steps, as an update of rate 0 would do nothing; a weight of a KL that starts at 0 is `linear(0, 1, …)`",
    params: [{ name: "then", required: true, schedule: true }, ...length],
    length: true,
  },
  {
    name: "iwae_schedule",
    runtime: "iwaeSchedule",
    doc: "the learning rates of Burda et al. 2016: stages of 3^(i-1) epochs",
    params: [number("lr", false), number("stages", false), number("epochs", false)],
    length: false,
  },
];

export const schedules: ReadonlyMap<string, ScheduleEntry> = new Map(table.map((s) => [s.name, s]));
export const scheduleNames: readonly string[] = [...schedules.keys()];

/** Is it a call of a schedule? */
export function isSchedule(env: Env, expr: ast.Expr): boolean {
  return (
    expr.kind === "call" && expr.callee.kind === "name" && env.scope.find(expr.callee.name) === undefined && schedules.has(expr.callee.name)
  );
}

/** `linear(0, 1, epochs = 10)` under its parameters' names; of a `rate` the values are none below 0, and not all 0. */
export function elaborateSchedule(env: Env, call: ast.Expr, use: "rate" | "any" = "any"): SettingValue | undefined {
  const entry = call.kind === "call" && call.callee.kind === "name" ? schedules.get(call.callee.name) : undefined;
  if (!entry || call.kind !== "call") return undefined;
  const params = entry.params.map((p) => ({ name: p.name, required: p.required, named: p.name === "epochs" || p.name === "steps" }));
  const bound = bindArguments(env.cx, { what: `\`${entry.name}\``, params }, actualsOf(call.args), call.span);
  if (!bound) return undefined;
  const args: Record<string, SettingValue> = {};
  for (const param of entry.params) {
    const actual = bound.byName.get(param.name);
    if (actual?.kind !== "ast") continue;
    if (param.schedule && isSchedule(env, actual.value)) {
      const inner = elaborateSchedule(env, actual.value, use);
      if (!inner) return undefined;
      args[param.name] = inner;
      continue;
    }
    const what = `\`${param.name}\` of \`${entry.name}\``;
    const value = requireStatic(env, actual.value, what);
    const plain = value && toStaticValue(value);
    if (plain === undefined) return undefined;
    if (typeof plain === "boolean" || Array.isArray(plain) !== (param.list === true)) {
      report(env.cx.diagnostics, "GM2018", actual.span, {
        what,
        expected: param.list ? "a list of numbers" : "a number",
        found: Array.isArray(plain) ? "a list" : String(plain),
      });
      return undefined;
    }
    args[param.name] = { kind: "static", value: plain };
  }
  const both = "epochs" in args && "steps" in args;
  if (entry.length && both) {
    const what = `the length of \`${entry.name}\``;
    const [, second] = [...bound.byName.values()].filter((a) => a.name?.name === "epochs" || a.name?.name === "steps");
    report(
      env.cx.diagnostics,
      "GM2018",
      second?.span ?? call.span,
      { what, expected: "told once, in epochs or in steps", found: "both" },
      { help: ["leave `epochs = …` or `steps = …` out"] },
    );
    return undefined;
  }
  if (entry.length && !("epochs" in args || "steps" in args)) {
    report(
      env.cx.diagnostics,
      "GM2024",
      call.span,
      { what: `\`${entry.name}\``, missing: "its length" },
      { help: ["write `epochs = …` or `steps = …`"] },
    );
    return undefined;
  }
  const at = (name: string): Span => {
    const actual = bound.byName.get(name);
    return actual?.kind === "ast" ? actual.value.span : call.span;
  };
  return checkValues(env, entry, args, use, at) ? { kind: "call", name: entry.name, args } : undefined;
}

/** Lengths and stages of which there are any, one for each value of a list, and values that can be taken. Reports the first that is wrong. */
function checkValues(
  env: Env,
  entry: ScheduleEntry,
  args: Readonly<Record<string, SettingValue>>,
  use: "rate" | "any",
  at: (name: string) => Span,
): boolean {
  const numbers = (name: string): readonly number[] => {
    const value = args[name];
    return value?.kind === "static" ? [value.value].flat().map(Number) : [];
  };
  const refuse = (name: string, expected: string, found: string, help: readonly string[] = []): false => {
    report(env.cx.diagnostics, "GM2062", at(name), { what: `\`${name}\` of \`${entry.name}\``, expected, found }, { help });
    return false;
  };
  const given = entry.params.map((p) => p.name).filter((name) => args[name]?.kind === "static");
  for (const name of given) {
    const other = numbers(name).find((v) => !Number.isFinite(v));
    if (other !== undefined) return refuse(name, "finite", String(other));
  }
  const isList = (name: string): boolean => entry.params.some((p) => p.name === name && p.list === true);
  for (const name of ["epochs", "steps"].filter((n) => given.includes(n))) {
    const short = numbers(name).find((v) => v <= 0);
    if (short !== undefined) return refuse(name, isList(name) ? "numbers above 0" : "a number above 0", String(short));
    if (!isList(name)) continue;
    const [lengths, values] = [numbers(name).length, numbers("values").length];
    const count = (n: number, what: string): string => (n === 1 ? `one ${what}` : `${n} ${what}s`);
    if (values === 0) return refuse("values", "a list of at least one number", "none");
    if (lengths !== values)
      return refuse(name, `a list of as many lengths as there are values, ${values}`, count(lengths, "length"), [
        `each value holds for its own number of ${name}, and the last from then on`,
      ]);
  }
  const [stages] = numbers("stages");
  if (stages !== undefined && !(Number.isInteger(stages) && stages >= 1))
    return refuse("stages", "a whole number of at least 1", String(stages));
  // a power of a number below 0 is none
  const [base] = entry.name === "exponential" ? numbers("rate") : [];
  if (base !== undefined && base <= 0) return refuse("rate", "a number above 0", String(base));
  if (use === "any") return true;
  const values = ["value", "values", "from", "to", "start", "factor", "then", "lr"].filter((name) => given.includes(name));
  for (const name of values) {
    // a rate may begin or end at 0
    const isStrict = !["from", "to", "values"].includes(name);
    const below = numbers(name).find((v) => v < 0 || (isStrict && v === 0));
    if (below !== undefined)
      return refuse(
        name,
        isStrict ? "a number above 0" : isList(name) ? "numbers of at least 0" : "a number of at least 0",
        String(below),
        [`it is a learning rate: ${below === 0 ? "at 0 nothing is trained" : "a step of a negative one goes the wrong way"}`],
      );
  }
  if (values.length > 0 && values.every((name) => numbers(name).every((v) => v === 0)))
    return refuse(values[0] ?? "", "above 0 somewhere", "0", ["it is a learning rate: at 0 nothing is trained"]);
  return true;
}
