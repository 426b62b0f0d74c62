/**
 * One writer for a folder: `.lock` names the process that holds it. A lock whose process is gone (killed, or the machine restarted) is taken over.
 */
import * as fs from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { GmcError } from "../graph/errors.js";
import { cannotWrite, hasCode, PlaceError } from "./file-errors.js";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one of the same number, where the system says when it began. */
  readonly started: string | null;
}

export interface Lock {
  /** Removes the lock file; calling it again does nothing. */
  release(): void;
}

/** GM5208 where another live process holds the folder. */
export function lockFolder(folder: string): Lock {
  const path = join(folder, ".lock");
  const own: Holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      fs.writeFileSync(path, JSON.stringify(own), { flag: "wx" });
      let held = true;
      return {
        release: () => {
          if (held) fs.rmSync(path, { force: true });
          held = false;
        },
      };
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw cannotWrite(path, error);
    }
    const holder = readHolder(path);
    if (holder !== undefined && isAlive(holder)) {
      throw new PlaceError(
        "GM5208",
        `${folder} is being written by process ${holder.pid}${holder.host === own.host ? "" : ` on ${holder.host}`}`,
        "wait for it or stop it",
        "choose another folder with --out",
        holder.host === own.host ? [] : [`if that process is gone, remove ${path}`],
      );
    }
    takeAway(path);
  }
  throw new GmcError("GM5208", `${folder} is being locked by several processes at once`, ["start one of them alone"]);
}

/** A rename succeeds for one process only, so two that find the same dead lock do not both remove a new one. */
function takeAway(path: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    fs.renameSync(path, aside);
    fs.rmSync(aside, { force: true });
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw cannotWrite(path, error);
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    const value = JSON.parse(fs.readFileSync(path, "utf8")) as Partial<Holder>;
    if (typeof value.pid === "number" && typeof value.host === "string")
      return { pid: value.pid, host: value.host, started: value.started ?? null };
  } catch {
    // Cut short by a crash, or gone meanwhile: nobody's.
  }
  return undefined;
}

function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    if (!hasCode(error, "EPERM")) return false;
  }
  const [state] = statOf(holder.pid);
  // one that has ended keeps its number until its parent takes notice, which some never do; it writes nothing any more
  if (state === "Z" || state === "X") return false;
  return holder.started === null || startOf(holder.pid) === holder.started;
}

/** When a process began, in the system's own ticks; null where the system does not say. */
function startOf(pid: number): string | null {
  return statOf(pid)[19] ?? null;
}

/** What the system says of a process after its name: its state first, when it began as the 20th. Empty where it says nothing. */
function statOf(pid: number): readonly string[] {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // the name in parentheses may hold blanks
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}
