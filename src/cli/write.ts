/** Writing what was generated: only where it differs, through a temporary file, so that a watcher never sees a part. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export function writeGenerated(path: string, text: string): "written" | "unchanged" {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return "unchanged";
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const code = (error as NodeJS.ErrnoException).code ?? "";
    const why: Readonly<Record<string, string>> = {
      ENOSPC: "the disk is full",
      EROFS: "the folder is read-only",
      EACCES: "no permission to write there",
    };
    throw Object.assign(new Error(`${path}: cannot be written (${why[code] ?? (code || String(error))})`), {
      code: "GM5305",
      help: ["write elsewhere with --out"],
    });
  }
  return "written";
}
