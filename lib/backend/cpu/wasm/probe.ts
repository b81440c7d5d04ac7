import { layout, SCRATCH_BYTES } from "../layout.ts"
import { instantiate } from "./instance.ts"
import { type Arithmetic, compiledModule, moduleBytes, type TileName, tiles } from "./modules.ts"

/** What the engine's WebAssembly GEMM runs on. */
export interface ChosenModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Number of the fastest tile here, for all threads. */
  readonly tile: number
  /** Its name: `3x12`, `4x8` or `4x8-lanes`. */
  readonly tileName: string
  /** Results repeat bit for bit within a family, whatever the tile; mul-add gives the same bits on every engine. */
  readonly family: "wasm-relaxed-fma" | "wasm-mul-add"
}

/** Settings of `chooseModule`. */
export interface ProbeOptions {
  /** "wasm": fused multiply-add where there is one. "deterministic": two roundings everywhere. */
  readonly arithmetic: "wasm" | "deterministic"
  /** A clock in milliseconds, finer than 0.01 ms, to time the tiles with; without one the wide tile is taken untimed. */
  readonly now?: () => number
}

const HEAP = 4096
const PAGE = 65_536

/** The product that is timed: whole tiles of every shape, one block of k. */
const TIMED = { m: 48, n: 48, k: 256 } as const

/** Tiles in order of preference: an earlier one within TIE of the fastest is taken, so that noise changes little. */
const preferred: ReadonlyArray<TileName> = ["loads3x12", "loads4x8", "lanes4x8"]
const TIE = 1.05

const names: Readonly<Record<TileName, string>> = { lanes4x8: "4x8-lanes", loads4x8: "4x8", loads3x12: "3x12" }

/** Engines compile hot functions again, better: rounds go on until no time has fallen by a tenth for so long. */
const STEADY_MS = 8
const MOST_MS = 40
/** Where the clock stands still. */
const MOST_ROUNDS = 2000

/** One instance a tile over one small memory, and what is needed to run its GEMM. */
const benchOf = (bytes: Uint8Array<ArrayBuffer>) => {
  const { m, n, k } = TIMED
  const memory = new WebAssembly.Memory({
    initial: Math.ceil((HEAP + 4 * (m * k + k * n + m * n) + SCRATCH_BYTES) / PAGE),
    maximum: PAGE,
    shared: true
  })
  const module = compiledModule(bytes)
  const [a, b] = [HEAP, HEAP + 4 * m * k]
  const c = b + 4 * k * n
  const words = new Uint32Array(memory.buffer, 4 * layout.job, 64)
  words.set([c + 4 * m * n, SCRATCH_BYTES], layout.scratch - layout.job)
  new Float32Array(memory.buffer, 4 * layout.floats, 1)[0] = 1
  return {
    floats: (address: number, length: number): Float32Array => new Float32Array(memory.buffer, address, length),
    addresses: { a, b, c },
    /** C = A B of these sizes. */
    setSizes: (m: number, n: number, k: number): void => {
      words.set([1, m, n, k, a, k, 1, 0, b, n, 1, 0, c, n, 0, 0, 0])
    },
    gemmWith: (tile: number): () => void => {
      const { gemm } = instantiate(module, { memory, tile })
      if (typeof gemm !== "function") throw new Error("the compiled kernels have no function gemm")
      return () => void gemm(0, 1)
    }
  }
}

/** Whether x x - (1 + 2^-11), with x = 1 + 2^-12, is 2^-24 as with one rounding, and not 0 as with two. */
const fuses = (bench: ReturnType<typeof benchOf>, gemm: () => void): boolean => {
  const { a, b, c } = bench.addresses
  const x = 1 + 2 ** -12
  bench.floats(a, 2).set([1, x])
  bench.floats(b, 2).set([-(1 + 2 ** -11), x])
  bench.setSizes(1, 1, 2)
  gemm()
  return bench.floats(c, 1)[0] === 2 ** -24
}

/** The wide tile leaves narrow products to loads4x8, so it is not the first choice where lanes4x8 beats that. */
const fastest = (entries: ReadonlyArray<{ readonly name: TileName; readonly best: number }>): TileName => {
  const of = (name: TileName): number => entries.find((entry) => entry.name === name)?.best ?? Infinity
  const least = Math.min(...entries.map(({ best }) => best))
  const isCheapInLanes = TIE * of("lanes4x8") < of("loads4x8")
  const order = isCheapInLanes ? preferred.toReversed() : preferred
  return order.find((name) => of(name) <= TIE * least) ?? "lanes4x8"
}

const time = (entries: ReadonlyArray<{ readonly gemm: () => void; best: number }>, now: () => number): void => {
  const start = now()
  let steadySince = start
  for (let round = 0, from = start; round < MOST_ROUNDS; round++) {
    for (const entry of entries) {
      entry.gemm()
      const end = now()
      if (end - from < 0.9 * entry.best) steadySince = end
      entry.best = Math.min(entry.best, end - from)
      from = end
    }
    if (from - steadySince > STEADY_MS || from - start > MOST_MS) return
  }
}

const probe = (arithmetic: Arithmetic, now: ProbeOptions["now"]): ChosenModule | undefined => {
  const bytes = moduleBytes(arithmetic)
  if (!WebAssembly.validate(bytes)) return undefined
  const bench = benchOf(bytes)
  const entries = preferred.map((name) => ({ name, gemm: bench.gemmWith(tiles[name]), best: Infinity }))
  const isFused = (): boolean => entries.every(({ gemm }) => fuses(bench, gemm))
  if (arithmetic === "relaxed" && !isFused()) return undefined
  bench.floats(bench.addresses.a, TIMED.k * (TIMED.m + TIMED.n)).fill(1)
  bench.setSizes(TIMED.m, TIMED.n, TIMED.k)
  if (now !== undefined) time(entries, now)
  // Again, for what the engine compiled meanwhile.
  if (arithmetic === "relaxed" && !isFused()) return undefined
  const name = fastest(entries)
  const family = arithmetic === "relaxed" ? "wasm-relaxed-fma" : "wasm-mul-add"
  return { bytes, tile: tiles[name], tileName: names[name], family }
}

const chosen = new Map<string, ChosenModule>()

/**
 * The module and the tile that are fastest on this engine: at most some 50 ms at the first call, remembered for the
 * process. The relaxed module is taken only where it fuses; Bun accepts it and rounds twice.
 */
export const chooseModule = ({ arithmetic, now }: ProbeOptions): ChosenModule => {
  const key = `${arithmetic} ${now === undefined ? "untimed" : "timed"}`
  const known = chosen.get(key)
  if (known !== undefined) return known
  const found = (arithmetic === "wasm" ? probe("relaxed", now) : undefined) ?? probe("mul-add", now)
  if (found === undefined) throw new Error("this engine has no WebAssembly with SIMD and threads")
  chosen.set(key, found)
  return found
}
