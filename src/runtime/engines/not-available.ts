/** What is told of an engine that cannot run here. */
import { GmcError } from "../graph/errors.js";
import type { EngineInfo } from "./engine.js";

/** Why, by what the attempt to find it threw, and what would make it available. */
export function notAvailable(name: string, error: unknown): EngineInfo {
  const message = error instanceof Error ? error.message : String(error);
  return {
    name,
    available: false,
    detail: message.replace(/^the (?:engine \S+|\S+ engine) cannot run: /u, ""),
    ...(error instanceof GmcError ? { help: error.help } : {}),
  };
}
