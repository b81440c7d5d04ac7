import { lambdaBackward, lambdaForward } from "../../../ops/lambda.ts"
import { written } from "../address.ts"
import { fused, type Registration } from "../tfjs.ts"

/** lambda of a layer and its gradients, one call each. */
export const lambdaKernels: ReadonlyArray<Registration> = [
  fused(lambdaForward, (cpu, { q1, k1, q2, k2 }, { lambdaInit }) => {
    const lambda = cpu.output([]), first = cpu.output([]), second = cpu.output([])
    const outputs = [lambda, first, second].map(({ address }) => written(address))
    const words = [...[q1, k1, q2, k2].map((x) => cpu.address(x)), ...outputs, q1.shape[0] ?? 0]
    cpu.run("lambda", words, [lambdaInit], 0)
    return { lambda: lambda.info, first: first.info, second: second.info }
  }),
  fused(lambdaBackward, (cpu, { dy, q1, k1, q2, k2, first, second }) => {
    const n = q1.shape[0] ?? 0
    const dq1 = cpu.output([n]), dk1 = cpu.output([n]), dq2 = cpu.output([n]), dk2 = cpu.output([n])
    const outputs = [dq1, dk1, dq2, dk2].map(({ address }) => written(address))
    cpu.run(
      "lambdaGrad",
      [...[dy, q1, k1, q2, k2, first, second].map((x) => cpu.address(x)), ...outputs, n],
      [],
      0
    )
    return { dq1: dq1.info, dk1: dk1.info, dq2: dq2.info, dk2: dk2.info }
  })
]
