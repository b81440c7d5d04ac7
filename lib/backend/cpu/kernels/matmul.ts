import { linearForward } from "../../../ops/matmul.ts"
import { gemm, matrix } from "../stock/matMul.ts"
import { fused, type Registration } from "../tfjs.ts"

/** x weight^T + bias in one product. */
export const matmulKernels: ReadonlyArray<Registration> = [
  fused(linearForward, (cpu, { x, weight, bias }) => {
    const [m = 0, k = 0] = x.shape
    const [n = 0] = weight.shape
    const y = cpu.output([m, n])
    gemm(cpu, {
      m,
      n,
      k,
      a: matrix(cpu.address(x), k),
      b: matrix(cpu.address(weight), k, true),
      c: { address: y.address, row: n, batch: 0 },
      bias: cpu.address(bias)
    })
    return { y: y.info }
  })
]
