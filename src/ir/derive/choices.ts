/** The `by` of a statement, checked against the table of estimators and sorted by what each treats. */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { didYouMean } from "../../base/suggest.js";
import {
  type EstimatorEntry,
  type EstimatorOption,
  type EstimatorRole,
  estimatorNames,
  estimators,
  type Options,
  type OptionValue,
} from "../estimators.js";
import { EXPRESSION } from "../latent-estimators.js";
import type { AskedEstimator, EstimatorChoice, Expr } from "../types.js";
import type { DeriveContext } from "./context.js";

/** An estimator asked for, every option with its value. */
export interface Chosen {
  readonly entry: EstimatorEntry;
  /** Of the table, those given replaced. */
  readonly options: Options;
  /** Options that are expressions or schedules. */
  readonly exprs: Readonly<Record<string, Expr>>;
  /** As written: `pcd(k = 1, chains = 100)`. */
  readonly text: string;
  readonly span: Span;
}

export interface Choices {
  /** By variable; under undefined the one for all others. */
  readonly latents: ReadonlyMap<string | undefined, Chosen>;
  readonly data: Chosen | undefined;
  readonly model: Chosen | undefined;
  readonly partition: Chosen | undefined;
  readonly matching: Chosen | undefined;
  readonly optimum: Chosen | undefined;
  readonly update: Chosen | undefined;
}

/** The first choice of a statement, if any: where nothing of the kind is estimated, each of them is too many. */
export function firstChoice({ latents, data, model, partition, matching, optimum, update }: Choices): Chosen | undefined {
  return [...latents.values(), data, model, partition, matching, optimum, update].find((c) => c !== undefined);
}

export const NO_CHOICES: Choices = {
  latents: new Map(),
  data: undefined,
  model: undefined,
  partition: undefined,
  matching: undefined,
  optimum: undefined,
  update: undefined,
};

/** Sorts the choices of a statement; undefined after an error has been reported. */
export function chosen(context: DeriveContext, by: readonly EstimatorChoice[]): Choices | undefined {
  const latents = new Map<string | undefined, Chosen>();
  const others = new Map<EstimatorRole, Chosen>();
  let ok = true;
  for (const choice of by) {
    for (const asked of choice.estimators) {
      const entry = estimators.get(asked.name);
      if (!entry) {
        unknownEstimator(context, asked.name, asked.span);
        ok = false;
        continue;
      }
      const options = optionsOf(context, entry, asked);
      if (!options) {
        ok = false;
        continue;
      }
      const found: Chosen = {
        entry,
        options,
        exprs: asked.exprs,
        text: choiceText(asked.name, asked.options),
        span: asked.span,
      };
      // `by z: enumerate and pcd(…)`: what is joined to a latent's estimator treats the energy
      const isLatent = entry.role === "latent" || (choice.variable !== undefined && asked === choice.estimators[0]);
      const before = isLatent ? latents.get(choice.variable) : others.get(entry.role);
      if (before) {
        report(
          context.diagnostics,
          "GM3622",
          asked.span,
          { first: before.text, second: found.text, part: isLatent ? "a latent" : PARTS[entry.role] },
          {
            labels: before.span === asked.span ? [] : [{ span: before.span, text: "the first" }],
            help: [
              isLatent
                ? "name one estimator for each latent"
                : "`and` joins what treats the data phase with what treats the model phase: `mean_field(steps = 10) and pcd(k = 5)`",
            ],
          },
        );
        ok = false;
      } else if (isLatent) latents.set(choice.variable, found);
      else others.set(entry.role, found);
    }
  }
  if (!ok) return undefined;
  return {
    latents,
    data: others.get("data"),
    model: others.get("model"),
    partition: others.get("partition"),
    matching: others.get("matching"),
    optimum: others.get("optimum"),
    update: others.get("update"),
  };
}

/** What estimators of a role treat, as a message says it. */
const PARTS: Readonly<Record<EstimatorRole, string>> = {
  latent: "a latent",
  data: "the hidden variables given the data",
  model: "the gradient of log Z",
  partition: "the value of log Z",
  matching: "the likelihood as a whole",
  optimum: "the search for a maximum",
  update: "what moves the weights",
};

function choiceText(name: string, options: Options): string {
  const given = Object.entries(options).map(([key, value]) => `${key} = ${value}`);
  return given.length === 0 ? name : `${name}(${given.join(", ")})`;
}

function unknownEstimator(context: DeriveContext, name: string, span: Span): void {
  const elsewhere = [...estimators.values()].flatMap(({ also = {} }) => also[name.toLowerCase()] ?? [])[0];
  const guess = didYouMean(name, [...estimators.keys()]);
  report(
    context.diagnostics,
    "GM3505",
    span,
    { estimator: name },
    {
      help: elsewhere
        ? [`here it is \`by ${elsewhere}\``]
        : guess
          ? [`did you mean \`${guess}\`?`]
          : [
              `estimators are ${estimatorNames()
                .map((e) => `\`${e}\``)
                .join(", ")}`,
            ],
    },
  );
}

function optionsOf(context: DeriveContext, entry: EstimatorEntry, asked: AskedEstimator): Options | undefined {
  const { span, exprs } = asked;
  const given = Object.fromEntries(Object.entries(asked.options).map(([name, v]) => [name, exprs[name] ? EXPRESSION : v]));
  const options: Record<string, OptionValue> = Object.fromEntries(entry.options.map((o) => [o.name, o.value]));
  for (const [name, value] of Object.entries(given)) {
    const option = entry.options.find((o) => o.name === name);
    if (option && exprs[name]) {
      options[name] = value;
      continue;
    }
    const problem = option === undefined ? `\`${entry.name}\` has no option \`${name}\`` : misfit(option, value);
    if (problem !== undefined) {
      const names = entry.options.map((o) => o.name);
      const guess = option === undefined ? didYouMean(name, names) : undefined;
      report(
        context.diagnostics,
        "GM3521",
        span,
        { problem },
        {
          help:
            names.length === 0
              ? [`\`${entry.name}\` takes no options`]
              : option
                ? [described(option)]
                : [...(guess ? [`did you mean \`${guess}\`?`] : []), `its options: ${entry.options.map(described).join(", ")}`],
        },
      );
      return undefined;
    }
    options[name] = value;
  }
  const conflict = entry.conflict?.(options, given);
  if (conflict) {
    const [problem, help] = conflict;
    report(context.diagnostics, "GM3521", span, { problem }, { help: [help] });
    return undefined;
  }
  return options;
}

const described = (option: EstimatorOption): string => `\`${option.name} = ${option.value}\` (${option.doc})`;

/** Why a value does not fit its option. */
function misfit(option: EstimatorOption, value: OptionValue): string | undefined {
  const { name, kind, values = [], least = 1, below } = option;
  switch (kind) {
    case "choice":
      return values.includes(String(value))
        ? undefined
        : `\`${name}\` is one of ${values.map((v) => `\`${v}\``).join(", ")}, not \`${value}\``;
    case "flag":
      return typeof value === "boolean" ? undefined : `\`${name}\` is \`true\` or \`false\`, not \`${value}\``;
    case "density":
      return typeof value === "string" ? undefined : `\`${name}\` is the name of a density, not \`${value}\``;
    case "expression":
      return `\`${name}\` is an expression of the sample and what is given, not \`${value}\``;
    case "integer":
      if (typeof value !== "number") return `\`${name}\` is a number, not \`${value}\``;
      return Number.isInteger(value) && value >= least ? undefined : `\`${name}\` is a whole number from ${least} on, not ${value}`;
    case "number":
      if (typeof value !== "number") return `\`${name}\` is a number, not \`${value}\``;
      if (below !== undefined) return value >= 0 && value < below ? undefined : `\`${name}\` is from 0 on and below ${below}, not ${value}`;
      if (option.positive) return value > 0 && Number.isFinite(value) ? undefined : `\`${name}\` is above 0, and finite: not ${value}`;
      return value >= 0 && Number.isFinite(value) ? undefined : `\`${name}\` is not below 0, and finite: not ${value}`;
  }
}
