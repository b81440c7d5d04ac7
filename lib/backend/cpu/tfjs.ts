/**
 * The one file that talks to tfjs's untyped kernel registry: it gives kernels typed inputs and attributes. The casts
 * here restate what tfjs-core's own callers pass; a kernel's test runs it through those callers.
 */
import * as tf from "@tensorflow/tfjs-core"
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Attrs, Fused, FusedList } from "../../ops/kernel.ts"
import type { ArenaBackend } from "./backend.ts"
import { unsupported } from "./stock/host.ts"

/** The name under which tfjs knows the engine. */
export const BACKEND = "diffclip-cpu" as const

/** One kernel to be put in the registry. */
export interface Registration {
  readonly kernelName: string
  readonly kernelFunc: tf.KernelFunc
}

/** Our version of one of tfjs's kernels, complete: what it cannot do it refuses with UnsupportedKernel. */
export const stock = <In extends string, Attributes>(
  kernelName: string,
  make: (
    cpu: ArenaBackend,
    inputs: Readonly<Record<In, TensorInfo>>,
    attrs: Attributes
  ) => TensorInfo | Array<TensorInfo>
): Registration => ({
  kernelName,
  kernelFunc: (call) => {
    const cpu = call.backend as ArenaBackend
    const inputs = call.inputs as Readonly<Record<In, TensorInfo>>
    return cpu.attempt(kernelName, () => make(cpu, inputs, call.attrs as Attributes))
  }
})

/** A kernel for an operation of lib/ops, with the inputs, attributes and outputs that the operation declares. */
export const fused = <In extends string, A extends Attrs, Out extends string>(
  operation: Fused<In, A, Out>,
  make: (cpu: ArenaBackend, inputs: Readonly<Record<In, TensorInfo>>, attrs: A) => Readonly<Record<Out, TensorInfo>>
): Registration => ({
  kernelName: operation.name,
  kernelFunc: (call) => {
    const inputs = call.inputs as Readonly<Record<In, TensorInfo>>
    const cpu = call.backend as ArenaBackend
    const results = cpu.attempt(operation.name, () => make(cpu, inputs, call.attrs as unknown as A))
    return operation.outputs.map((name) => results[name])
  }
})

/** A kernel for an operation of lib/ops on a list of tensors. */
export const fusedList = <A extends Attrs>(
  operation: FusedList<A>,
  make: (cpu: ArenaBackend, inputs: ReadonlyArray<TensorInfo>, attrs: A) => ReadonlyArray<TensorInfo>
): Registration => ({
  kernelName: operation.name,
  kernelFunc: (call) => {
    const inputs = Object.values(call.inputs as Readonly<Record<string, TensorInfo>>)
    const cpu = call.backend as ArenaBackend
    return [...cpu.attempt(operation.name, () => make(cpu, inputs, call.attrs as unknown as A))]
  }
})

/** What tfjs calls its kernels: all its exported words in its kernels' spelling. */
const kernelWords: ReadonlyArray<string> = Object.values(tf).flatMap((value: unknown) =>
  typeof value === "string" && /^_?[A-Z]\w+$/.test(value) ? [value] : []
)

/**
 * Registers the engine's kernels under a backend's name, and for every other kernel of tfjs one that says that it is
 * missing; once for the process and name.
 */
export const registerKernels = (backendName: string, registrations: ReadonlyArray<Registration>): void => {
  if (tf.getKernelsForBackend(backendName).length > 0) return
  const ours = new Set(registrations.map((registration) => registration.kernelName))
  const missing = kernelWords.filter((kernelName) => !ours.has(kernelName)).map((kernelName): Registration => ({
    kernelName,
    kernelFunc: ({ inputs }) => {
      throw unsupported(kernelName, Object.values(inputs) as ReadonlyArray<TensorInfo>, "another backend")
    }
  }))
  for (const registration of [...registrations, ...missing]) tf.registerKernel({ ...registration, backendName })
}
