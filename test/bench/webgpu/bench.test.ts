import { describe, expect, it } from "vitest"
import { type Case, type Contestant, runCase } from "./measure.ts"
import { optionsOf, UsageError } from "./options.ts"
import { lineOf, names, type Row } from "./row.ts"
import { sizeNames, sizes } from "./sizes.ts"
import { openTorch, pythonWithTorch } from "./torch.ts"

const test: Case = {
  name: "gemm",
  shape: "[2, 2]",
  flops: 2e9,
  torch: { what: "gemm", left: [4, 8], right: [6, 8], transposeA: false, transposeB: true },
  make: () => ({ work: () => undefined, dispose: () => undefined })
}

const taking = (name: string, seconds: ReadonlyArray<number>, ended: Array<string> = []): Contestant => {
  const left = [...seconds]
  return {
    name,
    version: `${name} 1`,
    prepare: () =>
      Promise.resolve({
        once: () => {
          const next = left.shift()
          return next === undefined ?
            Promise.reject(new Error("the device is lost")) :
            Promise.resolve({ seconds: next })
        },
        allocatedBytes: () => Promise.resolve(undefined),
        end: () => Promise.resolve(void ended.push(name))
      })
  }
}

const unable: Contestant = { ...taking("pytorch-f32", []), prepare: () => Promise.reject(new Error("no such measure")) }

const rowsOf = async (ours: Contestant, peers: ReadonlyArray<Contestant>): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  await runCase(test, ours, peers, { runs: 2, emit: (row) => void rows.push(row) })
  return rows
}

describe("a case of the WebGPU benchmark", () => {
  it("is a row for each peer, with the ratio of the medians and the spread of neighbouring turns", async () => {
    const ended: Array<string> = []
    const rows = await rowsOf(taking("ours", [1, 3], ended), [taking("tfjs-webgpu", [4, 8], ended)])
    expect(rows).toEqual([expect.objectContaining({
      ...{ name: "gemm", peer: "tfjs-webgpu", unit: "ms", median: 2000, min: 1000, runs: 2, peerMedian: 6000 },
      ...{ ratio: 3, ratioLow: 2.667, ratioHigh: 4, facts: { gflops: 1, peerGflops: 0.3333 } }
    })])
    expect(ended).toEqual(["ours", "tfjs-webgpu"])
  })

  it("says why a peer gave nothing and compares with the others", async () => {
    const rows = await rowsOf(taking("ours", [1, 1]), [
      unable,
      taking("tfjs-webgpu", [1]),
      taking("pytorch-bf16", [2, 2])
    ])
    expect(rows).toEqual([
      { name: "gemm", shape: "[2, 2]", peer: "pytorch-f32", failed: "pytorch-f32: no such measure" },
      { name: "gemm", shape: "[2, 2]", peer: "tfjs-webgpu", failed: "tfjs-webgpu: the device is lost" },
      expect.objectContaining({ peer: "pytorch-bf16", ratio: 2 })
    ])
  })

  it("is a row without a ratio where nobody compares, and a reason where ours gave nothing", async () => {
    const [alone] = await rowsOf(taking("ours", [1, 1]), [unable])
    expect(alone).toMatchObject({ peer: "pytorch-f32", failed: "pytorch-f32: no such measure" })
    expect(await rowsOf(taking("ours", [1, 1]), [])).toEqual([expect.objectContaining({ peer: "none", median: 1000 })])
    expect(await rowsOf(unable, [taking("tfjs-webgpu", [1, 1])])).toEqual([
      { name: "gemm", shape: "[2, 2]", peer: "tfjs-webgpu", failed: "pytorch-f32: no such measure" }
    ])
  })

  it("is printed with its facts beside the figures, and with adapter and runtime", () => {
    const line: unknown = JSON.parse(
      lineOf({ name: "readback", shape: "4 bytes", peer: "all", skipped: "no adapter" }, "x")
    )
    expect(line).toMatchObject({ name: "readback", backend: "webgpu", adapter: "x", skipped: "no adapter" })
    expect(Object.keys(Object(line))).toEqual(expect.arrayContaining(["runtime", "load", "date", "commit", "cpu"]))
  })
})

describe("its command line", () => {
  it("takes everything by default, and on a software adapter where there is no card", () => {
    const options = optionsOf(["--all", "--json", "--runtime", "node,deno", "--peer", "tfjs-webgpu,pytorch"])
    expect(options).toMatchObject({ only: names, runtimes: ["node", "deno"], peers: ["tfjs-webgpu", "pytorch"] })
    expect(options).toMatchObject({ torchDevice: "cuda", size: undefined, budgetSeconds: 570 })
    expect(optionsOf(["--quick", "--adapter", "lavapipe"])).toMatchObject({ size: "quick", adapter: "lavapipe" })
  })

  it("names what it expected", () => {
    for (
      const [args, message] of [
        [["--peer", "jax"], "--peer: expected tfjs-webgpu, pytorch, found jax"],
        [["--adapter", "warp"], "--adapter: expected system, swiftshader, lavapipe, found warp"],
        [["--runs", "0"], "--runs: expected a whole number above 0, found 0"]
      ] as const
    ) {
      expect(() => optionsOf(args)).toThrow(UsageError)
      expect(() => optionsOf(args)).toThrow(message)
    }
  })

  it("heads come in pairs at every size", () => {
    for (const name of sizeNames) {
      const { numHeads, model } = sizes[name]
      expect([numHeads, model.vision.numHeads, model.text.numHeads].map((heads) => heads % 2), name).toEqual([0, 0, 0])
    }
  })
})

const hasTorch = pythonWithTorch() !== undefined

describe.skipIf(!hasTorch)(hasTorch ? "PyTorch beside it" : "SKIPPED: PyTorch, because no python3 has torch", () => {
  it("does every kind of work on the CPU, in float32 and in bfloat16", async () => {
    const torch = await openTorch("cpu")
    if ("missing" in torch) throw new Error(torch.missing)
    const { settings } = (await import("../../../lib/models/index.ts")).makeDiffClip("tiny", sizes.quick.model)
    const attention = { what: "attention", batch: 2, tokens: 5, width: 16, numHeads: 4, mask: "causal" }
    const works = [
      ...[test.torch, { ...attention, pass: "forward" }, { ...attention, pass: "both" }],
      ...[{ what: "layernorm", rows: 3, width: 8 }, { what: "gelu", rows: 3, width: 8 }, {
        what: "adamw",
        shapes: [[4], []]
      }],
      ...[{ what: "block", batch: 1, tokens: 5, width: 16, numHeads: 4 }, { what: "tower", model: settings, batch: 1 }],
      { what: "train-step", model: settings, batch: 2 }
    ]
    expect(torch.contestants.map(({ name }) => name)).toEqual(["pytorch-f32", "pytorch-bf16"])
    for (const { prepare, version } of torch.contestants) {
      expect(version).toMatch(/^torch \d+\.\d+.* on the CPU/)
      for (const work of works) {
        const runner = await prepare({ ...test, ...(work === undefined ? {} : { torch: work }) })
        expect((await runner.once()).seconds).toBeGreaterThan(0)
        await runner.end()
      }
    }
    await torch.end()
  }, 300_000)

  it("without a card says so, and takes no turns", async () => {
    const torch = await openTorch("cuda")
    if ("end" in torch) return torch.end() // there is a card
    expect(torch.missing).toMatch(/torch\.cuda\.is_available\(\) is False/)
  }, 300_000)
})
