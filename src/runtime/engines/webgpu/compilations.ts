/** Programs compiled before: what is planned to see whether it fits is what then runs. */
import { sameShape } from "../../graph/shape.js";
import type { Shape } from "../../graph/types.js";
import type { Program } from "../engine.js";
import type { DeviceLimits } from "./assemble.js";
import { compileProgram, type CompiledProgram } from "./compile.js";

export class Compilations {
  private readonly known = new WeakMap<
    Program,
    { readonly compiled: CompiledProgram; readonly asked: ReadonlyMap<string, Shape | undefined> }
  >();

  constructor(private readonly limits: DeviceLimits) {}

  /** `shapeOf`: of a state. A program is compiled again where a shape that it was compiled for is another by now. */
  of(program: Program, shapeOf: (state: string) => Shape | undefined): CompiledProgram {
    const known = this.known.get(program);
    if (known !== undefined && [...known.asked].every(([state, shape]) => same(shape, shapeOf(state)))) return known.compiled;
    const asked = new Map<string, Shape | undefined>();
    const compiled = compileProgram(program, this.limits, (state) => {
      const shape = shapeOf(state);
      asked.set(state, shape);
      return shape;
    });
    this.known.set(program, { compiled, asked });
    return compiled;
  }
}

const same = (a: Shape | undefined, b: Shape | undefined): boolean => (a === undefined || b === undefined ? a === b : sameShape(a, b));
