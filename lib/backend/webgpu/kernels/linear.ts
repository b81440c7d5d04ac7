import type { TensorInfo } from "@tensorflow/tfjs-core"
import { linearForward } from "../../../ops/matmul.ts"
import type { Gpu } from "../gpu.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { matrix, type Product, product } from "./gemm.ts"

/** x [R, K], weight [M, K] -> y [R, M] = activation(x weight^T + bias): a layer in one product. */
export const linear = (
  gpu: Gpu,
  { x, weight, ...epilogue }:
    & { readonly x: TensorInfo; readonly weight: TensorInfo }
    & Pick<
      Product,
      "bias" | "residual" | "pre" | "activation"
    >
): TensorInfo => {
  const [rows = 0, k = 0] = x.shape
  const [n = 0] = weight.shape
  const y = gpu.output([rows, n])
  product(gpu, {
    ...{ m: rows, n, k },
    a: matrix(x, k),
    b: matrix(weight, k, "transposed"),
    c: { tensor: y, row: n },
    ...epilogue
  })
  return y
}

/** x weight^T + bias in one product. */
export const linearKernels: ReadonlyArray<Replacement> = [
  fused(linearForward, (gpu, { x, weight, bias }) => ({ y: linear(gpu, { x, weight, bias }) }))
]
