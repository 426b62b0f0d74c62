/**
 * Compiles src/runtime/engines/onnx/kernels.wat into kernels-wasm.ts beside it (base64, so that it needs no file at run time, in a browser
 * or in a bundle). `--check` compiles too, but only compares with what is committed and fails on a stale file.
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import wabt from "wabt";

const folder = new URL("../src/runtime/engines/onnx/", import.meta.url);
const source = new URL("kernels.wat", folder);
const target = new URL("kernels-wasm.ts", folder);

const module = (await wabt()).parseWat("kernels.wat", await readFile(source, "utf8"), { simd: true });
module.resolveNames();
module.validate();
const bytes = module.toBinary({ write_debug_names: false }).buffer;
module.destroy();

const text = `/** kernels.wat, compiled by scripts/build-wasm.mjs; do not edit. */
export const kernelsBase64 =
  "${Buffer.from(bytes).toString("base64")}";
`;

if (process.argv.includes("--check")) {
  const committed = await readFile(target, "utf8").catch(() => "");
  if (committed !== text) {
    console.error("kernels-wasm.ts is stale: run `node scripts/build-wasm.mjs`");
    process.exitCode = 1;
  }
} else {
  await writeFile(target, text);
  console.log(`${fileURLToPath(target)}: ${bytes.length} bytes of WebAssembly`);
}
