/**
 * The playground in a browser: built, served on this machine, driven in headless Chromium. Where there is no Chromium the browser's tests skip with
 * one line; GMC_CHROMIUM names another one.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";

const script = fileURLToPath(new URL("../../scripts/build-playground.mjs", import.meta.url));
const chromium = [process.env["GMC_CHROMIUM"], "/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));

/** A browser that talks to nobody but the page's server, with WebGPU in software. */
const flags = [
  ...[
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
  ...["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
];

describe("the playground", () => {
  let folder: string;
  let server: ChildProcess;
  let address: string;
  let browser: Browser | undefined;
  const problems: string[] = [];

  beforeAll(async () => {
    if (chromium === undefined) return;
    folder = mkdtempSync(join(tmpdir(), "gmc-playground-"));
    server = spawn(process.execPath, [script, "--serve", "--port", "0", "--out", folder], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: server.stdout! })) {
      address = line;
      break;
    }
    const { chromium: launcher } = await import("playwright-core");
    browser = await launcher.launch({ executablePath: chromium, headless: true, args: flags });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    server?.kill();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const inPage = (name: string, run: (page: Page) => Promise<void>, engine = "reference"): void =>
    it(name, { timeout: 120_000 }, async (context: TestContext) => {
      if (!browser) return context.skip("there is no Chromium here (Debian: apt-get install chromium); GMC_CHROMIUM names one");
      const page = await browser.newPage({ viewport: { width: 1300, height: 900 } });
      page.on("pageerror", (error) => problems.push(String(error)));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      try {
        await page.goto(`${address}?engine=${engine}`);
        await page.waitForSelector("body[data-ready]");
        await run(page);
        expect(problems).toEqual([]);
      } finally {
        await page.close();
      }
    });

  const shown = async (page: Page, what: "first" | "value"): Promise<number> => Number(await page.getAttribute("#status", `data-${what}`));
  /** Pixels of a canvas that are not blank. */
  const inked = (page: Page, id: string): Promise<number> =>
    page.evaluate((name) => {
      const canvas = document.getElementById(name) as HTMLCanvasElement;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let i = 3; i < data.length; i += 4) if (data[i] !== 0) count++;
      return count;
    }, id);

  inPage("compiles what stands in the box, and tells what it derived", async (page) => {
    expect(await page.textContent("#typescript")).toContain("export const model = defineModel");
    expect(await page.textContent("#explanation")).toContain("log sum[c]");
    await page.selectOption("#beginning", { label: "Restricted Boltzmann machine" });
    expect(await page.textContent("#explanation")).toContain("pcd(k = 5, chains = 64)");
  });

  inPage("tells a mistake with its place, and trains nothing until it is mended", async (page) => {
    const text = await page.inputValue("#source");
    await page.fill("#source", text.replace("mu[c], s[c]", "mu[c], sigma[c]"));
    await page.waitForFunction(() => document.getElementById("problems")!.textContent!.includes("error[GM"));
    expect(await page.textContent("#problems")).toMatch(/sigma[\s\S]*model\.gm:\d+:\d+/);
    expect(await page.isDisabled("#train")).toBe(true);
    await page.fill("#source", text);
    await page.waitForFunction(() => document.getElementById("problems")!.textContent === "");
    expect(await page.isDisabled("#train")).toBe(false);
  });

  const trains =
    (engine: string) =>
    async (page: Page): Promise<void> => {
      expect(await page.textContent("#engine")).toContain(`engine ${engine} (`);
      await page.fill("#source", (await page.inputValue("#source")).replace("K = 10", "K = 6"));
      await page.fill("#steps", "60");
      await page.waitForTimeout(300);
      await page.click("#train");
      await page.waitForFunction(() => document.getElementById("status")!.textContent!.endsWith("done"), undefined, { timeout: 100_000 });
      expect(await shown(page, "value")).toBeGreaterThan(await shown(page, "first"));
      expect(await inked(page, "curve")).toBeGreaterThan(500);
      expect(await inked(page, "samples")).toBeGreaterThan(1000);
      if (process.env["GMC_SCREENSHOT"]) await page.screenshot({ path: process.env["GMC_SCREENSHOT"] });
    };
  for (const engine of ["reference", "webgpu"])
    inPage(`trains a mixture that was typed, to a better likelihood, and draws it, on ${engine}`, trains(engine), engine);

  inPage("stops when it is told to", async (page) => {
    await page.fill("#steps", "100000");
    await page.click("#train");
    await page.waitForFunction(() => document.getElementById("status")!.textContent !== "");
    await page.click("#stop");
    await page.waitForFunction(() => document.getElementById("status")!.textContent!.endsWith("stopped"));
    expect(await page.isDisabled("#train")).toBe(false);
  });
});
