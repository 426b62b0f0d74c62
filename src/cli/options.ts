/**
 * Options that several commands share, under one name and one meaning each, and how their values are read.
 */
import { InvalidArgumentError, Option, type Command } from "commander";
import { engineNames } from "../runtime/engines/registry.js";

/** `NAME=VALUE` of --set: numbers, lists of numbers, booleans. */
export type Settings = Readonly<Record<string, number | boolean | readonly number[]>>;

export interface RunFlags {
  readonly epochs?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly seed?: number;
  readonly engine?: string;
  readonly threads?: number;
  readonly data?: string;
  readonly out?: string;
  readonly set?: Settings;
  readonly json?: boolean;
}

/** With how many draws to measure, in place of the model's numbers. */
export interface MeasureFlags {
  readonly k?: number;
  readonly chains?: number;
  readonly temperatures?: number;
}

export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    // 1e10 is one as well as 10000000000
    if (!/^\d+(?:\.\d+)?(?:e\+?\d+)?$/i.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`expected a whole number from ${least} on`);
    return value;
  };
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("expected a positive number");
  return value;
}

function engineName(text: string): string {
  if (!engineNames.includes(text)) throw new InvalidArgumentError(`expected one of ${engineNames.join(", ")}`);
  return text;
}

/** One --set; later ones add to earlier ones, each name once. */
export function setting(text: string, before: Settings = {}): Settings {
  const match = /^([\p{L}_][\p{L}\p{N}_]*)=(.+)$/u.exec(text);
  if (!match) throw new InvalidArgumentError("expected NAME=VALUE, such as H=400 or Zs=[100,50]");
  const [, name = "", value = ""] = match;
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`\`${name}\` is set to ${shownSetting(before[name])} already`);
  return { ...before, [name]: settingValue(value.trim()) };
}

/** One --given: a number for all rows, or `data` for rows of the data; later ones add to earlier ones. */
export function held(text: string, before: Readonly<Record<string, number | "data">> = {}): Readonly<Record<string, number | "data">> {
  // of a family one variable, `z[1]`, or all: `z`
  const match = /^([\p{L}_][\p{L}\p{N}_]*(?:\[\d+\])*)=(.+)$/u.exec(text);
  if (!match) throw new InvalidArgumentError("expected NAME=NUMBER or NAME=data");
  const [, name = "", value = ""] = match;
  const number = Number(value);
  if (value !== "data" && !Number.isFinite(number)) throw new InvalidArgumentError("expected NAME=NUMBER or NAME=data");
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`\`${name}\` is held at \`${before[name] ?? ""}\` already`);
  return { ...before, [name]: value === "data" ? "data" : number };
}

function settingValue(text: string): number | boolean | readonly number[] {
  if (text === "true" || text === "false") return text === "true";
  if (/^\[.*\]$/s.test(text)) {
    const inner = text.slice(1, -1).trim();
    return inner === "" ? [] : inner.split(",").map((part) => settingNumber(part));
  }
  return settingNumber(text);
}

/** As one writes it. */
const shownSetting = (value: Settings[string] | undefined): string => (typeof value === "object" ? `[${value.join(",")}]` : String(value));

function settingNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidArgumentError("expected a number, a list such as [100,50], true or false");
  return value;
}

const set = (): Option => new Option("--set <NAME=VALUE>", "set a hyperparameter; may be given again").argParser(setting);
const asJson = (): Option => new Option("--json", "print JSON for programs");

/** `--set`, `--json`: of all commands that read a model. */
export function addModelOptions(command: Command): Command {
  return command.addOption(set()).addOption(asJson());
}

/** What --seed does, by command. */
export const seeds = {
  train: "seed of weights, draws and order of the data; 0 unless told",
  resume: "the run's own seed; any other is refused",
  draws: "seed of what is drawn; the run's unless told",
} as const;

/** `--engine`, `--threads`, `--data`: of all commands that run a model; `--seed` of those that draw. */
export function addEngineOptions(command: Command, seed?: (typeof seeds)[keyof typeof seeds]): Command {
  if (seed !== undefined) command.addOption(new Option("--seed <N>", seed).argParser(wholeNumber(0)));
  return command
    .addOption(
      new Option(
        "--engine <NAME>",
        "auto, webgpu, onnx, tfjs or reference; onnx:cuda and the like for a device (see gmc doctor)",
      ).argParser(engineName),
    )
    .addOption(new Option("--threads <N>", "threads of the engine; physical cores unless told").argParser(wholeNumber(1)))
    .addOption(new Option("--data <SPEC>", "a data set (mnist) or files (x=train.npy,y=labels.csv)"));
}

const measureOptions = (): readonly Option[] => [
  new Option("--k <N>", "samples for each row measured, in place of the model's").argParser(wholeNumber(1)),
  new Option("--chains <N>", "chains of annealed importance sampling, in place of the model's").argParser(wholeNumber(1)),
  new Option("--temperatures <N>", "temperatures of annealed importance sampling, in place of the model's").argParser(wholeNumber(1)),
];

/** `--k`, `--chains`, `--temperatures`: of all commands that measure. */
export function addMeasureOptions(command: Command): Command {
  measureOptions().forEach((option) => command.addOption(option));
  return command;
}

/** The same of commands that end with an evaluation, and `--no-eval`: a part of their help by itself. */
export function addClosingOptions(command: Command): Command {
  const sweeps = new Option("--sweeps <N>", "of an energy model: sweeps of the chains of the closing samples");
  for (const option of [...measureOptions(), new Option("--no-eval", "leave the evaluation out"), sweeps.argParser(wholeNumber(1))])
    command.addOption(option.helpGroup("Options of the closing evaluation and samples:"));
  return command;
}

/** How long and with what to train. */
export function addTrainingOptions(command: Command, batch: string): Command {
  return command
    .addOption(new Option("--epochs <N>", "passes over the data, of each phase").argParser(positiveNumber))
    .addOption(new Option("--steps <N>", "steps, of each phase; wins over --epochs").argParser(wholeNumber(1)))
    .addOption(new Option("--batch <N>", batch).argParser(wholeNumber(1)))
    .addOption(new Option("--lr <X>", "learning rate, in place of the model's").argParser(positiveNumber));
}
