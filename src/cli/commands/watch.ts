/** `gmc compile --watch`: compiles again whenever a model or what it imports changes, until interrupted. */
import { existsSync, watch, type FSWatcher } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { configFile } from "../../runtime/node/config.js";
import { reportFailure } from "../errors.js";
import { FINE } from "../exit.js";
import { json, stderr } from "../output.js";
import { compileFile, FileError } from "../sources.js";
import type { CompiledOne, CompileFlags } from "./compile.js";

export async function watchCompile(
  files: readonly string[],
  flags: CompileFlags,
  compileOne: (path: string, flags: CompileFlags) => Promise<CompiledOne>,
): Promise<number> {
  /** absolute path of a source -> models that it belongs to */
  const models = new Map<string, Set<string>>();
  const watchers = new Map<string, FSWatcher>();
  let pending = new Set<string>();
  let timer: NodeJS.Timeout | undefined;

  const run = async (path: string): Promise<void> => {
    try {
      const { outputs } = await compileOne(path, flags);
      if (flags.json) json({ ok: true, files: outputs });
    } catch (error) {
      reportFailure(error, flags.json === true);
    }
    // a configuration that is not there yet may come
    const configuration = configFile(path) ?? join(dirname(path), "gmc.config.json");
    for (const source of [path, configuration, ...sourcesOf(path)]) depend(resolve(source), path);
  };
  const depend = (source: string, model: string): void => {
    models.set(source, (models.get(source) ?? new Set()).add(model));
    const folder = dirname(source);
    if (watchers.has(folder)) return;
    // editors replace files rather than write into them, so the folder is what one can watch
    const watcher = watch(folder, (_, name) => {
      for (const model of (name && models.get(resolve(folder, basename(name)))) || []) pending.add(model);
      clearTimeout(timer);
      timer = setTimeout(() => {
        const now = pending;
        pending = new Set();
        void (async () => {
          for (const model of now) await run(model);
        })();
      }, 50);
    });
    // a folder that is removed has nothing more to tell
    watcher.on("error", () => watcher.close());
    watchers.set(folder, watcher);
  };
  for (const path of files) {
    const folder = dirname(resolve(path));
    if (!existsSync(folder)) throw new FileError(`${path}: there is no folder ${dirname(path)} to watch`);
  }
  for (const path of files) await run(path);
  stderr(`watching ${files.join(", ")}; Ctrl+C ends`);
  await new Promise<void>((done) => {
    process.once("SIGINT", done);
    process.once("SIGTERM", done);
  });
  watchers.forEach((w) => w.close());
  return FINE;
}

/** The file and what it imports, of a model with errors too; none where it cannot be read. */
function sourcesOf(path: string): readonly string[] {
  try {
    return compileFile(path).paths;
  } catch {
    return [];
  }
}
