import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, it } from "vitest"
import { verifyCheckpoints } from "../../../pipelines/verify/checkpoints.ts"
import { engineInUse, onEngine } from "../../engines.ts"

const goldens = fileURLToPath(new URL("../../goldens", import.meta.url))
const made: Array<string> = []
afterAll(() => made.forEach((dir) => rmSync(dir, { recursive: true, force: true })))

/** A directory with the golden checkpoints that `wants` names. */
const copyOf = (wants: RegExp): string => {
  const dir = mkdtempSync(join(tmpdir(), "diffclip-verify-"))
  made.push(dir)
  for (const name of readdirSync(goldens)) {
    if (name.startsWith("checkpoint_") && wants.test(name)) cpSync(join(goldens, name), join(dir, name))
  }
  return dir
}

const rowsOf = (dir: string, file = "checkpoint_expected.safetensors") =>
  Effect.runPromise(verifyCheckpoints(dir, file, engineInUse).pipe(Effect.provide(NodeServices.layer)))

describe("verify of PyTorch checkpoints", () => {
  onEngine("diffclip-cpu")

  it("a number that changed fails its row alone", async () => {
    const dir = copyOf(/expected|tiny_legacy/)
    const file = join(dir, "checkpoint_tiny_legacy.pt")
    const bytes = readFileSync(file)
    bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 4) + 1, bytes.length - 4)
    writeFileSync(file, bytes)
    const failed = (await rowsOf(dir)).filter(({ verdict }) => verdict === "failed")
    expect(failed.length).toBeLessThanOrEqual(4)
    expect(failed.every((row) => row.file === "checkpoint_tiny_legacy.pt")).toBe(true)
  })

  it("a file that is cut, or asks to run something, is a failed row with its name", async () => {
    const dir = copyOf(/expected|extras\.pt/)
    writeFileSync(join(dir, "checkpoint_cut.pt"), readFileSync(join(goldens, "checkpoint_tiny.pt")).subarray(0, 9000))
    const failed = (await rowsOf(dir)).filter(({ verdict }) => verdict === "failed")
    expect(failed).toMatchObject([{ file: "checkpoint_cut.pt", name: "file" }])
  })

  it("a .pt without expected values, and these without a .pt, fail", async () => {
    expect(await rowsOf(copyOf(/tiny\.pt/), "checkpoint_tiny.pt")).toMatchObject([{ verdict: "failed" }])
    expect(await rowsOf(copyOf(/expected/))).toMatchObject([{ verdict: "failed" }])
  })

  it("expected tensors that no file has are not passed over", async () => {
    const rows = await rowsOf(copyOf(/expected|extras\.pt/))
    expect(rows.filter(({ verdict }) => verdict === "notCovered").map(({ name }) => name)).toContain(
      "optimizer.1.exp_avg"
    )
  })
})
