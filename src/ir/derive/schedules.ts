/** Schedules of a phase: each scalar that is fed has one name, also where two statements call theirs alike. */
import type { Expr, SettingValue, Update } from "../types.js";
import { childrenOf, mapChildren } from "../walk.js";

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
  if (expr.kind === "schedule") return { ...expr, name: names.get(expr) ?? expr.name };
  return mapChildren(expr, (e) => renamed(e, names));
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
