/**
 * Variables of one `data` statement are aligned row by row, and `E[x ~ data, k ~ data](…)` draws each from a row of its own: a label beside a picture
 * that it is not of. Where both meet in one term under their own names, that is hardly ever meant.
 */
import { remembered } from "../../../base/remembered.js";
import { report } from "../../../base/report.js";
import type { Expr, ObjectiveDraw } from "../../types.js";
import { childrenOf, freeVariables } from "../../walk.js";
import type { DeriveContext } from "../context.js";
import { averagedParts } from "./parts.js";

/** What a variable of the data stands for where it is read: the row itself, a row drawn by an `E`, or nothing of the data. */
type Row = "row" | "none" | ObjectiveDraw;

/** Draws that have been reported, in whatever statements their objective stands. */
const reportedIn = remembered((_: DeriveContext) => new Set<ObjectiveDraw>());

/** Warns of each draw from the data that takes another row for a variable than a variable beside it in its term has. */
export function checkApart(context: DeriveContext, objective: Expr): void {
  const reported = reportedIn(context);
  const visit = (e: Expr, around: ReadonlyMap<string, Row>): void => {
    if (e.kind === "expectation") {
      const inner = new Map(around);
      for (const draw of e.draws) for (const n of draw.names) if (n.kind === "variable") inner.set(n.variable, rowOf(draw));
      for (const { expr } of averagedParts(e.body, 1)) check(expr, inner);
      visit(e.body, inner);
      return;
    }
    for (const child of childrenOf(e)) visit(child, around);
  };
  const check = (term: Expr, rows: ReadonlyMap<string, Row>): void => {
    const read = freeVariables(term);
    for (const names of context.model.streams) {
      const first = names.find((v) => read.has(v) && rowIn(rows, v) !== "none");
      const other = names.find((v) => read.has(v) && first !== undefined && ![rowIn(rows, first), "none"].includes(rowIn(rows, v)));
      if (first === undefined || other === undefined) continue;
      const draws = [rowIn(rows, first), rowIn(rows, other)].filter((r) => typeof r === "object");
      const [a, b = a] = draws;
      if (!a || !b || reported.has(b)) continue;
      reported.add(b);
      const own = b === rowIn(rows, first) ? first : other;
      report(
        context.diagnostics,
        "GM3760",
        b.span,
        { a: first, b: other },
        {
          labels: [{ span: a === b ? term.span : a.span, text: a === b ? "both are read here" : `\`${first}\` is of this row` }],
          help: [
            `\`E[${first}, ${other} ~ data](…)\` has both of one row`,
            `where rows that have nothing to do with each other are meant, say so by a name: \`${own}r ~ data(${own})\``,
          ],
        },
      );
    }
  };
  visit(objective, new Map());
}

const rowIn = (rows: ReadonlyMap<string, Row>, variable: string): Row => rows.get(variable) ?? "row";

/** A family, `x[1..k] ~ data`, is of other rows as it is written. */
function rowOf(draw: ObjectiveDraw): Row {
  return draw.source.kind === "data" && !draw.samples ? draw : "none";
}
