import { NodeServices } from "@effect/platform-node"
import { Effect, Option } from "effect"
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { argumentsOf, programOf } from "../../pipelines/cli/bench.ts"
import { benchRow, benchTable } from "../../pipelines/cli/benchTable.ts"
import { diffclip } from "./command.ts"

const run = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, NodeServices.layer))

const message = (suite: string, places: ReadonlyArray<string>): Promise<string> =>
  run(Effect.match(programOf(suite, places), { onSuccess: (found) => found, onFailure: (error) => error.message }))

const folder = (): string => {
  const dir = `${mkdtempSync(join(tmpdir(), "diffclip-bench-"))}/`
  writeFileSync(`${dir}gemm.ts`, "")
  mkdirSync(`${dir}cpu`)
  writeFileSync(`${dir}cpu/index.ts`, "")
  mkdirSync(`${dir}results`)
  return dir
}

describe("the program of a suite", () => {
  it("is its file, or the index of its folder", async () => {
    const dir = folder()
    expect(await message("gemm", ["/nowhere/", dir])).toBe(`${dir}gemm.ts`)
    expect(await message("cpu", [dir])).toBe(`${dir}cpu/index.ts`)
  })

  it("is refused with the list of suites where there is none of that name; a folder of results is no suite", async () => {
    expect(await message("results", [folder()])).toBe("SUITE: expected cpu, gemm, found results")
  })

  it("is looked for in a checkout only, and the message says where the benchmarks are", async () => {
    expect(await message("cpu", ["/nowhere/"])).toContain("not in the installed package: clone it")
  })
})

describe("the table for people", () => {
  const measured = { name: "train-step", backend: "cpu-blas", runtime: "node 22", shape: "batch 8", unit: "s", runs: 5 }
  const numbers = { median: 6.12345, min: 6, peer: "pytorch", peerMedian: 12.5, load: 0.5 }

  it("has a line a row under the shape that it was measured on, ratios with their spread", () => {
    const lines = benchTable([
      { ...measured, ...numbers, ratio: 2.04, ratioLow: 1.9, ratioHigh: 2.1 },
      { ...measured, ...numbers, name: "gemm", shape: [3, 4], ratio: 1, ratioLow: 1, ratioHigh: 1 }
    ]).split("\n")
    expect(lines[1]).toBe("-- batch 8")
    expect(lines[2]).toMatch(
      /^train-step +cpu-blas +node 22 +6\.123 +6 +s +pytorch 12\.5 +2\.04 \(1\.9 to 2\.1\) +5 +0\.5$/
    )
    expect(lines[3]).toBe("-- 3 x 4")
    expect(lines[4]).toMatch(/ pytorch 12\.5 +1 +5 +0\.5$/)
  })

  it("has the reason where there are no figures, without control characters", () => {
    const about = { name: "train-step-small", backend: "cpu-wasm", runtime: "bun", shape: "batch 8", peer: "jax-js" }
    const table = benchTable([{ ...about, skipped: "not \u001b[31mhere" }, { ...about, failed: "out of memory" }])
    expect(table).toContain("jax-js skipped: not")
    expect(table).toContain("jax-js FAILED: out of memory")
    expect(table).not.toContain("\u001b")
  })

  it("passes over what is no row", () => {
    expect(["== gemm", "{not json}", "", "[1]"].map(benchRow)).toEqual([undefined, undefined, undefined, undefined])
    expect(benchRow('{"name":"x"}')).toEqual({ name: "x" })
  })
})

describe("bench", () => {
  it("hands on the flags that were given, and only those", () => {
    expect(argumentsOf({ runs: Option.some("3"), only: Option.none(), out: Option.some("a b") }, true))
      .toEqual(["--runs", "3", "--out", "a b", "--quick"])
    expect(argumentsOf({ runs: Option.none() }, false)).toEqual([])
  })

  it("exits 2 for a suite that is not there and for a flag's value that the program refuses", async () => {
    const [suite, value] = await Promise.all([
      diffclip(["bench", "nothing"]),
      diffclip(["bench", "cpu", "--backend", "cpu-tpu"])
    ])
    expect(suite.code).toBe(2)
    expect(suite.stderr).toContain("expected ")
    expect(value.code).toBe(2)
    expect(value.stderr).toContain("--backend: expected cpu-blas, cpu-wasm, cpu-wasm-deterministic, found cpu-tpu")
  })
})
