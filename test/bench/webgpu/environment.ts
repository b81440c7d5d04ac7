/** Which adapter a process computes on: variables that its environment must hold before it starts. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import process from "node:process"
import { type RuntimeName, sourceArguments } from "../../../scripts/runtime.ts"
import { softwareAdapter } from "../../../scripts/softwareAdapter.ts"

/** `system` is whatever the machine's drivers offer; the others compute on the CPU. */
export const adapterNames = ["system", "swiftshader", "lavapipe"] as const
/** One of them. */
export type AdapterName = (typeof adapterNames)[number]

/** Device files of cards, of NVIDIA's driver in a container, and of a card under Windows. */
const hasCard = (): boolean =>
  process.platform !== "linux" || ["/dev/dri", "/dev/nvidiactl", "/dev/dxg"].some((path) => existsSync(path))

/** The machine's own adapter where it has a card or names a driver, else SwiftShader. */
export const defaultAdapter = (): AdapterName => {
  const { VK_ICD_FILENAMES, VK_DRIVER_FILES } = process.env
  return hasCard() || VK_ICD_FILENAMES !== undefined || VK_DRIVER_FILES !== undefined ? "system" : "swiftshader"
}

const LAVAPIPE = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json"

/** Variables that choose an adapter, or why it is not to be had here. */
export type Environment = { readonly env: Readonly<Record<string, string>> } | { readonly missing: string }

/** What a process must be started with to find this adapter first. */
export const environmentFor = (adapter: AdapterName): Environment => {
  if (adapter === "system") return { env: {} }
  if (adapter === "swiftshader") return softwareAdapter()
  if (!existsSync(LAVAPIPE)) {
    return { missing: `lavapipe is not installed (no ${LAVAPIPE}): apt-get install mesa-vulkan-drivers` }
  }
  return { env: { VK_ICD_FILENAMES: LAVAPIPE, VK_DRIVER_FILES: LAVAPIPE } }
}

/** What runs this. */
export const currentRuntime = (): RuntimeName => "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

/** `node 22.23.0`: what runs this, and which. */
export const runtimeVersion = (): string => `${currentRuntime()} ${process.versions[currentRuntime()] ?? ""}`.trim()

const MARK = "DIFFCLIP_BENCH_ADAPTER"

/**
 * For a program that is started by hand: where the machine has no card, starts it once more with a software adapter and
 * ends with its exit code. Call it before anything asks for WebGPU.
 */
export const onSomeAdapter = (): void => {
  if (process.env[MARK] !== undefined || defaultAdapter() === "system") return
  const found = environmentFor("swiftshader")
  if ("missing" in found) return
  const args = [...sourceArguments[currentRuntime()], ...process.argv.slice(1)]
  const env = { ...process.env, ...found.env, [MARK]: "swiftshader" }
  process.exit(spawnSync(process.execPath, args, { stdio: "inherit", env }).status ?? 1)
}
