/** Stages a bijection at its start and tells of what it gives. */
import {
  type Bijector,
  type Image,
  type Key,
  type LayerSpec,
  materialize,
  rootKey,
  stage,
  type Tensor,
  type WeightsOf,
} from "../../src/runtime/index.js";

export function computed(
  spec: LayerSpec<object> | undefined,
  build: (w: object | undefined, key: Key, z: Tensor) => { readonly b: Bijector; readonly x: Image },
  event: readonly number[],
): { readonly directions: Bijector["directions"]; readonly shape: readonly number[] } {
  let found: { readonly directions: Bijector["directions"]; readonly shape: readonly number[] } | undefined;
  stage({ z: { shape: [2, ...event], dtype: "f32" } }, ({ z }) => {
    const w = spec && (materialize({ w: spec }) as WeightsOf<{ w: LayerSpec<object> }>).w;
    const { b, x } = build(w, rootKey(), z!);
    found = { directions: b.directions, shape: x.value.shape.slice(1) };
    return { value: x.value, logDet: x.logDet };
  });
  return found!;
}
