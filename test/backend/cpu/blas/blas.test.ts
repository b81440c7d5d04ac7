import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { afterAll, describe, expect, it } from "vitest"
import {
  type Blas,
  blasCandidates,
  BlasUnavailable,
  findBlas,
  type FoundBlas,
  openBlas,
  rowShare,
  SELF_TEST_BYTES,
  selfTest
} from "../../../../lib/backend/cpu/blas/index.ts"
import { findRuntime, runtimeNames, sourceArguments } from "../../../../scripts/runtime.ts"
import { isMissing, launch } from "../../../runtimes/launch.ts"

const program = "test/backend/cpu/blas/program.ts"
const isRequired = process.env["DIFFCLIP_REQUIRE_BLAS"] === "1"

const found: FoundBlas | BlasUnavailable = await findBlas().catch((cause: unknown) => {
  if (cause instanceof BlasUnavailable) return cause
  throw cause
})
const missing = found instanceof BlasUnavailable
if (missing) console.warn(`SKIPPED: ${found.message}`)

const opened = async (): Promise<Blas> => {
  if (found instanceof BlasUnavailable) throw found
  return await openBlas(found.choice)
}

const folder = mkdtempSync(join(tmpdir(), "diffclip-blas-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Compiles a library out of C; undefined where there is no compiler. */
const compile = (name: string, source: string): string | undefined => {
  const path = join(folder, `${name}.so`)
  writeFileSync(join(folder, `${name}.c`), source)
  const { status } = spawnSync("gcc", ["-O1", "-shared", "-fPIC", "-o", path, join(folder, `${name}.c`)])
  return status === 0 ? path : undefined
}

/** The reference product in C, with a statement that runs when it is done. */
const product = (integer: string, last = ""): string => `
typedef ${integer} whole;
void cblas_sgemm(int order, int ta, int tb, whole m, whole n, whole k, float alpha, const float *a, whole lda,
                 const float *b, whole ldb, float beta, float *c, whole ldc) {
  for (whole i = 0; i < m; i++) for (whole j = 0; j < n; j++) {
    double sum = 0;
    for (whole l = 0; l < k; l++)
      sum += (double)(ta == 111 ? a[i * lda + l] : a[l * lda + i]) * (tb == 111 ? b[l * ldb + j] : b[j * ldb + l]);
    c[i * ldc + j] = (float)(alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]));
  }
  ${last}
}`

const hasGcc = spawnSync("gcc", ["--version"]).status === 0
if (!hasGcc) console.warn("SKIPPED: there is no gcc on this machine, so no library that lies can be built")

const refusalOf = async (path: string): Promise<BlasUnavailable> => {
  const error: unknown = await findBlas({ path }).catch((cause: unknown) => cause)
  if (error instanceof BlasUnavailable) return error
  throw new Error(`expected BlasUnavailable, found ${JSON.stringify(error)}`)
}

it("DIFFCLIP_REQUIRE_BLAS is met", () => {
  if (isRequired) expect(missing, found instanceof BlasUnavailable ? found.message : "").toBe(false)
})

describe("where a BLAS is looked for", () => {
  it("an option goes before the environment, and nothing else is tried then", () => {
    expect(blasCandidates({ path: "/a.so", environment: "/b.so" })).toEqual([{ path: "/a.so", source: "option" }])
    expect(blasCandidates({ environment: "/b.so" })).toEqual([{ path: "/b.so", source: "DIFFCLIP_BLAS" }])
  })

  it("well-known names come with the platform; an unknown platform has none", () => {
    const first = (platform: string): string | undefined => blasCandidates({ environment: "", platform })[0]?.path
    expect(first("linux")).toBe("libopenblas.so.0")
    expect(first("darwin")).toMatch(/Accelerate$/)
    expect(first("win32")).toMatch(/\.dll$/)
    expect(first("plan9")).toBeUndefined()
  })
})

describe("a library that is no BLAS", () => {
  it("a missing file, a file that is no library and a library without cblas_sgemm are told apart", async () => {
    const text = join(folder, "text.so")
    writeFileSync(text, "no library")
    const gone = await refusalOf(join(folder, "gone.so"))
    expect(gone.tried.map(({ reason }) => reason)).toEqual(["not-loaded"])
    expect(gone.message).toMatch(/gone\.so: .*No such file|gone\.so: .*not found/)
    expect((await refusalOf(text)).tried.map(({ reason }) => reason)).toEqual(["not-loaded"])
    const path = compile("empty", "int nothing(void) { return 0; }")
    if (path !== undefined) expect((await refusalOf(path)).tried.map(({ reason }) => reason)).toEqual(["no-sgemm"])
  })

  it("the error says how to get one", async () => {
    const { message } = await refusalOf(join(folder, "gone.so"))
    expect(message).toMatch(/apt-get install libopenblas0-pthread|brew install openblas|OpenBLAS/)
    expect(message).toContain("DIFFCLIP_BLAS=path")
  })
})

describe.skipIf(!hasGcc)("a library built for the test", () => {
  it("one that is right but of unknown make is taken when it is named", async () => {
    const { choice, description } = await findBlas({ path: compile("right", product("int")) ?? "" })
    expect(choice.kind).toBe("other")
    expect(description).toContain("right.so")
  })

  it.each([
    ["one wrong element", "if (m == 67) c[40 * ldc + 100] += 1e-3f;", "67x130x259 NN", 40, 100],
    ["an element beyond a row's end", "if (tb == 112) c[ldc - 1] = 0;", "3x5x7 NT", 0, 7],
    ["beta ignored", "if (beta != 0) c[0] -= c[0];", "67x130x259 NN", 0, 0],
    ["NaN", "if (ta == 112 && m == 67) c[0] = 0.0f / 0.0f;", "67x130x259 TN", 0, 0]
  ])("%s is found, and where", async (name, lie, expected, row, column) => {
    const { tried } = await refusalOf(compile(name.replaceAll(/\W/g, "-"), product("int", lie)) ?? "")
    expect(tried[0]?.reason).toBe("wrong-numbers")
    expect(tried[0]?.wrong?.product).toContain(expected)
    expect(tried[0]?.wrong).toMatchObject({ row, column })
    expect(tried[0]?.message).toContain(`[${row}, ${column}]`)
  })

  it("products of half precision are refused", async () => {
    const rounded = product("int").replaceAll(
      /\((ta|tb)[^)]*\)/g,
      (factor) => `rounded${factor}`
    ).replace("typedef", "static float rounded(float x) { return (float)(int)(x * 1024) / 1024; }\ntypedef")
    expect((await refusalOf(compile("half", rounded) ?? "")).tried[0]?.reason).toBe("wrong-numbers")
  })

  it("64-bit integers are refused by what the library says of itself, and by the names of its functions", async () => {
    const says = `${product("long")}\nconst char *openblas_get_config(void) { return "OpenBLAS 0.3.99 USE64BITINT"; }`
    const named = product("long").replace("cblas_sgemm", "cblas_sgemm64_")
    for (const [name, source] of [["says", says], ["named", named]] as const) {
      expect((await refusalOf(compile(name, source) ?? "")).tried[0]?.reason).toBe("64-bit-integers")
    }
  })

  it("an OpenBLAS without threads and an MKL that stays with 64-bit integers are refused", async () => {
    const sequential = 'const char *openblas_get_config(void) { return "OpenBLAS 0.3.99"; }\n' +
      "int openblas_get_parallel(void) { return 0; }"
    const mkl = "int MKL_Set_Interface_Layer(int code) { return code + 1; }\nvoid MKL_Set_Num_Threads(int n) {}"
    const reasons = [["sequential", sequential], ["mkl", mkl]].map(async ([name = "", source]) =>
      (await refusalOf(compile(name, product("int") + source) ?? "")).tried[0]?.reason
    )
    expect(await Promise.all(reasons)).toEqual(["not-thread-safe", "64-bit-integers"])
  })
})

describe.skipIf(missing)("the system's BLAS", () => {
  it("says what it is, and passes the self-test after being closed and opened again", async () => {
    const memory = new WebAssembly.Memory({ initial: 32, maximum: 65_536, shared: true })
    expect(memory.buffer.byteLength).toBeGreaterThanOrEqual(SELF_TEST_BYTES)
    for (let i = 0; i < 5; i++) {
      const blas = await opened()
      expect(blas.description).toMatch(/OpenBLAS \d+\.\d+|MKL|Accelerate/)
      expect(selfTest(blas, memory)).toBeUndefined()
      blas.close()
    }
  })

  it("the address of a memory stays as it is when the memory grows", async () => {
    const blas = await opened()
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true })
    const base = blas.baseOf(memory)
    memory.grow(40_000)
    expect(blas.baseOf(memory)).toBe(base)
    blas.close()
  })
})

describe.skipIf(missing)("in two threads", () => {
  it.each(runtimeNames)(
    "on %s, two threads' products are right and have one call's bits, above 2 and 3 GiB and in a second memory",
    async (runtime) => {
      if (isMissing(runtime)) return
      const { stdout, stderr } = await launch(runtime, program, [])
      expect(JSON.parse(stdout || "{}"), stderr).toEqual({
        description: found instanceof BlasUnavailable ? "" : found.description,
        keepsBits: true,
        products: ["right", "right", "right"]
      })
    }
  )

  it.each(["Haswell", "SkylakeX"])("OpenBLAS's kernels for %s keep the bits", async (core) => {
    const { stdout, stderr } = await launch("node", program, [], undefined, { OPENBLAS_CORETYPE: core })
    expect(JSON.parse(stdout || "{}"), stderr).toMatchObject({ keepsBits: true, products: ["right", "right", "right"] })
  })
})

it.each(["bun", "deno"] as const)("on %s a missing library is refused with the same reason", async (runtime) => {
  if (isMissing(runtime)) return
  const { stdout } = await launch(runtime, program, [join(folder, "gone.so")])
  expect(JSON.parse(stdout)).toMatchObject({ reasons: ["not-loaded"] })
})

it("Deno without --allow-ffi is told the flag and asks nobody", () => {
  const deno = findRuntime("deno")
  if (deno === undefined) return isMissing("deno")
  const args = sourceArguments.deno.map((argument) => argument === "-A" ? "--allow-read" : argument)
  const { stdout } = spawnSync(deno, [...args, program], { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } })
  expect(stdout).toContain("--allow-ffi")
})

describe("rowShare", () => {
  it("shares are all rows once, begin at multiples of 24 and are never small", () => {
    for (const threads of [1, 2, 3, 4, 16]) {
      for (const m of [0, 1, 23, 24, 47, 95, 143, 197, 768, 1576]) {
        for (const [n, k] of [[1, 1], [64, 197], [768, 3072]] as const) {
          const shares = Array.from({ length: threads }, (_, thread) => rowShare(m, n, k, thread, threads))
          let next = 0
          for (const [from, to] of shares.filter(([from, to]) => from < to)) {
            expect(from).toBe(next)
            expect(from % 24).toBe(0)
            if (to - from < m) expect((to - from) * n * k).toBeGreaterThan(1e6)
            next = to
          }
          expect(next).toBe(m)
        }
      }
    }
  })

  it("the shapes of ViT-B/16 at batch 8 are shared evenly but for two percent", () => {
    for (const [m, n, k] of [[1576, 768, 768], [1576, 768, 3072], [768, 3072, 1576], [616, 2048, 512]] as const) {
      const [, half] = rowShare(m, n, k, 0, 2)
      expect(Math.abs(2 * half / m - 1)).toBeLessThan(0.02)
    }
  })
})
