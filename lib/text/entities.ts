import { packedEntities } from "./entityTable.ts"

/** The named references: `complete` ends in a semicolon, `legacy` (a subset) also counts without one. Keys carry neither "&" nor ";". */
export interface EntityTable {
  readonly complete: ReadonlyMap<string, string>
  readonly legacy: ReadonlyMap<string, string>
}

const unpack = (): EntityTable => {
  const complete = new Map<string, string>()
  const legacy = new Map<string, string>()
  let previous = ""
  for (const entry of packedEntities.split(",")) {
    const colon = entry.indexOf(":")
    const isLegacy = entry[colon - 1] === "*"
    const name = previous.slice(0, parseInt(entry.slice(0, 1), 36)) + entry.slice(1, isLegacy ? colon - 1 : colon)
    const points = entry.slice(colon + 1).split("+").map((point) => parseInt(point, 36))
    const value = String.fromCodePoint(...points)
    complete.set(name, value)
    if (isLegacy) legacy.set(name, value)
    previous = name
  }
  return { complete, legacy }
}

let table: EntityTable | undefined

/** The table of named references, unpacked at first use. Source: HTML standard, "Named character references". */
export const entityTable = (): EntityTable => table ??= unpack()
