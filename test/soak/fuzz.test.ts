import { NodeServices } from "@effect/platform-node"
import { Cause, Effect, Exit, FileSystem, Layer, Path, Stream } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { readSafetensors } from "../../lib/checkpoint/index.ts"
import { readSamples, webdataset } from "../../lib/data/index.ts"
import { ImageDecoder } from "../../lib/image/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { fold, integerBelow, keyOf, uniformSequence } from "../../lib/tensor/index.ts"
import { cleanCaption, clipTokenizer } from "../../lib/text/index.ts"
import { writePairs } from "../cli/command.ts"
import { temporary } from "../pipelines/tiny.ts"

/** More by option: `DIFFCLIP_FUZZ=100000 npm run test:soak`. Pictures and whole data sets take a share of it. */
const rounds = Number(process.env["DIFFCLIP_FUZZ"] ?? "10000")

/** A round that takes longer hangs, whatever else the machine does; memory above this is a bomb that was let through. */
const MOST_MS = 5000
const MOST_BYTES = 2 ** 30

const golden = (name: string): Uint8Array => readFileSync(new URL(`../goldens/${name}`, import.meta.url))

/** A copy with a few bytes changed, cut, or doubled in the middle; a function of (name, round). */
const mutated = (bytes: Uint8Array, name: string, round: number): Uint8Array => {
  const next = uniformSequence(fold(keyOf(11), name, round))
  const out = Uint8Array.from(bytes)
  const kind = integerBelow(next, 4)
  if (kind === 0) return out.subarray(0, integerBelow(next, out.length))
  if (kind === 1) {
    const at = integerBelow(next, out.length)
    return Uint8Array.from([...out.subarray(0, at), ...out.subarray(Math.floor(at / 2))])
  }
  for (let i = 0; i <= integerBelow(next, 8); i++) {
    // Half of the changes hit the header, where readers decide what to allocate.
    const at = integerBelow(next, kind === 2 ? Math.min(200, out.length) : out.length)
    out[at] = integerBelow(next, 256)
  }
  return out
}

/** Whether an effect ended in success or in an expected, tagged error; a defect is a bug. */
const isTyped = <A, E extends { readonly _tag: string }>(exit: Exit.Exit<A, E>, tags: ReadonlyArray<string>): boolean =>
  Exit.isSuccess(exit) ||
  exit.cause.reasons.every((reason) => Cause.isFailReason(reason) && tags.includes(reason.error._tag))

describe("broken input gives a typed error, never a defect", () => {
  it("safetensors", async () => {
    const bytes = golden("qwen2_tiny_bf16.safetensors")
    const [before, began] = [process.memoryUsage.rss(), performance.now()]
    for (let round = 0; round < rounds; round++) {
      const exit = await Effect.runPromiseExit(readSafetensors("fuzz", mutated(bytes, "safetensors", round)))
      expect(isTyped(exit, ["CheckpointError"]), `round ${round}: ${String(exit)}`).toBe(true)
    }
    expect((performance.now() - began) / rounds).toBeLessThan(MOST_MS)
    expect(process.memoryUsage.rss() - before).toBeLessThan(MOST_BYTES)
  }, 600_000)

  it("tar archives, read from memory", async () => {
    const dir = temporary()
    await writePairs(dir)
    const bytes = readFileSync(join(dir, "00000.tar"))
    const before = process.memoryUsage.rss()
    let [whole, longest] = [0, 0]
    for (let round = 0; round < rounds; round++) {
      const broken = mutated(bytes, "archive", round)
      const inMemory = FileSystem.layerNoop({ stream: () => Stream.make(broken) })
      const begin = performance.now()
      const exit = await Effect.runPromiseExit(
        Stream.runCount(readSamples({ path: "fuzz.tar" }, () => true)).pipe(
          Effect.provide(Layer.merge(inMemory, Path.layer))
        )
      )
      longest = Math.max(longest, performance.now() - begin)
      if (Exit.isSuccess(exit)) whole++
      expect(isTyped(exit, ["ShardError"]), `round ${round}: ${String(exit)}`).toBe(true)
    }
    expect(whole).toBeGreaterThan(0)
    expect(longest).toBeLessThan(MOST_MS)
    expect(process.memoryUsage.rss() - before).toBeLessThan(MOST_BYTES)
  }, 600_000)

  it.each(["rgb_70x50.png", "progressive_57x61.jpg", "cmyk_43x58.jpg", "anim_48x37.gif", "alpha_46x39.webp"])(
    "%s",
    async (name) => {
      const bytes = golden(`preprocess/${name}`)
      for (let round = 0; round < rounds / 33; round++) {
        const exit = await Effect.runPromiseExit(
          Effect.flatMap(ImageDecoder, (decoder) => decoder.decode(mutated(bytes, name, round))).pipe(
            Effect.provide(sharpDecoder)
          )
        )
        expect(isTyped(exit, ["ImageError"]), `round ${round}: ${String(exit)}`).toBe(true)
      }
    },
    600_000
  )

  it("tar shards", async () => {
    const dir = temporary()
    await writePairs(dir)
    const file = join(dir, "00000.tar")
    const bytes = readFileSync(file)
    for (let round = 0; round < rounds / 66; round++) {
      writeFileSync(file, mutated(bytes, "tar", round))
      const plan = { seed: 0, windowSize: 16, order: "sequential" as const }
      const exit = await Effect.runPromiseExit(
        Stream.runDrain(webdataset(file).windows(plan, { epoch: 0, delivered: 0 })).pipe(
          Effect.provide(Layer.merge(NodeServices.layer, sharpDecoder))
        )
      )
      expect(isTyped(exit, ["ShardError", "SampleError"]), `round ${round}: ${String(exit)}`).toBe(true)
    }
  }, 600_000)

  it("captions of any code points", () => {
    const tokenizer = clipTokenizer()
    for (let round = 0; round < rounds / 6; round++) {
      const next = uniformSequence(fold(keyOf(12), round))
      const text = Array.from({ length: integerBelow(next, 60) }, () => {
        const high = [0x80, 0x300, 0x2100, 0x10000, 0x110000][integerBelow(next, 5)] ?? 0x80
        return String.fromCodePoint(integerBelow(next, high))
      }).join("")
      const ids = tokenizer.tokenize([text])
      expect(ids).toHaveLength(77)
      expect(ids.every((id) => id >= 0 && id < 49408)).toBe(true)
      expect(cleanCaption(cleanCaption(text)).length).toBeLessThan(2000)
    }
  }, 600_000)
})
