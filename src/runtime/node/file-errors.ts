/** What the operating system says about a file, as errors that a user can act on. */
import { GmcError } from "../graph/errors.js";

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** GM5001: a file or folder cannot be read. */
export function cannotRead(path: string, error: unknown): GmcError {
  const code = codeOf(error);
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return new GmcError("GM5001", `${path}: there is no such file`, [
        "paths are relative to the current folder; those of gmc.config.json to its own",
      ]);
    case "EACCES":
    case "EPERM":
      return new GmcError("GM5001", `${path}: no permission to read it`, ["check the permissions of the file and its folders"]);
    case "EISDIR":
      return new GmcError("GM5001", `${path}: expected a file, found a folder`, ["a folder of pictures is named with a / at its end"]);
    default:
      return new GmcError("GM5001", `${path}: cannot be read (${describe(error)})`);
  }
}

/** GM5205 full disk, GM5206 no permission, GM5212 anything else. `kept` says what is still intact. */
export function cannotWrite(path: string, error: unknown, kept: readonly string[] = []): GmcError {
  const code = codeOf(error);
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new GmcError("GM5205", `${path}: the disk is full`, [
        "free some space, or choose a folder on another disk with --out",
        ...kept,
      ]);
    case "EROFS":
      return new GmcError("GM5206", `${path}: the file system is read-only`, ["choose another folder with --out", ...kept]);
    case "EACCES":
    case "EPERM":
      return new GmcError("GM5206", `${path}: no permission to write there`, [
        "check the permissions of the folder, or choose another with --out",
        ...kept,
      ]);
    case "EISDIR":
      return new GmcError("GM5212", `${path}: is a folder, expected a file to write`, ["name another file with --out", ...kept]);
    case "EEXIST":
    case "ENOTDIR":
      return new GmcError("GM5212", `${path}: a file is in the place of the folder`, [
        "remove that file, or choose another folder with --out",
        ...kept,
      ]);
    case "ENXIO":
      return new GmcError("GM5212", `${path}: nobody reads from this pipe`, ["start its reader first", ...kept]);
    default:
      return new GmcError("GM5212", `${path}: cannot be written (${describe(error)})`, kept);
  }
}

/** Where the folder is that of a run and no option names another. */
const inPlace: Readonly<Record<string, string>> = {
  GM5205: "free some space, or move the run folder to another disk and name it there",
  GM5206: "check the permissions of the run folder, or copy it to where you may write and name the copy",
  GM5208: "wait for it, or stop it",
  GM5212: "see what lies there; the run folder may also be copied elsewhere and named there",
};

/** The error as a command says it that has no --out: other ways out, where those of the writer speak of one. */
export function withoutOut(error: unknown): unknown {
  if (!(error instanceof GmcError)) return error;
  const other = inPlace[error.code];
  if (other === undefined) return error;
  return new GmcError(
    error.code,
    error.message,
    error.help.map((line) => (line.includes("--out") ? other : line)),
  );
}

/** GM5212 where the folders above are there and the system makes none in them, as in /proc. */
export function noFolder(path: string): GmcError {
  return new GmcError("GM5212", `${path}: the file system makes no folder there`, ["choose another folder with --out"]);
}

export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

export function hasCode(error: unknown, code: string): boolean {
  return codeOf(error) === code;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^[A-Z]+: /, "") : String(error);
}
