/** Where objectives stand: data may be read, latents only where an `E` or `max` binds them. */
import { report } from "../base/report.js";
import type { Context, Env, Owner, VariableAccess } from "./env.js";
import type { Scope } from "./scope.js";
import type { Dim } from "./types.js";

export function objectiveEnv(cx: Context, scope: Scope, owner: Owner, site: string): Env {
  return { cx, scope, owner, access: dataAccess(cx), mode: "objective", site, template: false };
}

function dataAccess(cx: Context): VariableAccess {
  return {
    read(variable, span) {
      const found = cx.variables.get(variable);
      if (found?.role === "data") return { samples: undefined };
      const plain = variable.replace(/\[.*/, "");
      report(
        cx.diagnostics,
        "GM3033",
        span,
        { variable },
        {
          labels: found ? [{ span: found.span, text: "declared here" }] : [],
          help: [`bind it: \`E[${plain} ~ q(${plain} | …)](…)\``],
        },
      );
      return undefined;
    },
  };
}

/** `bound` variables may be read too; the number says how many samples each stands for. */
export function overlay(outer: VariableAccess, bound: ReadonlyMap<string, Dim | undefined>): VariableAccess {
  return {
    read: (variable, span) => (bound.has(variable) ? { samples: bound.get(variable) } : outer.read(variable, span)),
    samples: (variable) => (bound.has(variable) ? bound.get(variable) : outer.samples?.(variable)),
    binds: (variable) => bound.has(variable) || outer.binds?.(variable) === true,
  };
}
