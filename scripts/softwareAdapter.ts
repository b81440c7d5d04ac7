/**
 * A WebGPU adapter for machines without a GPU: SwiftShader, a Vulkan driver that computes on the CPU, out of the npm
 * package @sparticuz/chromium. A process must be started with the variables that name it. Run:
 * `node scripts/softwareAdapter.ts ARGS…` prints them as shell commands where the command line ARGS asks for WebGPU and
 * the machine has no GPU; DIFFCLIP_SOFTWARE_ADAPTER=1 asks for it always, =0 never.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { brotliDecompressSync } from "node:zlib"
import { root } from "./root.ts"

const PACKAGE = join(root, "node_modules/@sparticuz/chromium")
const FILES = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"]
const BLOCK = 512

/** The wanted files of a tar archive, which names them without a folder. */
const filesIn = (tar: Uint8Array): ReadonlyMap<string, Uint8Array> => {
  const text = (begin: number, end: number): string =>
    new TextDecoder().decode(tar.subarray(begin, end)).replace(/\0.*$/s, "")
  const found = new Map<string, Uint8Array>()
  for (let at = 0; at + BLOCK <= tar.length;) {
    const size = Number.parseInt(text(at + 124, at + 136).trim() || "0", 8)
    const name = FILES.find((wanted) => wanted === text(at, at + 100).replace(/^\.\//, ""))
    if (name !== undefined) found.set(name, tar.subarray(at + BLOCK, at + BLOCK + size))
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  return found
}

/** Unpacks the driver once, under .cache, beside and then renamed: two processes may do it at once. */
const unpacked = (): string => {
  const { version }: { readonly version: string } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"))
  const folder = join(root, `.cache/swiftshader-${version}`)
  if (existsSync(join(folder, "vk_swiftshader_icd.json"))) return folder
  const files = filesIn(brotliDecompressSync(readFileSync(join(PACKAGE, "bin/swiftshader.tar.br"))))
  mkdirSync(join(root, ".cache"), { recursive: true })
  const beside = mkdtempSync(`${folder}-`)
  for (const name of FILES) {
    const bytes = files.get(name)
    if (bytes === undefined) throw new Error(`${PACKAGE}/bin/swiftshader.tar.br: expected ${name} in it, found none`)
    writeFileSync(join(beside, name), bytes)
  }
  try {
    renameSync(beside, folder)
  } catch (cause) {
    rmSync(beside, { recursive: true })
    if (!existsSync(folder)) throw cause // else another process was first
  }
  return folder
}

/** Variables to start a process with, or why there is no software adapter here. */
export type SoftwareAdapter = { readonly env: Readonly<Record<string, string>> } | { readonly missing: string }

/** The software adapter of this checkout. */
export const softwareAdapter = (): SoftwareAdapter => {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return { missing: `SwiftShader comes for Linux on x64 only, this is ${process.platform} on ${process.arch}` }
  }
  if (!existsSync(join(PACKAGE, "bin/swiftshader.tar.br"))) {
    return { missing: "the optional package @sparticuz/chromium is not installed: npm ci without --omit=optional" }
  }
  const folder = unpacked()
  const before = process.env["LD_LIBRARY_PATH"]
  return {
    env: {
      LD_LIBRARY_PATH: before === undefined || before === "" ? folder : `${folder}:${before}`,
      VK_ICD_FILENAMES: join(folder, "vk_swiftshader_icd.json")
    }
  }
}

const asksForWebgpu = (args: ReadonlyArray<string>): boolean =>
  args.some((argument, i) => argument === "--backend=webgpu" || (argument === "--backend" && args[i + 1] === "webgpu"))

/** Device files of cards, of NVIDIA's driver in a container, and of a card under Windows. */
const hasGpu = (): boolean => ["/dev/dri", "/dev/nvidiactl", "/dev/dxg"].some((path) => existsSync(path))

const isWanted = (args: ReadonlyArray<string>, env: Readonly<Record<string, string | undefined>>): boolean => {
  const asked = env["DIFFCLIP_SOFTWARE_ADAPTER"]
  if (asked !== undefined) return asked === "1"
  const isChosen = env["VK_ICD_FILENAMES"] !== undefined || env["VK_DRIVER_FILES"] !== undefined
  return asksForWebgpu(args) && !hasGpu() && !isChosen
}

if (import.meta.main && isWanted(process.argv.slice(2), process.env)) {
  const adapter = softwareAdapter()
  if ("missing" in adapter) console.error(`no GPU here, and no software adapter: ${adapter.missing}`)
  else {
    console.error("no GPU here: WebGPU runs on SwiftShader, a program on the CPU (DIFFCLIP_SOFTWARE_ADAPTER=0 to not)")
    for (const [name, value] of Object.entries(adapter.env)) {
      console.log(`export ${name}='${value.replaceAll("'", "'\\''")}'`)
    }
  }
}
