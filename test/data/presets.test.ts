import { layer } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { expect } from "vitest"
import { cc12m, cc3m, writeShards } from "../../lib/data/index.ts"
import { directory, samplesOf, sequential, services, start, windowKeys } from "./files.ts"

layer(services)("presets", (it) => {
  const withVariables = (variables: Readonly<Record<string, string>>) =>
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables))

  it.effect("know their nominal size and read the shards that the configuration names", () =>
    Effect.gen(function* () {
      expect([cc3m.numSamples, cc12m.numSamples]).toEqual([2_300_000, 7_900_000])
      const dir = yield* directory
      yield* writeShards(dir, samplesOf(3))
      const read = windowKeys(cc3m, sequential(9), start).pipe(withVariables({ DIFFCLIP_CC3M: dir }))
      expect((yield* read).flat()).toEqual(["0000", "0001", "0002"])
    }))

  it.effect("without a name they fail with the variable and the way to make the shards", () =>
    Effect.gen(function* () {
      for (const [dataset, variable] of [[cc3m, "DIFFCLIP_CC3M"], [cc12m, "DIFFCLIP_CC12M"]] as const) {
        const error = yield* Effect.flip(windowKeys(dataset, sequential(9), start).pipe(withVariables({})))
        expect(error).toMatchObject({ _tag: "DataMissing", variable, dataset: dataset.name })
        expect(error.message).toContain(variable)
        expect(error.message).toContain("--resize_mode keep_ratio --image_size 224")
      }
    }))

  it.effect("are read from where the program says, too", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      yield* writeShards(dir, samplesOf(3))
      const here = cc12m.at(dir, { numSamples: 3 })
      expect([here.name, here.numSamples, cc12m.at(dir).numSamples]).toEqual(["cc12m", 3, 7_900_000])
      expect((yield* windowKeys(here, sequential(9), start)).flat()).toHaveLength(3)
    }))
})
