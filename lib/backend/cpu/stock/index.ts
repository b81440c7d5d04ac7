export { elementwiseKernels } from "./elementwise.ts"
export { matMulKernels } from "./matMul.ts"
export { reduceKernels } from "./reduce.ts"
export { shapingKernels } from "./shaping.ts"
