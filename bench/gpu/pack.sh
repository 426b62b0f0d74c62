#!/usr/bin/env bash
# Packs what a machine with a GPU and nothing else needs for `bench/gpu/run.mjs`: Node itself, the built package with its dependencies, the Dawn binary of
# Linux x64, the models and the peers in Python (for which PyTorch and JAX are the machine's own). Takes the file to write; prints its size.
#     npm run build && bench/gpu/pack.sh /tmp/gmc-gpu.tar.xz
#     # there: tar xf gmc-gpu.tar.xz && gmc-gpu/bench.sh
set -euo pipefail
out="$(realpath -m "${1:?usage: pack.sh FILE.tar.xz}")"
[ -d "$(dirname "$out")" ] || { echo "pack.sh: no folder $(dirname "$out")" >&2; exit 1; }
root="$(cd "$(dirname "$0")/../.." && pwd)"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
to="$folder/gmc-gpu"
mkdir -p "$to/node_modules/webgpu/dist"
cp -L "$(command -v node)" "$to/node"
strip "$to/node" 2>/dev/null || true
cp "$root/package.json" "$to/"
cp -r "$root/dist" "$root/std" "$root/grammar" "$root/bench" "$root/examples" "$to/"
find "$to/dist" \( -name '*.map' -o -name '*.d.ts' \) -delete
# what the packages that run without a second thought need: all but those of pictures of plots and of verification
cd "$root"
npm ls --omit=dev --omit=optional --omit=peer --all --parseable 2>/dev/null | sed "s|^$root/||" | grep '^node_modules/' |
  grep -Ev '/(ts-morph|@ts-morph|typescript|vega[^/]*|d3-[^/]*|webgpu|onnxruntime[^/]*|@tensorflow)(/|$)' | while read -r package; do
  mkdir -p "$to/$(dirname "$package")"
  cp -r "$package" "$to/$(dirname "$package")/"
done
cp -r node_modules/webgpu/index.js node_modules/webgpu/package.json "$to/node_modules/webgpu/"
[ -d node_modules/webgpu/node_modules ] && cp -r node_modules/webgpu/node_modules "$to/node_modules/webgpu/"
cp -r node_modules/webgpu/dist/linux-x64 "$to/node_modules/webgpu/dist/"
cat > "$to/bench.sh" <<'RUN'
#!/usr/bin/env bash
# Runs everything that the machine can run, and prints the table. Arguments as of bench/gpu/run.mjs.
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here" && exec ./node bench/gpu/run.mjs "$@"
RUN
chmod +x "$to/bench.sh"
tar -C "$folder" -c gmc-gpu | xz -T0 -1 > "$out"
bytes="$(stat -c %s "$out")"
echo "$out: $((bytes / 1000000)) MB"
[ "$bytes" -lt 64000000 ] || { echo "more than 64 MB" >&2; exit 1; }
