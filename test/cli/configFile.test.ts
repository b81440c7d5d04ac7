import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { datasetOf, readConfig } from "../../pipelines/cli/configFile.ts"
import { temporary } from "../pipelines/tiny.ts"

const root = temporary()
const recorded = (name: string) => {
  const file = join(root, "config.json")
  writeFileSync(file, JSON.stringify({ train: {}, model: {}, dataset: { name, fingerprint: null } }))
  return Effect.flatMap(readConfig(file), datasetOf).pipe(Effect.provide(NodeServices.layer))
}

describe("the data set of a run's record", () => {
  it("is read again by its name", async () => {
    expect(await Effect.runPromise(recorded("https://host/{0..3}.tar"))).toBe("https://host/{0..3}.tar")
  })
  it("is asked for again where the name has lost its secrets", async () => {
    expect(await Effect.runPromise(Effect.flip(recorded("https://host/{0..3}.tar?sig=***")))).toMatchObject({
      _tag: "ConfigInvalid",
      message: expect.stringMatching(/^dataset: .*sig=\*\*\*.*pass --data again$/)
    })
  })
})
