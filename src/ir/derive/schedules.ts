/** Schedules of a phase: each scalar that is fed has one name, also where two statements call theirs alike. */
import type { Expr, SettingValue, Update } from "../types.js";
import { childrenOf } from "../walk.js";

/** Renames schedules so that within the phase a name stands for one schedule: `beta`, `beta2`. */
export function nameSchedules(updates: readonly Update[]): readonly Update[] {
  const taken = new Map<string, string>();
  return updates.map((update) => {
    const names = new Map<Expr, string>();
    const visit = (e: Expr): void => {
      if (e.kind === "schedule") names.set(e, nameOf(taken, e.name, e.schedule));
      for (const child of childrenOf(e)) visit(child);
    };
    visit(update.value);
    const asked = update.by.flatMap((choice) => choice.estimators.flatMap((e) => Object.values(e.exprs)));
    asked.forEach(visit);
    if ([...names].every(([e, name]) => e.kind === "schedule" && e.name === name)) return update;
    const by = update.by.map((choice) => ({
      ...choice,
      estimators: choice.estimators.map((e) => ({
        ...e,
        exprs: Object.fromEntries(Object.entries(e.exprs).map(([option, expr]) => [option, renamed(expr, names)])),
      })),
    }));
    return { ...update, value: renamed(update.value, names), by };
  });
}

function nameOf(taken: Map<string, string>, wanted: string, schedule: SettingValue): string {
  const text = JSON.stringify(schedule);
  for (let i = 1; ; i++) {
    const name = i === 1 ? wanted : `${wanted}${i}`;
    const known = taken.get(name);
    if (known === undefined) taken.set(name, text);
    if (known === undefined || known === text) return name;
  }
}

function renamed(expr: Expr, names: ReadonlyMap<Expr, string>): Expr {
  const inner = (e: Expr): Expr => renamed(e, names);
  switch (expr.kind) {
    case "schedule":
      return { ...expr, name: names.get(expr) ?? expr.name };
    case "builtin":
    case "layer":
    case "netCall":
      return { ...expr, args: expr.args.map(inner) };
    case "flowCall":
      return { ...expr, arg: inner(expr.arg), given: expr.given.map(inner) };
    case "record":
      return { ...expr, fields: expr.fields.map((f) => ({ ...f, value: inner(f.value) })) };
    case "field":
      return { ...expr, target: inner(expr.target) };
    case "logDensity":
      return {
        ...expr,
        head: expr.head.map((s) => ({ ...s, value: inner(s.value) })),
        given: expr.given.map((s) => ({ ...s, value: inner(s.value) })),
      };
    case "expectation":
    case "reduce":
    case "optimum":
      return { ...expr, body: inner(expr.body) };
    case "grad":
      return { ...expr, locals: expr.locals.map((l) => ({ ...l, value: inner(l.value) })), body: inner(expr.body) };
    default:
      return expr;
  }
}

/** The schedules that expressions read, by name. */
export function schedulesIn(exprs: readonly Expr[]): readonly { readonly name: string; readonly schedule: SettingValue }[] {
  const found = new Map<string, SettingValue>();
  const visit = (e: Expr): void => {
    if (e.kind === "schedule") found.set(e.name, e.schedule);
    for (const child of childrenOf(e)) visit(child);
  };
  exprs.forEach(visit);
  return [...found].map(([name, schedule]) => ({ name, schedule }));
}
