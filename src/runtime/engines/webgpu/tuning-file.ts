/**
 * What tuning found, by device and kernel, and what devices reach, in a file of the user's cache folder; in a browser only in memory. A file that cannot be read counts as
 * none and is written anew. It is written beside its place and moved there, so that nobody reads half of it.
 */

/** Of the text of the kernels that are chosen from: what an older version measured says nothing of this one's. */
const KERNELS = 1;
/** Of the kernels that a device's peaks are measured with. */
const CALIBRATION = 1;

export interface Choice {
  /** The kernels' names. */
  readonly choice: string;
  /** Milliseconds, and those of what the cost model chose. */
  readonly time: number;
  readonly usual: number;
}

/** What a device reached in f32, measured: see roofline.ts. */
export interface Peaks {
  /** Floating-point operations a second. */
  readonly flops: number;
  /** Bytes a second, read and written. */
  readonly bytes: number;
}

interface Kept {
  readonly devices: Devices;
  readonly peaks: Readonly<Record<string, Peaks>>;
}

type Devices = Readonly<Record<string, Readonly<Record<string, Choice>>>>;

interface Process {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  readonly pid: number;
}

export class Choices {
  private readonly found = new Map<string, Map<string, Choice>>();
  private readonly reached = new Map<string, Peaks>();

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

  peaksOf(device: string): Peaks | undefined {
    return this.reached.get(device);
  }

  setPeaks(device: string, peaks: Peaks): void {
    this.reached.set(device, peaks);
  }

  /** With what others found meanwhile. A folder that cannot be written to costs only the next run's time. */
  async save(): Promise<void> {
    if (this.path === undefined) return;
    const [{ mkdir, rename, rm, writeFile }, { dirname }] = await Promise.all([import("node:fs/promises"), import("node:path")]);
    await this.load(false);
    const devices = Object.fromEntries([...this.found].map(([device, of]) => [device, Object.fromEntries(of)]));
    const peaks = Object.fromEntries(this.reached);
    const beside = `${this.path}.${running()!.pid}`;
    try {
      await mkdir(dirname(this.path), { recursive: true });
      await writeFile(beside, `${JSON.stringify({ kernels: KERNELS, devices, calibration: CALIBRATION, peaks }, undefined, 1)}\n`);
      await rename(beside, this.path);
    } catch (error) {
      await rm(beside, { force: true }).catch(() => undefined);
      console.warn(`what was measured is not kept: ${(error as Error).message}`);
    }
  }

  /** What is known here already stays. */
  private async load(telling: boolean): Promise<void> {
    if (this.path === undefined) return;
    const { readFile } = await import("node:fs/promises");
    const text = await readFile(this.path, "utf8").catch(() => undefined);
    if (text === undefined) return;
    const kept = parsed(text);
    if (kept === undefined) {
      if (telling) console.warn(`${this.path} is damaged: what it says of kernels is ignored, and it is written anew`);
      return;
    }
    for (const [device, of] of Object.entries(kept.devices))
      for (const [key, choice] of Object.entries(of)) if (this.get(device, key) === undefined) this.set(device, key, choice);
    for (const [device, peaks] of Object.entries(kept.peaks)) if (!this.reached.has(device)) this.reached.set(device, peaks);
  }
}

/** Nothing of a damaged file; nothing of what another version measured. */
function parsed(text: string): Kept | undefined {
  try {
    const { kernels, devices, calibration, peaks } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (typeof kernels !== "number") return undefined;
    const kept: Kept = {
      devices: kernels === KERNELS ? (devices as Devices) : {},
      peaks: calibration === CALIBRATION ? (peaks as Kept["peaks"]) : {},
    };
    const sound = isTableOf(kept.devices, (of) => isTableOf(of, isChoice)) && isTableOf(kept.peaks, isPeaks);
    return sound ? kept : undefined;
  } catch {
    return undefined;
  }
}

const isTableOf = (value: unknown, is: (each: unknown) => boolean): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(is);

function isPeaks(value: unknown): boolean {
  const { flops, bytes } = (value ?? {}) as Partial<Record<keyof Peaks, unknown>>;
  return [flops, bytes].every((n) => typeof n === "number" && n > 0);
}

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
