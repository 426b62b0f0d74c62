/** Settings of a train block as calls of the runtime's builders: `adam(lr = 1e-3)` -> `adam({ lr: 0.001 })`. */
import { camel } from "../base/camel.js";
import { InternalError } from "../base/internal-error.js";
import type { Setting, SettingValue } from "../ir/types.js";
import { array, bool, call, type Js, num, numbers, object, str } from "./js.js";

/** Arguments that schedules take by position, in the runtime's order; what is left goes into the options object. */
const POSITIONAL: Readonly<Record<string, readonly string[]>> = {
  constant: ["value"],
  linear: ["from", "to"],
  cosine: ["from", "to"],
  exponential: ["start", "rate"],
  step_decay: ["start", "factor"],
};

/** Schedules whose plain name means something else in the runtime (a tensor, a distribution). */
const RUNTIME_NAMES: Readonly<Record<string, string>> = { constant: "constantSchedule", exponential: "exponentialSchedule" };

export function settingJs(value: SettingValue): Js {
  switch (value.kind) {
    case "static":
      return typeof value.value === "number"
        ? num(value.value)
        : typeof value.value === "boolean"
          ? bool(value.value)
          : numbers(value.value);
    case "text":
      return str(value.value);
    case "call":
      return callJs(value);
  }
}

function callJs(value: Extract<SettingValue, { kind: "call" }>): Js {
  const args = { ...value.args };
  if (value.name === "warmup") {
    const { then, ...over } = args;
    if (!then) throw new InternalError("warmup without what follows it");
    return call("warmup", options(over), settingJs(then));
  }
  if (value.name === "piecewise") return call("piecewise", pieces(args));
  const positional = (POSITIONAL[value.name] ?? []).map((arg) => {
    const given = args[arg];
    if (!given) throw new InternalError(`${value.name} lacks ${arg}`);
    delete args[arg];
    return settingJs(given);
  });
  const rest = Object.keys(args).length > 0 ? [options(args)] : [];
  return call(RUNTIME_NAMES[value.name] ?? camel(value.name), ...positional, ...rest);
}

/** `piecewise([1e-3, 1e-4], epochs = [10, 20])` */
function pieces(args: Readonly<Record<string, SettingValue>>): Js {
  const list = (name: string): readonly number[] => {
    const value = args[name];
    return value?.kind === "static" && Array.isArray(value.value) ? (value.value as readonly number[]) : [];
  };
  const unit = args["epochs"] ? "epochs" : "steps";
  return array(list("values").map((value, i) => object({ value: num(value), for: object({ [unit]: num(list(unit)[i] ?? 0) }) })));
}

function options(args: Readonly<Record<string, SettingValue>>): Js {
  return object(Object.fromEntries(Object.entries(args).map(([k, v]) => [camel(k), settingJs(v)])));
}

export function findSetting(settings: readonly Setting[], wanted: string): SettingValue | undefined {
  return settings.find((s) => s.name === wanted)?.value;
}

export function numberSetting(settings: readonly Setting[], wanted: string): number | undefined {
  const value = findSetting(settings, wanted);
  return value?.kind === "static" && typeof value.value === "number" ? value.value : undefined;
}
