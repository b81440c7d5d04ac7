import { it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { createHash } from "node:crypto"
import { describe, expect } from "vitest"
import type { AnyClip, CheckpointToSave, RunState } from "../../lib/checkpoint/index.ts"
import { CheckpointError, CheckpointStore, checkpointStore } from "../../lib/checkpoint/index.ts"
import { Changes, realFiles, type Refusal, storeOver } from "./failingFiles.ts"
import { arraysFor, tinyModel } from "./tiny.ts"

const model = tinyModel()

const stateOf = (step: number, change: Partial<RunState> = {}): RunState => ({
  step,
  cursor: { epoch: 1, delivered: 8 * step },
  seed: 7,
  versions: { library: "0.1.0" },
  enginePath: "cpu",
  finished: false,
  best: null,
  extra: { config: { batchSize: 8 }, adamStep: step, skipped: ["a"] },
  ...change
})

const checkpointAt = (step: number, change: Partial<RunState> = {}, of: AnyClip = model): CheckpointToSave => ({
  model: of,
  params: arraysFor(of, step),
  optimizer: [...arraysFor(of, step, "mu."), ...arraysFor(of, step, "nu.")],
  state: stateOf(step, change)
})

const bestAt = (step: number): Partial<RunState> => ({ best: { step, metric: "recall@1", value: 0.5 } })

/** Runs with the store over a temporary run directory; `changes` counts and refuses. */
const inRun = <A, E>(use: (dir: string) => Effect.Effect<A, E, CheckpointStore | FileSystem.FileSystem>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* use(yield* fs.makeTempDirectoryScoped())
  }).pipe(Effect.scoped, Effect.provide(storeOver(new Changes())), Effect.provide(realFiles))

const store = <A, E, R>(use: (store: CheckpointStore["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(CheckpointStore, use)
const save = (dir: string, ...checkpoints: ReadonlyArray<CheckpointToSave>) =>
  store((s) => Effect.forEach(checkpoints, (checkpoint) => s.save(dir, checkpoint)))
const folders = (dir: string) =>
  Effect.flatMap(
    FileSystem.FileSystem,
    (fs) => Effect.map(fs.readDirectory(`${dir}/checkpoints`), (names) => names.sort())
  )

/** Flips one bit of a file's byte, counted from its end. */
const damage = (file: string, fromEnd = 1) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const bytes = yield* fs.readFile(file)
    const at = bytes.length - fromEnd
    bytes[at] = (bytes[at] ?? 0) ^ 1
    yield* fs.writeFile(file, bytes)
  })

describe("saving and loading", () => {
  it.effect("parameters, optimizer arrays and state come back bit for bit", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        const checkpoint = checkpointAt(3, bestAt(3))
        const [saved] = yield* save(dir, checkpoint)
        expect(saved).toEqual({ folder: `${dir}/checkpoints/step-3`, notRemoved: [] })
        const point = yield* store((s) => s.newestGood(dir, { wanted: model }))
        expect([...point?.arrays.values() ?? []]).toEqual(checkpoint.params)
        expect([...point?.optimizer.values() ?? []]).toEqual(checkpoint.optimizer)
        expect(point?.state).toMatchObject(checkpoint.state)
        expect(point?.skipped).toEqual([])
        expect(point?.model.config).toEqual(model.config)
      })
    ))

  it.effect("the same over the plain file system, with syncs", () =>
    Effect.gen(function* () {
      const dir = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      yield* save(dir, checkpointAt(1), checkpointAt(1), checkpointAt(2))
      const point = yield* store((s) => s.newestGood(dir))
      expect([...point?.arrays.values() ?? []]).toEqual(checkpointAt(2).params)
    }).pipe(Effect.scoped, Effect.provide(checkpointStore), Effect.provide(realFiles)))

  it.effect("an optimizer without arrays is saved and loaded too", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(dir, { ...checkpointAt(1), optimizer: [] })
        expect((yield* store((s) => s.newestGood(dir)))?.optimizer.size).toBe(0)
      })
    ))

  it.effect("the same checkpoint saved twice has the same bytes, and state.json the SHA-256 of both files", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* save(`${dir}/a`, checkpointAt(3))
        yield* save(`${dir}/b`, checkpointAt(3))
        const [state] = yield* store((s) => s.states(`${dir}/a`))
        for (const name of ["model.safetensors", "optimizer.safetensors"] as const) {
          const bytes = yield* fs.readFile(`${dir}/a/checkpoints/step-3/${name}`)
          expect(yield* fs.readFile(`${dir}/b/checkpoints/step-3/${name}`)).toEqual(bytes)
          const sha256 = [createHash("sha256").update(bytes).digest("hex")]
          expect(state?.checksums[name]).toEqual({ numBytes: bytes.length, sha256 })
        }
      })
    ))

  it.effect("a file, a step folder and a run directory all load; a run directory gives its best, else its newest", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(dir, checkpointAt(1), checkpointAt(2), checkpointAt(3))
        const load = (checkpoint: string) => store((s) => s.load(checkpoint))
        const textProjection = (step: number) =>
          arraysFor(model, step).find(({ path }) => path === "textProjection")?.data
        const loaded = (checkpoint: string) =>
          Effect.map(load(checkpoint), ({ arrays }) => arrays.get("textProjection")?.data)
        expect(yield* loaded(dir)).toEqual(textProjection(3))
        expect(yield* loaded(`${dir}/checkpoints/step-2`)).toEqual(textProjection(2))
        expect(yield* loaded(`${dir}/checkpoints/step-2/model.safetensors`)).toEqual(textProjection(2))
        expect((yield* load(`${dir}/checkpoints/step-2/model.safetensors`)).state).toBeNull()
        yield* save(dir, checkpointAt(4, bestAt(3)))
        expect(yield* loaded(dir)).toEqual(textProjection(3))
        expect((yield* load(dir)).state?.step).toBe(3)
      })
    ))

  it.effect("what is not there, no safetensors, too large or no .pt is a typed error that says what to do", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(dir, checkpointAt(1))
        const failure = (checkpoint: string, maxBytes?: number) =>
          Effect.flip(store((s) => s.load(checkpoint, maxBytes === undefined ? {} : { maxBytes })))
        expect(yield* failure(`${dir}/nowhere`)).toMatchObject({ reason: "missing", file: `${dir}/nowhere` })
        expect(yield* failure(`${dir}/checkpoints`)).toMatchObject({ reason: "missing" })
        expect(yield* failure(`${dir}/checkpoints/step-1/state.json`)).toMatchObject({ reason: "malformed" })
        expect(yield* failure(dir, 100)).toMatchObject({ reason: "tooLarge", expected: "at most 100 bytes" })
        const fs = yield* FileSystem.FileSystem
        yield* fs.writeFileString(`${dir}/checkpoint_best.pt`, "no checkpoint at all")
        const pt = yield* failure(`${dir}/checkpoint_best.pt`)
        expect(pt).toMatchObject({ reason: "malformed", expected: "a zip file or a pickle, as torch.save writes them" })
      })
    ))

  it.effect("a run without checkpoints has nothing to go on from, and says so without failing", () =>
    inRun((dir) => Effect.map(store((s) => s.newestGood(dir)), (point) => expect(point).toBeUndefined())))
})

describe("what is kept", () => {
  it.effect("the newest two and the best", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(
          dir,
          checkpointAt(1),
          checkpointAt(2, bestAt(2)),
          checkpointAt(3, bestAt(2)),
          checkpointAt(4, bestAt(2))
        )
        expect(yield* folders(dir)).toEqual(["step-2", "step-3", "step-4"])
        yield* save(dir, checkpointAt(10, bestAt(10)))
        expect(yield* folders(dir)).toEqual(["step-10", "step-4"])
      })
    ))

  it.effect("later steps go once an earlier history went on, and so do the leftovers of cut saves", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* save(dir, checkpointAt(10), checkpointAt(20))
        yield* fs.makeDirectory(`${dir}/checkpoints/step-30.new`)
        yield* fs.makeDirectory(`${dir}/checkpoints/notes`)
        yield* save(dir, checkpointAt(15))
        expect(yield* folders(dir)).toEqual(["notes", "step-10", "step-15"])
      })
    ))

  it.effect("a step that is saved again replaces the one that was there", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(dir, checkpointAt(1), checkpointAt(2), checkpointAt(2, { finished: true }))
        expect(yield* folders(dir)).toEqual(["step-1", "step-2"])
        expect((yield* store((s) => s.states(dir))).map(({ finished }) => finished)).toEqual([true, false])
      })
    ))
})

describe("a disk that fails", () => {
  /** Steps 1 and 2 are saved on a good disk, then `next` on one that refuses change number `at`. */
  const trial = (next: CheckpointToSave, at: number, refusal: Refusal) =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(dir, checkpointAt(1, bestAt(1)), checkpointAt(2, bestAt(1)))
        const changes = new Changes(at, refusal)
        const outcome = yield* Effect.provide(Effect.result(save(dir, next)), storeOver(changes))
        const point = yield* store((s) => s.newestGood(dir, { wanted: model }))
        const best = yield* store((s) => s.load(dir))
        expect(point?.skipped).toEqual([])
        const step = point?.state.step ?? NaN
        expect([...point?.arrays.values() ?? []]).toEqual(arraysFor(model, step))
        expect(best.state?.step).toBe(1)
        const failure = outcome._tag === "Failure" ? outcome.failure : undefined
        // The next save on a good disk finds its way, and clears what is left.
        yield* save(dir, checkpointAt(4, bestAt(1)))
        const names = yield* folders(dir)
        expect(names.filter((name) => !/^step-\d+$/.test(name))).toEqual([])
        expect(names).toContain("step-1")
        return { dir, step, failure, finished: point?.state.finished, isRefused: changes.count > at }
      })
    )

  for (const refusal of ["once", "forEver"] as const) {
    it.effect(`at any of its changes (${refusal}) leaves a whole checkpoint, and the error names it`, () =>
      Effect.gen(function* () {
        let failures = 0
        for (let at = 0;; at++) {
          const { dir, step, failure, isRefused } = yield* trial(checkpointAt(3, bestAt(1)), at, refusal)
          if (!isRefused) break
          if (failure === undefined) {
            expect(step).toBe(3) // refused after the rename: syncing the folder, or removing old steps
            continue
          }
          failures++
          expect(failure).toBeInstanceOf(CheckpointError)
          expect(failure).toMatchObject({ reason: "write", stillGood: `${dir}/checkpoints/step-2` })
          expect(failure.message).toContain("ENOSPC")
          expect(failure.message).toContain("step-2 is still good")
          expect(step).toBe(2)
        }
        // remove, make, 3 x (open, write, sync), rename; a folder that cannot be synced is none, but for a dead disk.
        expect(failures).toBe(refusal === "once" ? 12 : 13)
      }))

    it.effect(`while a step takes the place of another save of it (${refusal}) leaves one of both`, () =>
      Effect.gen(function* () {
        for (let at = 0;; at++) {
          const { step, failure, finished, isRefused } = yield* trial(
            checkpointAt(2, { ...bestAt(1), finished: true }),
            at,
            refusal
          )
          if (!isRefused) break
          expect(step).toBe(2)
          expect(finished).toBe(failure === undefined)
        }
      }))
  }

  it.effect("before there is any checkpoint says that none is good", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(
          Effect.provide(save(dir, checkpointAt(1)), storeOver(new Changes(5)))
        )
        expect(failure.stillGood).toBeUndefined()
        expect(failure.message).toContain("no checkpoint of this run is good")
        expect(yield* store((s) => s.newestGood(dir))).toBeUndefined()
      })
    ))

  it.effect("does not pass a damaged checkpoint off as good", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(dir, checkpointAt(1), checkpointAt(2))
        yield* damage(`${dir}/checkpoints/step-2/optimizer.safetensors`)
        const failure = yield* Effect.flip(
          Effect.provide(save(dir, checkpointAt(3)), storeOver(new Changes(5)))
        )
        expect(failure.stillGood).toBe(`${dir}/checkpoints/step-1`)
      })
    ))
})

describe("a checkpoint that changed since it was written", () => {
  it.effect("fails by its checksum, for either file, and load does not fall back", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(dir, checkpointAt(1), checkpointAt(2))
        yield* damage(`${dir}/checkpoints/step-2/model.safetensors`)
        const error = yield* Effect.flip(store((s) => Effect.catchTag(s.load(dir), "UnsafePickle", Effect.die)))
        expect(error).toMatchObject({ reason: "checksum", file: `${dir}/checkpoints/step-2/model.safetensors` })
        expect(error.expected).toMatch(/^\d+ bytes, SHA-256 [0-9a-f]{64}$/)
      })
    ))

  const damages: ReadonlyArray<
    readonly [
      string,
      (folder: string, fs: FileSystem.FileSystem) => Effect.Effect<void, unknown, FileSystem.FileSystem>,
      string
    ]
  > = [
    ["a flipped bit of the model", (folder) => damage(`${folder}/model.safetensors`), "checksum"],
    ["a flipped bit of a header", (folder) => damage(`${folder}/model.safetensors`, 2000), "checksum"],
    ["a flipped bit of the optimizer", (folder) => damage(`${folder}/optimizer.safetensors`), "checksum"],
    ["a cut model", (folder, fs) => fs.truncate(`${folder}/model.safetensors`, 500), "checksum"],
    ["a missing optimizer", (folder, fs) => fs.remove(`${folder}/optimizer.safetensors`), "missing"],
    ["a missing state", (folder, fs) => fs.remove(`${folder}/state.json`), "missing"],
    ["a cut state", (folder, fs) => fs.truncate(`${folder}/state.json`, 100), "malformed"]
  ]
  for (const [name, spoil, reason] of damages) {
    it.effect(`${name}: a resume goes on from the one before and says what was wrong`, () =>
      inRun((dir) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          yield* save(dir, checkpointAt(1), checkpointAt(2))
          yield* spoil(`${dir}/checkpoints/step-2`, fs)
          const point = yield* store((s) => s.newestGood(dir))
          expect(point?.state.step).toBe(1)
          expect(point?.skipped.map((error) => error.reason)).toEqual([reason])
          yield* spoil(`${dir}/checkpoints/step-1`, fs)
          const error = yield* Effect.flip(store((s) => s.newestGood(dir)))
          expect(error).toMatchObject({ _tag: "CheckpointError", reason: "missing" })
          expect(error.message).toContain("step-1")
        })
      ))
  }

  it.effect("a state of a later version or with unknown fields is refused", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* save(dir, checkpointAt(1))
        const file = `${dir}/checkpoints/step-1/state.json`
        const text = yield* fs.readFileString(file)
        yield* fs.writeFileString(file, text.replace('"formatVersion": 1', '"formatVersion": 2'))
        expect(yield* Effect.flip(store((s) => s.load(dir)))).toMatchObject({
          reason: "unsupported",
          found: "version 2"
        })
        yield* fs.writeFileString(file, text.replace('"seed"', '"sead"'))
        const error = yield* Effect.flip(store((s) => Effect.catchTag(s.load(dir), "UnsafePickle", Effect.die)))
        expect(error.reason).toBe("malformed")
        expect(error.message).toContain("seed")
        expect(error.message).toContain("sead")
      })
    ))

  it.effect("another model than the wanted one is an error, not a reason to go back further", () =>
    inRun((dir) =>
      Effect.gen(function* () {
        yield* save(dir, checkpointAt(1, {}, tinyModel("clip")), checkpointAt(2, {}, tinyModel("clip")))
        const error = yield* Effect.flip(store((s) => s.newestGood(dir, { wanted: model })))
        expect(error).toMatchObject({ reason: "otherModel" })
        expect(error.file).toContain("step-2")
      })
    ))
})
