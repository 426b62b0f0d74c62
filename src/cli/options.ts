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
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
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

/** One --set; later ones add to earlier ones. */
export function setting(text: string, before: Settings = {}): Settings {
  const match = /^([\p{L}_][\p{L}\p{N}_]*)=(.+)$/u.exec(text);
  if (!match) throw new InvalidArgumentError("expected NAME=VALUE, such as H=400 or Zs=[100,50]");
  const [, name = "", value = ""] = match;
  return { ...before, [name]: settingValue(value.trim()) };
}

/** One --given: a number for all rows, or `data` for rows of the data; later ones add to earlier ones. */
export function held(text: string, before: Readonly<Record<string, number | "data">> = {}): Readonly<Record<string, number | "data">> {
  const match = /^([\p{L}_][\p{L}\p{N}_]*)=(.+)$/u.exec(text);
  if (!match) throw new InvalidArgumentError("expected NAME=NUMBER or NAME=data");
  const [, name = "", value = ""] = match;
  const number = Number(value);
  if (value !== "data" && !Number.isFinite(number)) throw new InvalidArgumentError("expected NAME=NUMBER or NAME=data");
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

/** `--engine`, `--threads`, `--seed`, `--data`, `--json`: of all commands that run one. */
export function addEngineOptions(command: Command): Command {
  return command
    .addOption(new Option("--seed <N>", "random seed; same seed, same numbers").argParser(wholeNumber(0)))
    .addOption(
      new Option(
        "--engine <NAME>",
        "auto, webgpu, onnx, tfjs or reference; onnx:cuda and the like for a device (see gmc doctor)",
      ).argParser(engineName),
    )
    .addOption(new Option("--threads <N>", "threads of the engine; physical cores unless told").argParser(wholeNumber(1)))
    .addOption(new Option("--data <SPEC>", "a data set (mnist) or files (x=train.npy,y=labels.csv)"));
}

/** `--k`, `--chains`, `--temperatures`: of all commands that measure. */
export function addMeasureOptions(command: Command): Command {
  return command
    .addOption(new Option("--k <N>", "samples for each row measured, in place of the model's").argParser(wholeNumber(1)))
    .addOption(new Option("--chains <N>", "chains of annealed importance sampling, in place of the model's").argParser(wholeNumber(1)))
    .addOption(new Option("--temperatures <N>", "its temperatures, in place of the model's").argParser(wholeNumber(1)));
}

/** How long and with what to train. */
export function addTrainingOptions(command: Command): Command {
  return command
    .addOption(new Option("--epochs <N>", "passes over the data, of each phase").argParser(positiveNumber))
    .addOption(new Option("--steps <N>", "steps, of each phase; wins over --epochs").argParser(wholeNumber(1)))
    .addOption(new Option("--batch <N>", "rows of a batch").argParser(wholeNumber(1)))
    .addOption(new Option("--lr <X>", "learning rate, in place of the model's").argParser(positiveNumber));
}
