import { expect, it } from "vitest"
import { killAndCompare } from "./killing.ts"

it("killed with SIGKILL at five random moments, a run ends with the bits of an uninterrupted one", async () => {
  expect(await killAndCompare(5, 1)).toEqual({ kills: 5, isEqual: true })
}, 180_000)
