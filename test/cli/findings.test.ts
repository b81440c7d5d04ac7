import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Effect } from "effect"
import { expect, it } from "vitest"
import { cc3m } from "../../lib/data/index.ts"
import { shardsOf } from "../../pipelines/cli/findings.ts"

it("the doctor shows where shards are without what opens them", async () => {
  const location = "http://u:SECRET@PW@host/{0..1}.tar?sig=SECRET#SECRET::/data/a.tar"
  const found = await shardsOf({ ...cc3m, check: Effect.void }).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ DIFFCLIP_CC3M: location }))),
    Effect.provide(NodeServices.layer),
    Effect.runPromise
  )
  expect(found).toEqual({
    name: "cc3m",
    found: "DIFFCLIP_CC3M=http://host/{0..1}.tar?sig=***::/data/a.tar",
    state: "works"
  })
})
