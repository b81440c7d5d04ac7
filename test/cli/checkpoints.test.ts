import { NodeServices } from "@effect/platform-node"
import { Cause, Console, Effect, Exit } from "effect"
import { Command } from "effect/cli"
import { readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { beforeAll, describe, expect, it } from "vitest"
import { bytesOf, describeModel, encodeModel } from "../../lib/checkpoint/index.ts"
import { arraysFor, tinyModel } from "../checkpoint/tiny.ts"
import { global, pickle, text, torchZip } from "../checkpoint/torch/pickles.ts"
import { temporary } from "../pipelines/tiny.ts"
import { readSafetensors } from "../reference/safetensors.ts"
import { diffCommand } from "../../pipelines/cli/diff.ts"
import { embedCommand } from "../../pipelines/cli/embed.ts"
import { exitCodeOf } from "../../pipelines/cli/exitCode.ts"
import { exportCommand } from "../../pipelines/cli/export.ts"
import { inspectCommand } from "../../pipelines/cli/inspect.ts"
import { files } from "../../pipelines/node.ts"
import { diffclip, type Ended, writePairs } from "./command.ts"

const commands = Command.make("diffclip").pipe(
  Command.withSubcommands([inspectCommand, diffCommand, exportCommand, embedCommand])
)

/** The CLI in this process, which is quicker than starting one: output and exit code as main.ts makes them. */
const here = async (args: ReadonlyArray<string>): Promise<Ended> => {
  const lines = { stdout: "", stderr: "" }
  const capture: Console.Console = {
    ...globalThis.console,
    log: (text: string) => void (lines.stdout += `${text}\n`),
    error: (text: string) => void (lines.stderr += `${text}\n`)
  }
  const exit = await Command.runWith(commands, { version: "test" })(args).pipe(
    Effect.provide(files),
    Effect.provide(NodeServices.layer),
    Effect.provideService(Console.Console, capture),
    Effect.runPromiseExit
  )
  if (Exit.isFailure(exit)) lines.stderr += `${Cause.squash(exit.cause)}\n`
  return { code: exitCodeOf(exit, undefined), ...lines }
}

const root = temporary()
const goldens = (name: string): string => fileURLToPath(new URL(`../goldens/${name}`, import.meta.url))
const model = tinyModel("diffClip")
const [ours, changed, hostile] = ["ours.safetensors", "changed.safetensors", "hostile.pt"].map((name) =>
  join(root, name)
)

beforeAll(async () => {
  await writePairs(join(root, "shards"))
  const arrays = arraysFor(model, 1)
  writeFileSync(`${ours}`, bytesOf(encodeModel(model, arrays, "test")))
  const [first, ...others] = arrays
  const other = {
    path: first?.path ?? "",
    shape: first?.shape ?? [],
    data: Float32Array.from(first?.data ?? [], (x) => x + 0.5)
  }
  writeFileSync(`${changed}`, bytesOf(encodeModel(model, [other, ...others], "test")))
  writeFileSync(`${hostile}`, torchZip(pickle(global("os", "system"), "(", text("touch pwned"), "tR")))
  writeFileSync(join(root, "model.json"), JSON.stringify(describeModel(model)))
}, 120_000)

describe("diffclip inspect", () => {
  it("--json names every tensor of a .pt, and what lies beside them", async () => {
    const { code, stdout } = await diffclip(["inspect", goldens("checkpoint_extras.pt"), "--json"])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      kind: "torch-zip",
      numBytes: 4884,
      numParameters: 110,
      contents: { epoch: 3, note: "héllo ✓", nested: { big: "1180591620717411303424", bytes: "2 bytes" } }
    })
    expect(stdout).toContain('{"name":"state_dict.module.half","dtype":"F16","shape":[3,4]}')
  })

  it.each(
    [
      ["a legacy .pt", goldens("checkpoint_tiny_legacy.pt"), /PyTorch file \(legacy\), 86,173 bytes\n76 tensors/],
      ["a safetensors file", goldens("tiny_clip.safetensors"), /safetensors file[^]*metadata\n/],
      ["a shard", join(root, "shards", "00000.tar"), /tar shard[^]*samples: 16[^]*png: 16/]
    ] as const
  )("%s: counts, names and sizes", async (_, file, words) => {
    const { code, stdout } = await here(["inspect", file])
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(words) })
  })

  it("texts from outside reach a terminal without controls", async () => {
    const file = join(root, "escape.pt")
    writeFileSync(file, torchZip(pickle("}", text("\x1b[31mred\x07\r\n"), text("\x1b]0;title\x07"), "s")))
    const found = [await here(["inspect", file]), await here(["inspect", file, "--json"])]
    for (const { code, stdout } of found) {
      expect(code).toBe(0)
      // deno-lint-ignore no-control-regex -- controls are what it looks for
      expect(stdout.trimEnd()).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
    }
  })

  it("a hostile pickle is refused by name, exit code 3, and nothing is run", async () => {
    const { code, stderr } = await diffclip(["inspect", `${hostile}`])
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/global os\.system at byte 2 .*nothing was run/)
    })
  })
})

describe("diffclip diff", () => {
  it("of one checkpoint in two containers exits 0", async () => {
    const { code, stdout } = await here([
      "diff",
      goldens("checkpoint_tiny.pt"),
      goldens("checkpoint_tiny_legacy.pt")
    ])
    expect({ code, stdout }).toEqual({ code: 0, stdout: "equal: 76 tensors\n" })
  })

  it("of two that differ exits 1 and says which tensors, how many numbers, and by how much", async () => {
    const { code, stdout } = await here(["diff", `${ours}`, `${changed}`, "--json"])
    expect(code).toBe(1)
    const report: unknown = JSON.parse(stdout)
    expect(report).toMatchObject({
      isEqual: false,
      onlyInFirst: [],
      onlyInSecond: [],
      different: [{ numDifferent: 20 }]
    })
    const beside = await here(["diff", `${ours}`, goldens("checkpoint_tiny.pt")])
    expect(beside.code).toBe(1)
    expect(beside.stdout).toMatch(/differs: positional_embedding: shape \[5, 4\] and \[8, 8\]/)
    const apart = await here(["diff", `${ours}`, goldens("checkpoint_extras.pt")])
    expect(apart.stdout).toMatch(/only in .*checkpoint_extras\.pt: half\n[^]*91 are in one file only/)
  })
})

describe("diffclip export", () => {
  it("to .pt and back is the same model bit for bit, across formats", async () => {
    const [pt, back] = [join(root, "out.pt"), join(root, "back.safetensors")]
    expect((await here(["export", `${ours}`, "--out", pt, "--names", "module"])).code).toBe(0)
    expect((await here(["export", pt, "--out", back])).code).toBe(0)
    expect((await here(["diff", `${ours}`, pt])).code).toBe(0)
    const [a, b] = [readSafetensors(readFileSync(`${ours}`)), readSafetensors(readFileSync(back))]
    expect(b.names).toEqual(a.names)
    expect(b.metadata["config"]).toEqual(a.metadata["config"])
  })

  it("a bare .pt is taken for what it looks like, which is said on stderr; --model overrides it", async () => {
    const out = join(root, "golden.safetensors")
    const inferred = await here(["export", goldens("checkpoint_tiny.pt"), "--out", out])
    expect(inferred.code).toBe(0)
    expect(inferred.stderr).toMatch(/does not say which model it is of; taken for diffClip, 8 pixels .*lambdaInit 0\.8/)
    const args = ["export", goldens("checkpoint_tiny.pt"), "--out", out, "--model", join(root, "model.json")]
    const { code, stderr } = await here(args)
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/tensor positional_embedding: expected \[5, 4\], found \[8, 8\]/)
    })
  })

  it.each(
    [
      ["a hostile checkpoint", [`${hostile}`, "--out", join(root, "no.pt")], 3, /global os\.system/],
      ["another ending", [`${ours}`, "--out", join(root, "no.onnx")], 2, /\.pt or \.safetensors/],
      ["no --out", [`${ours}`], 2, /out/],
      [
        "module names in safetensors",
        [`${ours}`, "--out", join(root, "no.safetensors"), "--names", "module"],
        2,
        /plain/
      ],
      ["a folder that is not there", [`${ours}`, "--out", join(root, "none", "x.pt")], 4, /cannot write/],
      ["a checkpoint that is not there", [join(root, "none.pt"), "--out", join(root, "no.pt")], 3, /none\.pt/]
    ] as const
  )("%s is refused with its exit code", async (_, args, code, message) => {
    const ended = await here(["export", ...args])
    expect({ code: ended.code, text: ended.stderr + ended.stdout }).toEqual({
      code,
      text: expect.stringMatching(message)
    })
  })
})

describe("a .pt behind other commands", () => {
  it("embed reads a golden checkpoint, zip and legacy, and gives the stored embeddings", async () => {
    const tokens = goldens("checkpoint_expected.safetensors")
    const expected = readSafetensors(readFileSync(tokens))
    for (const name of ["checkpoint_tiny.pt", "checkpoint_tiny_legacy.pt"]) {
      const out = join(root, `${name}.safetensors`)
      const { code, stderr } = await here([
        "embed",
        goldens(name),
        "--tokens",
        tokens,
        "--out",
        out,
        "--backend",
        "cpu"
      ])
      expect({ code, stderr }).toMatchObject({ code: 0 })
      const found = readSafetensors(readFileSync(out)).tensor("text_embed")
      const stored = expected.tensor("text_embed")
      expect(found.shape).toEqual(stored.shape)
      for (const [i, x] of Array.from(stored.data).entries()) expect(found.data[i]).toBeCloseTo(Number(x), 4)
    }
  })

  it("that is cut is a typed error, exit code 3", async () => {
    const file = join(root, "cut.pt")
    writeFileSync(file, readFileSync(goldens("checkpoint_tiny.pt")))
    truncateSync(file, 5000)
    const { code, stderr } = await here(["embed", file, "--texts", file, "--out", join(root, "no.safetensors")])
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringMatching(/an end record, found none: it is cut/) })
  })
})
