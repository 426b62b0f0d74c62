/**
 * The parts of chevrotain that gmc uses. The package's entry loads some 300 small modules, which takes longer than
 * everything else that `gmc compile` does; the same package holds the same code in one file, which is loaded instead
 * wherever module paths can be resolved. Types are always the package's own.
 */
import type * as Chevrotain from "chevrotain";

async function load(): Promise<typeof Chevrotain> {
  try {
    const bundle = new URL("../chevrotain.min.mjs", import.meta.resolve("chevrotain"));
    return (await import(/* @vite-ignore */ bundle.href)) as typeof Chevrotain;
  } catch {
    return import("chevrotain");
  }
}

export const { createToken, CstParser, Lexer } = await load();
