import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const src = (path: string): string => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

/** What takes minutes comes first, or one worker ends long after the other. Without a cache of durations vitest goes by the size of the files. */
const LONG = [
  "conformance/examples",
  "conformance/webgpu",
  "examples",
  "cli/run",
  "engines/webgpu/tuning",
  "conformance/webgpu-random",
  "cli/mistakes",
  "engines/webgpu/example-kernels",
].map((name) => fileURLToPath(new URL(`./test/${name}.test.ts`, import.meta.url)));

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => (LONG.includes(moduleId) ? LONG.indexOf(moduleId) : LONG.length);
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  resolve: {
    alias: [
      { find: /^gmc\/runtime$/, replacement: src("runtime/index.ts") },
      { find: /^gmc\/node$/, replacement: src("runtime/node/index.ts") },
      { find: /^gmc$/, replacement: src("compile.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/fuzz-seed.ts"],
    // a test that hangs is told; one on a busy machine, with no shaders cached, is not: it takes 12 s on a quiet one
    testTimeout: 240_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
    // a fresh process for each file would load the compiler and the engines three hundred times: a third of the whole run
    isolate: false,
    sequence: { sequencer: LongFirst },
    // a software GPU (llvmpipe) compiles kernels longer than it runs them, and half as long for vectors of 128 bits
    env: { LP_NATIVE_VECTOR_WIDTH: "128" },
  },
});
