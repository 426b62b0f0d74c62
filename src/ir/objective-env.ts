/** Where objectives stand: data may be read, latents only where an `E` or `max` binds them. */
import { report } from "../base/report.js";
import type * as ast from "../parser/ast.js";
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
      report(
        cx.diagnostics,
        "GM3033",
        span,
        { variable },
        {
          labels: found ? [{ span: found.span, text: "declared here" }] : [],
          help: bindingHelp(cx, variable),
        },
      );
      return undefined;
    },
  };
}

/** What could draw a latent: a density over latents alone that the model has, else one that it could have. */
function bindingHelp(cx: Context, variable: string): readonly string[] {
  const data = [...cx.variables.values()].filter((v) => v.role === "data").map((v) => v.name);
  for (const [decl, header] of cx.headers) {
    if (!header?.head.includes(variable) || header.head.some((v) => data.includes(v))) continue;
    const names = (idents: readonly ast.Ident[]): string => idents.map((i) => i.name).join(", ");
    const given = decl.given.length > 0 ? ` | ${names(decl.given)}` : "";
    return [`bind it: \`E[${names(decl.head)} ~ ${header.name}(${names(decl.head)}${given})](…)\``];
  }
  const plain = variable.replace(/\[.*/, "");
  const joint = [...cx.headers.values()].find((header) => header?.head.includes(variable) === true);
  const known = data.filter((v) => joint?.head.includes(v) === true || joint?.given.includes(v) === true);
  return [
    `no density draws it from what is observed: declare one, \`density q(${plain}${data.length > 0 ? ` | ${data.join(", ")}` : ""}) { … }\`, and bind it by an \`E\``,
    ...(joint && known.length > 0 && !variable.includes("[")
      ? [
          `finite latents, and jointly Normal ones, have an exact posterior to draw from: \`E[${variable} ~ ${joint.name}(${variable} | ${known.join(", ")})](…)\``,
        ]
      : []),
  ];
}

/** `bound` variables may be read too; the number says how many samples each stands for. */
export function overlay(outer: VariableAccess, bound: ReadonlyMap<string, Dim | undefined>): VariableAccess {
  return {
    read: (variable, span) => (bound.has(variable) ? { samples: bound.get(variable) } : outer.read(variable, span)),
    samples: (variable) => (bound.has(variable) ? bound.get(variable) : outer.samples?.(variable)),
    binds: (variable) => bound.has(variable) || outer.binds?.(variable) === true,
  };
}
