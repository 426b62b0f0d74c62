/** Update stages as graphs, see graph/updates.ts. */
import { updateGraph } from "../../graph/updates.js";
import type { Graph, Shape } from "../../graph/types.js";
import type { UpdateSpec, UpdateTarget } from "../engine.js";

export function updateStage(spec: UpdateSpec, shapeOf: (target: UpdateTarget) => Shape | undefined): Graph {
  const shapes = Object.fromEntries(
    spec.targets.flatMap((target) => {
      const shape = shapeOf(target);
      return shape === undefined ? [] : [[target.weight, shape]];
    }),
  );
  return updateGraph(spec, shapes);
}
