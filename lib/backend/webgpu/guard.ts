import * as tf from "@tensorflow/tfjs-core"
import { ExceedsLimit } from "./errors.ts"
import type { Internals } from "./internals.ts"
import type { Limits } from "./limits.ts"

/** The smaller of the limits of a buffer and of a binding: the most bytes that a tensor can have. */
export const bindable = ({ maxBufferSize, maxStorageBufferBindingSize }: Limits): number =>
  Math.min(maxBufferSize, maxStorageBufferBindingSize)

/**
 * Throws ExceedsLimit where a tensor has more bytes than the adapter binds. `kernel` and `tensor` are for the message and
 * for the error's fields.
 */
export const checkBytes = (
  kernel: string,
  tensor: string | undefined,
  { shape, dtype }: { readonly shape: ReadonlyArray<number>; readonly dtype: string },
  limits: Limits
): void => {
  const bytes = 4 * tf.util.sizeFromShape([...shape])
  const most = bindable(limits)
  if (bytes <= most) return
  const limitName = most === limits.maxStorageBufferBindingSize ? "maxStorageBufferBindingSize" : "maxBufferSize"
  throw new ExceedsLimit({
    kernel,
    tensor,
    limitName,
    limit: most,
    found: bytes,
    message: `${kernel}: ${tensor === undefined ? "a tensor" : `tensor ${tensor}`} of shape [${shape.join(", ")}], ` +
      `${dtype}, has ${bytes} bytes; this adapter binds at most ${most} (${limitName}). A smaller microBatch helps`
  })
}

/**
 * Lets tfjs's own kernels ask for no buffer that is larger than the adapter binds: the device would report it when all is
 * over, and leave zeros.
 */
export const guardUploads = (backend: Internals, limits: Limits): void => {
  const upload = backend.uploadToGPU.bind(backend)
  backend.uploadToGPU = (id) => {
    const data = backend.tensorMap.get(id)
    if (data !== undefined) checkBytes("a kernel of tfjs", undefined, data, limits)
    upload(id)
  }
}
