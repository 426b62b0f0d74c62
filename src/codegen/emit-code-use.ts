/** `code_use(q)` and `code_use(nearest_code(…))` in the generated file: codes by name, [B, ...places], and how many there are. */
import { InternalError } from "../base/internal-error.js";
import { densityOf } from "../ir/derive/context.js";
import type { DerivedModel } from "../ir/derived-model.js";
import { distributions } from "../ir/distributions.js";
import { evaluators } from "../ir/settings-table.js";
import type { Evaluation } from "../ir/types.js";
import { arrow, call, type Js, member, name, num, object, str } from "./js.js";
import { capital } from "./names.js";

type Evaluator = Extract<Evaluation["value"], { readonly kind: "evaluator" }>;

/** `chosen` gives the codes of an expression; without it they are drawn from the density, each row given its data. */
export function emitCodeUse(
  derived: DerivedModel,
  { evaluator, densities, codes }: Evaluator,
  chosen: Js | undefined,
): Readonly<Record<string, Js>> {
  if (codes) {
    if (chosen?.kind !== "arrow") throw new InternalError("codes are an expression");
    return { classes: object({ codes: num(codes.classes) }), codes: { ...chosen, body: object({ codes: chosen.body }) } };
  }
  const [density = ""] = densities;
  const { given, statements } = densityOf(derived.context, density).density;
  const [first] = given;
  const rows = first === undefined ? name("rows") : call("rowsOf", member(name("data"), first));
  const parts = ["w", ...(first === undefined ? ["rows"] : ["data"]), "key"];
  const draw = call(`sample${capital(density)}`, name("w"), name("key"), rows, first === undefined ? object({}) : name("data"));
  const measured = statements.flatMap((s) => {
    if (s.kind !== "draw") return [];
    const variable = derived.model.variables.get(s.variable);
    const dist = distributions.get(s.dist.dist);
    if (!variable || !evaluators.get(evaluator)?.measures(variable, dist)) return [];
    const vectors = dist?.values === "unitVectors";
    const classes = vectors ? variable.domain.shape.at(-1) : variable.domain.classes;
    const value = call("required", member(draw, "values"), str(variable.name));
    return [{ name: variable.name, classes: num(classes?.size ?? 1), codes: vectors ? call("argMax", value, num(-1)) : value }];
  });
  return {
    classes: object(measured.map((m) => ({ name: m.name, value: m.classes }))),
    codes: arrow(`({ ${parts.join(", ")} })`, object(measured.map((m) => ({ name: m.name, value: m.codes })))),
  };
}
