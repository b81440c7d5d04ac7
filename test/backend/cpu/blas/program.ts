/**
 * What blas.test.ts runs on each runtime: it finds a BLAS, opens it in this thread and in a worker, and multiplies in two
 * memories, near their starts and above 2 GiB. Argument: a library, or nothing. One JSON object on stdout.
 */
import process from "node:process"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { type BlasChoice, openBlas } from "../../../../lib/backend/cpu/blas/open.ts"
import { rowShare } from "../../../../lib/backend/cpu/blas/rows.ts"

/** The worker's task: C [m, n] = A [m, k] B [k, n], rows from `from` to `to`. */
interface Task {
  readonly choice: BlasChoice
  readonly memory: WebAssembly.Memory
  readonly offset: number
  readonly shape: readonly [m: number, n: number, k: number]
  readonly from: number
  readonly to: number
}

const multiply = async ({ choice, memory, offset, shape: [, n, k], from, to }: Task, where: number): Promise<void> => {
  const blas = await openBlas(choice)
  const a = blas.baseOf(memory) + offset
  const b = a + 4 * shapeA
  blas.sgemm(0, 0, to - from, n, k, 1, a + 4 * k * from, k, b, n, 0, a + 4 * (where + from * n), n)
  blas.close()
}

const [M, N, K] = [200, 96, 300] as const
const shapeA = M * K
const [atC, atShared] = [shapeA + K * N, shapeA + K * N + M * N]

const values = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => ((i * 7919) % 1009) / 504 - 1)

/** The product by one call and by two threads, at an offset of a memory: whether both are right, and the same bits. */
const tryAt = async (choice: BlasChoice, memory: WebAssembly.Memory, offset: number): Promise<string> => {
  new Float32Array(memory.buffer, offset, atC).set(values(atC))
  const whole = { choice, memory, offset, shape: [M, N, K], from: 0, to: M } as const
  await multiply(whole, atC)
  const [, half] = rowShare(M, N, K, 0, 2)
  const worker = new Worker(new URL(import.meta.url), { workerData: { ...whole, from: half } satisfies Task })
  const ended = new Promise((resolve, reject) => {
    worker.once("message", resolve)
    worker.once("error", reject)
  })
  await multiply({ ...whole, to: half }, atShared)
  await ended
  const [one, two] = [atC, atShared].map((at) => new Float32Array(memory.buffer, offset + 4 * at, M * N))
  const [a, b] = [values(atC).subarray(0, shapeA), values(atC).subarray(shapeA)]
  for (let i = 0; i < M * N; i++) {
    let sum = 0
    for (let j = 0; j < K; j++) sum += (a[Math.floor(i / N) * K + j] ?? NaN) * (b[j * N + i % N] ?? NaN)
    if (!(Math.abs(sum - (one?.[i] ?? NaN)) < 1e-3)) return `element ${i} is ${one?.[i]}, expected ${sum}`
    if (one?.[i] !== two?.[i]) return `element ${i} is ${one?.[i]} in one call and ${two?.[i]} in two threads`
  }
  return "right"
}

const main = async (): Promise<object> => {
  const path = process.argv[2]
  // The worker shows that it starts without Effect.
  const { BlasUnavailable, findBlas } = await import("../../../../lib/backend/cpu/blas/index.ts")
  try {
    const { choice, description, keepsBits } = await findBlas(path === undefined ? {} : { path })
    const memory = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 65_536, maximum: 65_536, shared: true })
    const [first, second] = [memory(), memory()]
    const offsets = [2048, 2 ** 31 + 64]
    const products: Array<string> = []
    for (const offset of offsets) products.push(await tryAt(choice, offset === 2048 ? first : second, offset))
    products.push(await tryAt(choice, first, 3 * 2 ** 30 + 4096))
    return { description, keepsBits, products }
  } catch (cause) {
    if (!(cause instanceof BlasUnavailable)) throw cause
    return { refused: cause.message, reasons: cause.tried.map(({ reason }) => reason) }
  }
}

if (isMainThread) console.log(JSON.stringify(await main()))
else {
  await multiply(workerData, atShared)
  parentPort?.postMessage("done")
}
