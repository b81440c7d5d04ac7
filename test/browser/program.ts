/**
 * What the pages of test/browser run, and Node beside them: a tiny DiffCLIP on eight drawn pictures, through the package's
 * public entry points alone.
 */
import { Backend, clipTokenizer, fromArray, type ImageText, makeDiffClip, Pipeline, readLog, tableOf } from "diffclip"
import { cpu, live, type PageOptions } from "diffclip/browser"
import { Effect } from "effect"

const colors = [["red", 220, 40, 40], ["green", 40, 180, 60], ["blue", 50, 70, 220], ["yellow", 240, 210, 40]] as const
const SIDE = 20

/** A square or a disc of one colour on light grey. */
const draw = ([, ...color]: (typeof colors)[number], shape: "square" | "disc"): ImageText["image"] => {
  const data = new Uint8Array(3 * SIDE * SIDE).fill(230)
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const [dx, dy] = [x - (SIDE - 1) / 2, y - (SIDE - 1) / 2]
      const isInside = shape === "disc" ? dx * dx + dy * dy < 49 : Math.max(Math.abs(dx), Math.abs(dy)) < 7
      if (isInside) data.set(color, 3 * (y * SIDE + x))
    }
  }
  return { width: SIDE, height: SIDE, data }
}

const pairs: ReadonlyArray<ImageText> = colors.flatMap((color) =>
  (["square", "disc"] as const).map((shape) => ({
    key: `${color[0]}-${shape}`,
    image: draw(color, shape),
    captions: [`a ${color[0]} ${shape}`]
  }))
)

const tokenTable = [...tableOf(clipTokenizer(), pairs.flatMap(({ captions }) => captions))]
const tower = { width: 16, layers: 1, numHeads: 4 } as const
const model = makeDiffClip("tiny", {
  ...{ imageSize: 16, patchSize: 8, contextLength: 6, vocabSize: tokenTable.length, embedDim: 8 },
  vision: tower,
  text: tower
}, { tokenTable, truncate: "keepEot" })

/** What came of it, as JSON can carry it. */
export interface Outcome {
  readonly announcement: string
  readonly threads: number
  /** Of each step. */
  readonly losses: ReadonlyArray<number>
  /** Of the eight pictures [8, 8], row by row: the bits of float32 numbers. */
  readonly imageBits: ReadonlyArray<number>
  readonly images: ReadonlyArray<number>
  readonly seconds: number
}

/** Trains at a constant rate in a page's memory and embeds the pictures. */
export const trainAndEmbed = (steps: number, options: PageOptions): Promise<Outcome> =>
  Pipeline.run(
    Effect.gen(function* () {
      const { announcement, threads } = yield* Backend
      const begin = performance.now()
      const config = {
        ...{ seed: 5, length: { steps }, batchSize: 8 },
        augmentation: { scale: [1, 1] as const, ratio: [1, 1] as const },
        data: { windowSize: 8, prefetch: 1 }
      }
      const trained = yield* Pipeline.train(model, fromArray("eight", pairs), config, { schedule: () => 5e-4 })
      const { imageEmbed } = yield* Pipeline.embed(trained, { images: pairs.map(({ image }) => image) })
      const log = yield* readLog("run/log.jsonl")
      const images = imageEmbed?.data ?? new Float32Array(0)
      return {
        ...{ announcement, threads },
        losses: log.map(({ loss }) => loss),
        images: [...images],
        imageBits: [...new Uint32Array(Float32Array.from(images).buffer)],
        seconds: (performance.now() - begin) / 1000
      }
    }).pipe(Effect.scoped, Effect.provide(live(options)))
  )

/** How the CPU engine opens with so many threads, or does not. */
export const openCpu = (threads?: number): Promise<string> =>
  Effect.runPromise(
    Effect.map(Backend, ({ announcement }) => announcement).pipe(
      Effect.provide(cpu(threads === undefined ? {} : { threads })),
      Effect.catch(({ message }) => Effect.succeed(`failed: ${message}`))
    )
  )
