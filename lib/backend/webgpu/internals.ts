import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { BufferPool } from "./pool.ts"

type DataId = TensorInfo["dataId"]

/** A tensor as tfjs's backend keeps it. `values` is a copy on the host, stale once a shader has written the buffer. */
export interface TensorData {
  readonly dtype: string
  readonly shape: ReadonlyArray<number>
  readonly resource: GPUBuffer | null | undefined
  readonly refCount: number
  values: unknown
}

/** What we and tfjs use of its pool of buffers; ours takes its place. */
export type BufferManager = Pick<
  BufferPool,
  | "acquireBuffer"
  | "releaseBuffer"
  | "getNumUsedBuffers"
  | "getNumFreeBuffers"
  | "dispose"
  | "numBytesUsed"
  | "numBytesAllocated"
>

/** What we use of tfjs's backend: part of it is private in its declarations. */
export interface Internals {
  readonly device: GPUDevice
  readonly commandEncoder: GPUCommandEncoder | null
  computePassEncoder: GPUComputePassEncoder | null
  dispatchCountInPass: number
  bufferManager: BufferManager
  readonly uniformPendingDisposal: Array<GPUBuffer>
  readonly commandQueueOwnedIds: WeakSet<DataId>
  readonly tensorMap: { readonly get: (id: DataId) => TensorData | undefined }
  uploadToGPU: (id: DataId) => void
  readonly makeTensorInfo: (shape: Array<number>, dtype: string) => TensorInfo
  readonly incRef: (id: DataId) => void
  readonly disposeData: (id: DataId) => boolean
  readonly ensureCommandEncoderReady: () => void
  readonly endComputePassEncoder: () => void
  readonly submitQueue: () => void
}

const METHODS = [
  "uploadToGPU",
  "makeTensorInfo",
  "incRef",
  "disposeData",
  "ensureCommandEncoderReady",
  "endComputePassEncoder",
  "submitQueue"
] as const
const POOL_METHODS = ["acquireBuffer", "releaseBuffer", "getNumUsedBuffers", "getNumFreeBuffers", "dispose"] as const
const FIELDS = [
  "device",
  "commandEncoder",
  "bufferManager",
  "uniformPendingDisposal",
  "commandQueueOwnedIds",
  "tensorMap"
] as const

const fieldOf = (object: object, name: string): unknown => {
  for (let at: unknown = object; typeof at === "object" && at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, name)
    if (found !== undefined) return found.value
  }
  return undefined
}

const hasMethod = (object: unknown, name: string): boolean =>
  typeof object === "object" && object !== null && typeof fieldOf(object, name) === "function"

/** The private parts that this version of tfjs lacks; none where it is the one that we were written for (4.22.0). */
export const missingInternals = (backend: object): ReadonlyArray<string> => [
  ...METHODS.filter((name) => !hasMethod(backend, name)),
  ...FIELDS.filter((name) => !(name in backend)),
  ...POOL_METHODS.filter((name) => !hasMethod(fieldOf(backend, "bufferManager"), name)).map((name) =>
    `bufferManager.${name}`
  ),
  ...(hasMethod(fieldOf(backend, "tensorMap"), "get") ? [] : ["tensorMap.get"]),
  ...(fieldOf(backend, "uniformPendingDisposal") instanceof Array ? [] : ["uniformPendingDisposal[]"]),
  ...(fieldOf(backend, "commandQueueOwnedIds") instanceof WeakSet ? [] : ["commandQueueOwnedIds: WeakSet"])
]

/** Whether a backend of tfjs has all that we use of it. */
export const hasInternals = (backend: object): backend is Internals => missingInternals(backend).length === 0
