import { Effect, Stream } from "effect"
import { describe, expect, it } from "vitest"
import type { Cursor, Dataset } from "../../lib/api/index.ts"
import { digestIn, inSameOrder, storedDigest, watchOrder } from "../../pipelines/sameOrder.ts"

const keyed = (first: number, count: number) => Array.from({ length: count }, (_, i) => ({ key: `${first + i}` }))
const WINDOW = 10
const at = (delivered: number): Cursor => ({ epoch: 0, delivered })

/** What is stored after batches of four of the samples 0, 1, 2 ..., from one place to another. */
const stored = (from: number, to: number, begun: unknown): unknown => {
  const watch = watchOrder(WINDOW, at(from), digestIn(begun))
  for (let end = from + 4; end <= to; end += 4) watch.take([{ samples: keyed(end - 4, 4), cursor: at(end) }])
  return JSON.parse(JSON.stringify(storedDigest(watch.at(at(to)))))
}

/** Whether a resume with that digest accepts the window that begins with sample `first`. */
const accepts = async (delivered: number, digest: unknown, first: number): Promise<boolean> => {
  const cursor = at(delivered)
  const dataset: Dataset<{ readonly key: string }> = {
    name: "counted",
    windows: () => Stream.succeed(keyed(first, WINDOW))
  }
  const watch = watchOrder(WINDOW, cursor, digestIn(digest))
  const ordered = inSameOrder(dataset, cursor, watch.at(cursor), () => undefined)
  const plan = { seed: 0, windowSize: WINDOW, order: "shuffled" as const }
  const exit = await Effect.runPromiseExit(Stream.runDrain(ordered.windows(plan, cursor)))
  return exit._tag === "Success"
}

describe("what a checkpoint says of the window in which it stands", () => {
  it("is the same after one run as after two, and tells a window of others", async () => {
    const whole = stored(0, 16, undefined)
    expect(stored(12, 16, stored(0, 12, undefined))).toEqual(whole)
    expect(whole).toMatchObject({ count: 6 })
    expect([await accepts(16, whole, 10), await accepts(16, whole, 11)]).toEqual([true, false])
  })

  it("is unknown after a resume inside a window of which nothing was stored, until the next window begins", async () => {
    const inside = stored(12, 16, undefined)
    expect(inside).toBe("unknown")
    expect([await accepts(16, inside, 10), await accepts(16, inside, 11)]).toEqual([true, true])
    expect(stored(16, 20, inside)).toEqual(stored(0, 20, undefined))
    expect(stored(16, 24, inside)).toEqual(stored(0, 24, undefined))
  })

  it("is unknown where it counts other samples than the place in the window", async () => {
    const short = { ...Object(stored(0, 16, undefined)), count: 4 }
    expect(await accepts(16, short, 10)).toBe(true)
    expect(stored(16, 16, short)).toBe("unknown")
  })
})
