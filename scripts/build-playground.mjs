// Builds the playground, a page that compiles a model typed in a box and trains it: `node scripts/build-playground.mjs [--serve] [--out FOLDER]`.
// The folder holds everything: any web server can serve it. `--serve` serves it on this machine and says where.
import { cpSync, createReadStream, mkdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values: flags } = parseArgs({
  options: {
    serve: { type: "boolean" },
    port: { type: "string", default: "8000" },
    out: { type: "string", default: join(root, "dist-playground") },
  },
});

await build(flags.out);
if (flags.serve) serve(flags.out, Number(flags.port));

/** Engines that need Node are left out: where a page asks for one, it is told that it is missing. */
async function build(out) {
  const bundle = await rolldown({
    input: join(root, "playground", "main.ts"),
    platform: "browser",
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    external: [/^node:/, /^@tensorflow\//, "onnxruntime-node", "webgpu"],
  });
  mkdirSync(out, { recursive: true });
  await bundle.write({ dir: out, format: "esm", minify: true, entryFileNames: "playground.js", chunkFileNames: "[name]-[hash].js" });
  await bundle.close();
  for (const name of ["index.html", "playground.css"]) cpSync(join(root, "playground", name), join(out, name));
}

function serve(folder, port) {
  const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname));
    const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
    const type = types[extname(file)];
    if (!file.startsWith(folder) || type === undefined || statSync(file, { throwIfNoEntry: false }) === undefined) {
      response.writeHead(404).end("not found");
      return;
    }
    response.writeHead(200, { "content-type": type });
    createReadStream(file).pipe(response);
  });
  server.listen(port, "localhost", () => console.log(`http://localhost:${server.address().port}/`));
}
