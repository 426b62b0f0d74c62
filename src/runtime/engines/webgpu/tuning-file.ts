/**
 * What tuning found, by device and kernel, in a file of the user's cache folder; in a browser only in memory. A file that cannot be read counts as
 * none and is written anew. It is written beside its place and moved there, so that nobody reads half of it.
 */

/** Of the text of the kernels that are chosen from: what an older version measured says nothing of this one's. */
const KERNELS = 1;

export interface Choice {
  /** The kernels' names. */
  readonly choice: string;
  /** Milliseconds, and those of what the cost model chose. */
  readonly time: number;
  readonly usual: number;
}

type Devices = Readonly<Record<string, Readonly<Record<string, Choice>>>>;

interface Process {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  readonly pid: number;
}

export class Choices {
  private readonly found = new Map<string, Map<string, Choice>>();

  private constructor(private readonly path: string | undefined) {}

  static async open(): Promise<Choices> {
    const choices = new Choices(await cacheFile());
    await choices.load(true);
    return choices;
  }

  get(device: string, key: string): Choice | undefined {
    return this.found.get(device)?.get(key);
  }

  set(device: string, key: string, choice: Choice): void {
    const known = this.found.get(device) ?? new Map<string, Choice>();
    this.found.set(device, known.set(key, choice));
  }

  /** With what others found meanwhile. A folder that cannot be written to costs only the next run's time. */
  async save(): Promise<void> {
    if (this.path === undefined) return;
    const [{ mkdir, rename, rm, writeFile }, { dirname }] = await Promise.all([import("node:fs/promises"), import("node:path")]);
    await this.load(false);
    const devices = Object.fromEntries([...this.found].map(([device, of]) => [device, Object.fromEntries(of)]));
    const beside = `${this.path}.${running()!.pid}`;
    try {
      await mkdir(dirname(this.path), { recursive: true });
      await writeFile(beside, `${JSON.stringify({ kernels: KERNELS, devices }, undefined, 1)}\n`);
      await rename(beside, this.path);
    } catch (error) {
      await rm(beside, { force: true }).catch(() => undefined);
      console.warn(`what tuning found is not kept: ${(error as Error).message}`);
    }
  }

  /** What is known here already stays. */
  private async load(telling: boolean): Promise<void> {
    if (this.path === undefined) return;
    const { readFile } = await import("node:fs/promises");
    const text = await readFile(this.path, "utf8").catch(() => undefined);
    if (text === undefined) return;
    const devices = parsed(text);
    if (devices === undefined) {
      if (telling) console.warn(`${this.path} is damaged: what it says of kernels is ignored, and it is written anew`);
      return;
    }
    for (const [device, of] of Object.entries(devices))
      for (const [key, choice] of Object.entries(of)) if (this.get(device, key) === undefined) this.set(device, key, choice);
  }
}

/** Nothing of a damaged file; no devices of another version's. */
function parsed(text: string): Devices | undefined {
  try {
    const { kernels, devices } = JSON.parse(text) as { readonly kernels?: unknown; readonly devices?: unknown };
    if (typeof kernels !== "number") return undefined;
    if (kernels !== KERNELS) return {};
    return isTable(devices) && Object.values(devices).every((of) => isTable(of) && Object.values(of).every(isChoice))
      ? (devices as Devices)
      : undefined;
  } catch {
    return undefined;
  }
}

const isTable = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);

function isChoice(value: unknown): boolean {
  const { choice, time, usual } = (value ?? {}) as Partial<Record<keyof Choice, unknown>>;
  return typeof choice === "string" && typeof time === "number" && typeof usual === "number";
}

const running = (): Process | undefined => (globalThis as { readonly process?: Process }).process;

/** `~/.cache/gmc/kernels.json`, or where the system or XDG_CACHE_HOME puts such files. */
async function cacheFile(): Promise<string | undefined> {
  const process = running();
  if (process?.env === undefined) return undefined;
  const [{ homedir }, { join }] = await Promise.all([import("node:os"), import("node:path")]);
  const { XDG_CACHE_HOME: told, LOCALAPPDATA: local } = process.env;
  const usual = process.platform === "darwin" ? join(homedir(), "Library", "Caches") : join(homedir(), ".cache");
  return join(told || (process.platform === "win32" && local) || usual, "gmc", "kernels.json");
}
