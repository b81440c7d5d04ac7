/**
 * The one file that talks to tfjs's WebGPU backend, below its declared interface too: which fields it needs it asserts
 * at start, so that another version of tfjs is refused and not misused.
 */
import * as webgpu from "@tensorflow/tfjs-backend-webgpu"
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import type { Attrs, Fused } from "../../ops/kernel.ts"

/** The name under which tfjs's own kernels are registered. */
const STOCK = "webgpu"

/** What we use of tfjs's backend: part of it is private in its declarations. */
interface Internals {
  readonly commandEncoder: object | null
  readonly endComputePassEncoder: () => void
  readonly submitQueue: () => void
  readonly memory: () => { readonly numBytesInGPU: number; readonly numBytesAllocatedInGPU: number }
}

/** tfjs's engine on our device. */
export interface StockEngine {
  /** Sends everything recorded so far to the device. */
  readonly flush: () => void
  /** Bytes of tensors now, and bytes that were ever asked of the device and are kept for later tensors. */
  readonly memory: () => { readonly bytesInUse: number; readonly allocatedBytes: number }
  /** Takes the engine out of tfjs, with its kernels and all its buffers. */
  readonly close: () => void
}

const isFunction = (backend: object, name: string): boolean =>
  name in backend && typeof Object.getOwnPropertyDescriptor(Object.getPrototypeOf(backend), name)?.value === "function"

const hasInternals = (backend: object): backend is Internals =>
  "commandEncoder" in backend && isFunction(backend, "endComputePassEncoder") && isFunction(backend, "submitQueue") &&
  isFunction(backend, "memory")

/** A kernel that takes the place of tfjs's own, or of the composition of an operation of lib/ops. */
export type Replacement = Pick<tf.KernelConfig, "kernelName" | "kernelFunc">

/** tfjs's own kernel of that name. */
export const stockKernel = (kernelName: string): tf.KernelFunc => tf.getKernel(kernelName, STOCK).kernelFunc

/** A composition of tfjs kernels that replaces an operation's own composition on this engine. */
export const composed = <In extends string, A extends Attrs, Out extends string>(
  operation: Fused<In, A, Out>,
  compose: (inputs: Readonly<Record<In, Tensor>>, attrs: A) => Readonly<Record<Out, Tensor>>
): Replacement => ({
  kernelName: operation.name,
  kernelFunc: ({ inputs, attrs }) => {
    // The registry is untyped; lib/ops/kernel.ts hands over the tensors and attributes that the operation declares.
    const results = compose(inputs as unknown as Readonly<Record<In, Tensor>>, attrs as unknown as A)
    return operation.outputs.map((name): TensorInfo => results[name])
  }
})

/** tfjs registers a backend of its own on import, as the process's first choice; it is to be had, but not by default. */
const demoteStock = (): void => {
  const factory = tf.engine().registryFactory[STOCK]
  if (factory === undefined || factory.priority === 0) return
  tf.removeBackend(STOCK)
  tf.registerBackend(STOCK, factory.factory, 0)
}

/**
 * Registers tfjs's WebGPU backend on a device under a name of ours, with copies of its kernels and `replacements` over
 * them. Throws where tfjs is not the version that this was written for.
 */
export const registerStock = (
  name: string,
  device: GPUDevice,
  info: GPUAdapterInfo,
  replacements: ReadonlyArray<Replacement>
): StockEngine => {
  const backend: object = new webgpu.WebGPUBackend(device, info)
  if (!hasInternals(backend) || !(backend instanceof tf.KernelBackend)) {
    throw new Error(
      `@tensorflow/tfjs-backend-webgpu is not the version this was written for (4.22.0): private fields have moved`
    )
  }
  tf.env().set("WEBGPU_CPU_FORWARD", false) // else tensors of under 1000 numbers are computed on the CPU, unseen
  demoteStock()
  const replaced = new Set(replacements.map(({ kernelName }) => kernelName))
  const kernels = [
    ...tf.getKernelsForBackend(STOCK).filter(({ kernelName }) => !replaced.has(kernelName)),
    ...replacements
  ]
  for (const kernel of kernels) tf.registerKernel({ ...kernel, backendName: name })
  tf.registerBackend(name, () => backend, 0)
  tf.findBackend(name) // makes tfjs hold it, so that removing it disposes it
  return {
    flush: () => {
      if (backend.commandEncoder === null) return
      backend.endComputePassEncoder()
      backend.submitQueue()
    },
    memory: () => {
      const { numBytesInGPU, numBytesAllocatedInGPU } = backend.memory()
      return { bytesInUse: numBytesInGPU, allocatedBytes: numBytesAllocatedInGPU }
    },
    close: () => {
      if (tf.findBackend(name) === backend) tf.removeBackend(name)
      for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, name)
    }
  }
}
