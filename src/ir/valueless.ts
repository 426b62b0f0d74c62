/** Variables of a header that the body gives no value. */
import { report } from "../base/report.js";
import type { FlatStatement } from "./body.js";
import type { Context, DensityHeader } from "./env.js";
import { showDomain } from "./shapes.js";

/** Reports GM3001; where entries of the variable are drawn one by one, it says why they give it no value. */
export function reportValueless(cx: Context, header: DensityHeader, variable: string, flat: readonly FlatStatement[]): void {
  const entry = flat
    .flatMap(({ stmt }) => (stmt.kind === "draw" || stmt.kind === "bind" ? [stmt] : []))
    .find(({ target }) => target.name.name === variable && target.indices.length > 0);
  const declared = cx.variables.get(variable);
  const args = { variable, density: header.name };
  if (entry === undefined || declared === undefined) {
    const help = [`draw it, \`${variable} ~ …\`, define it, \`${variable} = …\`, or cover it by an \`energy\``];
    report(cx.diagnostics, "GM3001", header.span, args, { help });
    return;
  }
  const { name, domain, role } = declared;
  const what = domain.shape.length === 0 ? "one number" : domain.shape.length === 1 ? "one vector" : "one tensor";
  report(cx.diagnostics, "GM3001", header.span, args, {
    labels: [{ span: entry.target.span, text: `\`${name}\` is ${what}, \`${showDomain(domain)}\`, and gets its value as a whole` }],
    help: [
      ...(domain.shape.length === 0 ? [] : [`draw all entries at once: \`${name} ~ …\`, with parameters of its shape`]),
      `a family is one variable for each index: \`${role} ${name}[l in 1..L] : ${domain.name}\``,
    ],
  });
}
