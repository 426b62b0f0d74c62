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

/** A place that takes no file or folder: what may be done about it there, and how another is named, by the option `--out` of most commands. */
export class PlaceError extends GmcError {
  constructor(
    code: string,
    message: string,
    private readonly here: string | undefined,
    private readonly elsewhere: string | undefined,
    private readonly kept: readonly string[] = [],
  ) {
    const ways = [here, elsewhere].filter((way) => way !== undefined);
    super(code, message, [...(ways.length > 0 ? [ways.join(", or ")] : []), ...kept]);
  }

  /** As it is to be said where another place is named otherwise. */
  placed(otherwise: (elsewhere: string) => string | undefined): PlaceError {
    return new PlaceError(this.code, this.message, this.here, this.elsewhere && otherwise(this.elsewhere), this.kept);
  }

  /** `kept` says what is still intact. */
  keeping(kept: string): PlaceError {
    return new PlaceError(this.code, this.message, this.here, this.elsewhere, [...this.kept, kept]);
  }

  coded(code: string): PlaceError {
    return new PlaceError(code, this.message, this.here, this.elsewhere, this.kept);
  }
}

/** GM5205 full disk, GM5206 no permission, GM5212 anything else. */
export function cannotWrite(path: string, error: unknown): PlaceError {
  const place = (code: string, what: string, here?: string, elsewhere?: string): PlaceError =>
    new PlaceError(code, `${path}: ${what}`, here, elsewhere && `${elsewhere} with --out`);
  switch (codeOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return place("GM5205", "the disk is full", "free some space", "choose a folder on another disk");
    case "EROFS":
      return place("GM5206", "the file system is read-only", undefined, "choose another folder");
    case "EACCES":
    case "EPERM":
      return place("GM5206", "no permission to write there", "check the permissions of the folder", "choose another");
    case "EISDIR":
      return place("GM5212", "is a folder, expected a file to write", undefined, "name another file");
    case "EEXIST":
    case "ENOTDIR":
      return place("GM5212", "a file is in the place of the folder", "remove that file", "choose another folder");
    case "ENXIO":
      return place("GM5212", "nobody reads from this pipe", "start its reader first");
    default:
      return place("GM5212", `cannot be written (${describe(error)})`);
  }
}

/** GM5212 where the folders above are there and the system makes none in them, as in /proc. */
export function noFolder(path: string): PlaceError {
  return new PlaceError("GM5212", `${path}: the file system makes no folder there`, undefined, "choose another folder with --out");
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
