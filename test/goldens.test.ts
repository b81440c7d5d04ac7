import { NodeServices } from "@effect/platform-node"
import "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
import { Effect, FileSystem, Layer, Path } from "effect"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import type { StoredTensor } from "../lib/checkpoint/index.ts"
import { bytesOf, encodeSafetensors, readSafetensors } from "../lib/checkpoint/index.ts"
import { sharpDecoder } from "../lib/image/sharp.ts"
import { renderRows, verify, type VerifyReport } from "../pipelines/verify/index.ts"
import { engineInUse, onEachEngine, onEngine } from "./engines.ts"

const goldens = fileURLToPath(new URL("goldens", import.meta.url))
const live = Layer.merge(NodeServices.layer, sharpDecoder)
type Services = Layer.Success<typeof live>

const run = <A, E>(effect: Effect.Effect<A, E, Services>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(live)))
const verifyHere = (directory: string) => verify(directory, engineInUse)

/** Verifies a directory that holds the given files alone, each as `change` makes it of the golden one, and the pictures. */
const verifyCopy = (files: ReadonlyArray<string>, change: Change, pictures: "with pictures" | "without" = "without") =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const directory = yield* fs.makeTempDirectoryScoped()
    for (const file of files) {
      yield* fs.writeFile(path.join(directory, file), yield* change(yield* fs.readFile(path.join(goldens, file)), file))
    }
    if (pictures === "with pictures") {
      yield* fs.copy(path.join(goldens, "preprocess"), path.join(directory, "preprocess"))
    }
    return yield* verifyHere(directory)
  }).pipe(Effect.scoped)

type Change = (bytes: Uint8Array, file: string) => Effect.Effect<Uint8Array, unknown>

/** A safetensors file with its tensors changed one by one; undefined drops a tensor. */
const withTensors = (change: (tensor: StoredTensor) => StoredTensor | undefined): Change => (bytes, file) =>
  Effect.map(
    readSafetensors(file, bytes),
    ({ metadata, tensors }) =>
      bytesOf(encodeSafetensors([...tensors.values()].flatMap((tensor) => change(tensor) ?? []), metadata))
  )

/** The rows of a report by name, those of one file. */
const rowsOf = (report: VerifyReport, file: string) => report.rows.filter((row) => row.file === file)

/** At least so many comparisons: what the golden directory of this repository holds, less the rows of the metadata. */
const expectedRows: Readonly<Record<string, number>> = {
  "attention.safetensors": 200,
  "checkpoint_extras.pt": 51,
  "checkpoint_extras_legacy.pt": 51,
  "checkpoint_tiny.pt": 171,
  "checkpoint_tiny_legacy.pt": 170,
  "checkpoint_torch2_imitation.pt": 170,
  "contrastive_world.safetensors": 40,
  "metrics.safetensors": 40,
  "preprocess.safetensors": 200,
  "schedule.json": 8,
  "tiny_clip.safetensors": 75,
  "tiny_diffclip.safetensors": 115,
  "tiny_diffclip_dagger.safetensors": 95,
  "tiny_diffclip_star.safetensors": 155,
  "tokenizer.json": 400,
  "training.safetensors": 230,
  "training_accum.safetensors": 90,
  "training_clamp.safetensors": 130
}

const covered = Object.keys(expectedRows)
const binary = covered.filter((file) => file.endsWith(".safetensors"))

const reports = new Map<string, Promise<VerifyReport>>()

/** The report of the golden directory itself on the engine in use, made once an engine. */
const cleanReport = (): Promise<VerifyReport> => {
  const known = reports.get(tf.getBackend())
  if (known !== undefined) return known
  const report = run(verifyHere(goldens))
  reports.set(tf.getBackend(), report)
  return report
}

onEachEngine(() => {
  it("every covered golden case is within its limit, and no tensor is left", async () => {
    const report = await cleanReport()
    expect(renderRows(report)).toMatch(new RegExp(`\n${report.passed} passed, 0 failed$`))
    for (const file of covered) {
      const rows = rowsOf(report, file)
      expect(rows.filter(({ verdict }) => verdict === "passed").length, file).toBeGreaterThanOrEqual(
        expectedRows[file] ?? Infinity
      )
      expect(rows.filter(({ verdict }) => verdict !== "passed"), file).toEqual([])
    }
    const rest = report.rows.filter(({ file }) => !covered.includes(file))
    expect(rest.every(({ verdict }) => verdict === "notCovered")).toBe(true)
    expect(rest.map(({ file }) => file)).toContain("pope.json")
    expect([report.absent, report.unknown]).toEqual([[], []])
  })
})

describe("a golden directory that is not as it should be", () => {
  onEngine("diffclip-cpu")

  const picturesFor = (file: string) => file.startsWith("preprocess") ? "with pictures" : "without"
  /** The rows of the golden file as it is, by name. */
  const expectedIn = async (file: string) => new Map(rowsOf(await cleanReport(), file).map((row) => [row.name, row]))
  /** The decoded pictures are the input of all that follows, too; they have a test of their own. */
  const isInput = (name: string): boolean => name.endsWith("/decoded")

  it.each(binary)("%s: every stored value counts: nudged beyond its limit, each fails", async (file) => {
    const rows = await expectedIn(file)
    const nudged = new Set<string>()
    const nudge = withTensors((tensor) => {
      const row = rows.get(tensor.name)
      if (row === undefined || isInput(tensor.name)) return tensor
      nudged.add(tensor.name)
      const bytes = Uint8Array.from(tensor.bytes)
      if (tensor.dtype === "U8") return { ...tensor, bytes: bytes.map((v) => v ^ 1) }
      if (tensor.dtype === "I32") return { ...tensor, bytes: bytes.map((v, i) => i === 0 ? v ^ 1 : v) }
      const numbers = new Float32Array(bytes.buffer)
      const size = numbers.reduce((most, v) => Math.max(most, Math.abs(v)), 1)
      const keys = rows.get(`${tensor.name} (keys)`)
      const limit = Math.max(row.limit + row.error, (keys?.limit ?? 0) + (keys?.error ?? 0))
      const step = 1.1 * size * limit
      // The first element, and the middle one: of a packed bias of q, k and v that is a key's.
      for (const i of new Set([0, Math.floor(numbers.length / 2)])) numbers[i] = (numbers[i] ?? 0) + step
      return { ...tensor, bytes }
    })
    const changed = await run(verifyCopy([file], nudge, picturesFor(file)))
    const survivors = changed.rows.filter(({ name, verdict }) =>
      verdict === "passed" && nudged.has(name.replace(/ \(keys\)$/, ""))
    )
    expect(nudged.size).toBeGreaterThan(10)
    expect(survivors.map(({ name }) => name)).toEqual([])
  })

  /** What a file may leave out: gradients and first updates of matrices, and pictures that were normalised. */
  const isOptional = ({ name, shape }: StoredTensor): boolean =>
    (/^(grad0|after1)\./.test(name) && shape.length >= 2) || name.endsWith("/val_bilinear") ||
    name.startsWith("full224/")

  it.each(binary)("%s: a file without its expected tensors fails once for each", async (file) => {
    const rows = await expectedIn(file)
    const dropped: Array<string> = []
    const drop = withTensors((tensor) => {
      if (!rows.has(tensor.name) || isInput(tensor.name)) return tensor
      if (!isOptional(tensor)) dropped.push(tensor.name)
      return undefined
    })
    const changed = await run(verifyCopy([file], drop, picturesFor(file)))
    const failed = new Set(changed.rows.filter(({ verdict }) => verdict === "failed").map(({ name }) => name))
    expect(dropped.length).toBeGreaterThan(10)
    expect(dropped.filter((name) => !failed.has(name))).toEqual([])
  })

  it.each(binary)("%s: a file without any tensor, or cut off, fails and leaves nothing on the engine", async (file) => {
    const empty = await run(verifyCopy([file], withTensors(() => undefined)))
    expect(empty.failed).toBeGreaterThan(0)
    expect(empty.passed).toBeLessThan(100)
    const cut = await run(verifyCopy([file], (bytes) => Effect.succeed(bytes.subarray(0, bytes.length - 1))))
    expect([cut.passed, cut.failed]).toEqual([0, 1])
  })

  it("a picture that decodes to other pixels fails, and one that is not there", async () => {
    const file = "preprocess.safetensors"
    const name = "noise_48x48.png/decoded"
    const other = withTensors((tensor) =>
      tensor.name === name ? { ...tensor, bytes: tensor.bytes.map((v, i) => i === 99 ? v ^ 1 : v) } : tensor
    )
    const changed = await run(verifyCopy([file], other, "with pictures"))
    expect(changed.rows.find((row) => row.name === name)?.verdict).toBe("failed")
    const alone = await run(verifyCopy([file], (bytes) => Effect.succeed(bytes)))
    const decoded = alone.rows.filter((row) => row.name.endsWith("/decoded"))
    expect(decoded.length).toBeGreaterThan(20)
    expect(alone.failed).toBe(decoded.length)
    expect(decoded[0]?.note).toContain("NotFound")
  })

  it.each(["schedule.json", "tokenizer.json"])("%s: one changed digit fails", async (file) => {
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
    const change: Change = (bytes) =>
      Effect.succeed(new TextEncoder().encode(
        file === "schedule.json" ?
          text(bytes).replace("0.0002505", "0.00025050000000001") :
          text(bytes).replace(/49406,\s*\d/, (found) => `${found}1`)
      ))
    expect((await run(verifyCopy([file], change))).failed).toBe(1)
    expect((await run(verifyCopy([file], () => Effect.succeed(new Uint8Array(3))))).failed).toBe(1)
  })

  it("unknown files are listed, absent families too, and neither counts", async () => {
    const report = await run(
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        yield* fs.writeFileString(`${directory}/notes\u001b[31m.txt`, "")
        yield* fs.copyFile(`${goldens}/schedule.json`, `${directory}/schedule.json`)
        return yield* verifyHere(directory)
      }).pipe(Effect.scoped)
    )
    expect(report.unknown).toEqual(["notes\u001b[31m.txt"])
    expect(report.absent).toContain("attention.safetensors")
    expect(report.absent).not.toContain("schedule.json")
    expect([report.passed, report.failed, report.notCovered]).toEqual([8, 0, 0])
    const text = renderRows(report)
    expect(text).toContain("unknown: notes\ufffd[31m.txt")
    expect(text).toContain("absent: pope.json")
    expect(text.split("\n").at(-1)).toBe("8 passed, 0 failed")
  })

  it("a tensor that the guide does not describe is a row of its own, not covered", async () => {
    const file = "contrastive_world.safetensors"
    const rename = withTensors((tensor) => tensor.name === "exact.acc" ? { ...tensor, name: "exact.hits" } : tensor)
    const { rows, failed } = await run(verifyCopy([file], rename))
    expect(rows.find(({ name }) => name === "exact.hits")?.verdict).toBe("notCovered")
    expect(failed).toBe(1)
  })

  it("a directory that is not there is an error, not a report", async () => {
    const error = await run(Effect.flip(verifyHere(`${goldens}/no-such-folder`)))
    expect(error._tag).toBe("PlatformError")
  })
})
