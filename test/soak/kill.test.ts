import { expect, it } from "vitest"
import { killAndCompare } from "../pipelines/killing.ts"

/** More by option: `DIFFCLIP_KILLS=200 npm run test:soak`. */
const kills = Number(process.env["DIFFCLIP_KILLS"] ?? "30")

it(`killed with SIGKILL at ${kills} random moments, runs end with the bits of an uninterrupted one`, async () => {
  expect(await killAndCompare(kills, 2)).toEqual({ kills, isEqual: true })
}, 1_500_000)
