/**
 * The one file that talks to tfjs's WebGPU backend, below its declared interface too: which fields it needs it asserts
 * at start, so that another version of tfjs is refused and not misused.
 */
import * as webgpu from "@tensorflow/tfjs-backend-webgpu"
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core"
import type { Attrs, Fused, FusedList } from "../../ops/kernel.ts"
import type { Gpu } from "./gpu.ts"
import { guardUploads } from "./guard.ts"
import { hasInternals, missingInternals } from "./internals.ts"
import { BufferPool, type PoolUsage } from "./pool.ts"
import { recorderOn } from "./record.ts"

/** The name under which tfjs's own kernels are registered. */
const STOCK = "webgpu"

/** tfjs's engine on our device. */
export interface StockEngine {
  /** Where our own kernels are recorded. */
  readonly gpu: Gpu
  /** Sends everything recorded so far to the device, and gives back buffers where too many lie idle (`BufferPool.trim`). */
  readonly flush: () => void
  /** Gives all idle buffers back to the device; how many bytes that were. What was recorded is sent first. */
  readonly purge: () => number
  readonly memory: () => PoolUsage
  /** A tensor without numbers, which gets a buffer when it is used first. */
  readonly tensor: (shape: ReadonlyArray<number>, dtype: "float32" | "int32") => Tensor
  /** Whether a tensor has a buffer of its own: it gets one when it is used first. */
  readonly isOnDevice: (tensor: TensorInfo) => boolean
  /** Takes the engine out of tfjs, with its kernels and all its buffers. */
  readonly close: () => void
}

/** A kernel that takes the place of tfjs's own, or of the composition of an operation of lib/ops. */
export interface Replacement {
  readonly kernelName: string
  /** The kernel on an engine. */
  readonly on: (gpu: Gpu) => tf.KernelFunc
}

/** A kernel for an operation of lib/ops, with the inputs, attributes and outputs that the operation declares. */
export const fused = <In extends string, A extends Attrs, Out extends string>(
  operation: Fused<In, A, Out>,
  make: (gpu: Gpu, inputs: Readonly<Record<In, TensorInfo>>, attrs: A) => Readonly<Record<Out, TensorInfo>>
): Replacement => ({
  kernelName: operation.name,
  on: (gpu) => (call) => {
    // The registry is untyped; lib/ops/kernel.ts hands over the tensors and attributes that the operation declares.
    const results = make(gpu, call.inputs as Readonly<Record<In, TensorInfo>>, call.attrs as unknown as A)
    return operation.outputs.map((name) => results[name])
  }
})

/** A kernel for an operation of lib/ops on a list of tensors. */
export const fusedList = <A extends Attrs>(
  operation: FusedList<A>,
  make: (gpu: Gpu, inputs: ReadonlyArray<TensorInfo>, attrs: A) => ReadonlyArray<TensorInfo>
): Replacement => ({
  kernelName: operation.name,
  on: (gpu) => (call) => {
    const inputs = Object.values(call.inputs as Readonly<Record<string, TensorInfo>>)
    return [...make(gpu, inputs, call.attrs as unknown as A)]
  }
})

/** Our version of one of tfjs's kernels. */
export const stock = <In extends string, A>(
  kernelName: string,
  make: (gpu: Gpu, inputs: Readonly<Record<In, TensorInfo>>, attrs: A) => TensorInfo | Array<TensorInfo>
): Replacement => ({
  kernelName,
  on: (gpu) => (call) => make(gpu, call.inputs as Readonly<Record<In, TensorInfo>>, call.attrs as A)
})

/** tfjs's own kernel of that name. */
export const stockKernel = (kernelName: string): tf.KernelFunc => tf.getKernel(kernelName, STOCK).kernelFunc

/** A composition of tfjs kernels that replaces an operation's own composition on this engine. */
export const composed = <In extends string, A extends Attrs, Out extends string>(
  operation: Fused<In, A, Out>,
  compose: (inputs: Readonly<Record<In, Tensor>>, attrs: A) => Readonly<Record<Out, Tensor>>
): Replacement => ({
  kernelName: operation.name,
  on: () => ({ inputs, attrs }) => {
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
  info: Pick<GPUAdapterInfo, "vendor" | "architecture">,
  replacements: ReadonlyArray<Replacement>
): StockEngine => {
  const backend: object = new webgpu.WebGPUBackend(device, info as GPUAdapterInfo) // which reads no more of it than that
  if (!hasInternals(backend) || !(backend instanceof tf.KernelBackend)) {
    throw new Error(
      "@tensorflow/tfjs-backend-webgpu is not the version this was written for (4.22.0), it lacks " +
        missingInternals(backend).join(", ")
    )
  }
  const pool = new BufferPool(device)
  backend.bufferManager = pool
  const gpu = recorderOn(backend)
  guardUploads(backend, gpu.limits)
  tf.env().set("WEBGPU_CPU_FORWARD", false) // else tensors of under 1000 numbers are computed on the CPU, unseen
  demoteStock()
  const replaced = new Set(replacements.map(({ kernelName }) => kernelName))
  const kernels = [
    ...tf.getKernelsForBackend(STOCK).filter(({ kernelName }) => !replaced.has(kernelName)),
    ...replacements.map(({ kernelName, on }) => ({ kernelName, kernelFunc: on(gpu) }))
  ]
  for (const kernel of kernels) tf.registerKernel({ ...kernel, backendName: name })
  tf.registerBackend(name, () => backend, 0)
  tf.findBackend(name) // makes tfjs hold it, so that removing it disposes it
  const send = (): void => {
    if (backend.commandEncoder === null) return
    backend.endComputePassEncoder()
    backend.submitQueue()
  }
  return {
    gpu,
    flush: () => {
      send()
      pool.trim()
    },
    purge: () => {
      send()
      return pool.purge()
    },
    memory: () => pool.usage(),
    tensor: (shape, dtype) => tf.engine().makeTensorFromTensorInfo(backend.makeTensorInfo([...shape], dtype), backend),
    isOnDevice: ({ dataId }) => {
      const resource = backend.tensorMap.get(dataId)?.resource
      return resource !== null && resource !== undefined
    },
    close: () => {
      if (tf.findBackend(name) === backend) tf.removeBackend(name)
      for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, name)
    }
  }
}
