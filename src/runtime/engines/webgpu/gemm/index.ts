/** The generator of matrix products for WebGPU: specs in, WGSL out. See types.ts for what it takes, candidates.ts for how a kernel is chosen. */
export { gemmCandidates, gemmVariants } from "./candidates.js";
export { convFilterGradGemm, convGemm, convInputGradGemm, type ConvolutionGemm, type Flat, type FlatArray } from "./convolution.js";
export { estimate, typicalGpu, type GpuNumbers } from "./cost.js";
export { choiceName, gemmKernel, measuresOf, type Measures } from "./kernel.js";
export {
  leastLimits,
  type DirectChoice,
  type FunctionOperand,
  type GemmChoice,
  type GemmKernel,
  type GemmLimits,
  type GemmOperand,
  type GemmSpec,
  type LoadWidth,
  type SkinnyChoice,
  type StridedOperand,
  type TiledChoice,
} from "./types.js";
