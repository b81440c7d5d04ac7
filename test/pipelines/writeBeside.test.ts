import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, PlatformError } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { writeBeside } from "../../pipelines/writeBeside.ts"
import { interruptWhen } from "./runs.ts"
import { temporary } from "./tiny.ts"

/** The disk with another last act of a file: its sync. */
const syncing = (sync: Effect.Effect<void, PlatformError.PlatformError>): Layer.Layer<FileSystem.FileSystem> =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      open: (path: string, options?: Parameters<typeof fs.open>[1]) =>
        Effect.map(
          fs.open(path, options),
          (file): FileSystem.File =>
            Object.create(file, {
              writeAll: { value: (bytes: Uint8Array) => file.writeAll(bytes) },
              sync: { value: sync }
            })
        )
    }))
  ).pipe(Layer.provide(NodeServices.layer))

describe("a file that is written beside its place", () => {
  it("holds a text, bytes or pieces", async () => {
    const file = join(temporary(), "whole")
    const pieces = [Uint8Array.of(97), Uint8Array.of(98, 99)]
    for (const content of ["abc", Uint8Array.of(97, 98, 99), pieces]) {
      await Effect.runPromise(Effect.provide(writeBeside(file, content), NodeServices.layer))
      expect(readFileSync(file, "utf8")).toBe("abc")
    }
  })

  it("leaves the old content and nothing else when writing fails or is interrupted", async () => {
    const dir = temporary()
    const file = join(dir, "whole")
    await Effect.runPromise(Effect.provide(writeBeside(file, "old"), NodeServices.layer))
    const full = PlatformError.systemError({ _tag: "WriteZero", module: "FileSystem", method: "sync" })
    const exit = await Effect.runPromiseExit(Effect.provide(writeBeside(file, "new"), syncing(Effect.fail(full))))
    expect(exit._tag).toBe("Failure")
    let isWriting = false
    const hanging = Effect.andThen(Effect.sync(() => void (isWriting = true)), Effect.never)
    await Effect.runPromise(interruptWhen(Effect.provide(writeBeside(file, "new"), syncing(hanging)), () => isWriting))
    expect([readdirSync(dir), readFileSync(file, "utf8")]).toEqual([["whole"], "old"])
  })
})
