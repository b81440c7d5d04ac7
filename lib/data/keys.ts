/** A member's place in its sample: the key that its members share, and what it is. */
export interface MemberName {
  readonly key: string
  /** Lower-cased, without the dot: `jpg`, `seg.png`. */
  readonly extension: string
}

const METADATA = /^__.*__$/

/**
 * Key and extension of an archive member, or undefined for one that belongs to no sample. The extension begins at the
 * first dot after the last slash and the directory belongs to the key: `a/b.c.jpg` is extension `c.jpg` of key `a/b`.
 * Names without a dot, top-level names that start with one and `__x__` metadata are skipped. Source: REFERENCE 5.3.
 */
export const splitMemberName = (path: string): MemberName | undefined => {
  const base = path.lastIndexOf("/") + 1
  const dot = path.indexOf(".", base)
  if (dot < 0 || dot === 0) return undefined
  const name = path.slice(base)
  if (METADATA.test(name) || METADATA.test(path.slice(base, dot))) return undefined
  return { key: path.slice(0, dot), extension: path.slice(dot + 1).toLowerCase() }
}

/**
 * What forbids this key in a shard that we write, or undefined. A key must come back as it is: no dot after its last
 * slash (it would be cut there), no metadata name, no control characters, and no empty, `.` or `..` path parts.
 */
export const keyProblem = (key: string): string | undefined => {
  const parts = key.split("/")
  const last = parts[parts.length - 1] ?? ""
  if (parts.some((part) => part === "" || part === "." || part === "..")) return "it has an empty, `.` or `..` part"
  if (last.includes(".")) return "it has a dot after its last slash, where readers cut it"
  if (METADATA.test(last)) return "readers skip names like `__x__`"
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f\\]/.test(key) ? "it holds a control character or a backslash" : undefined
}

/** What forbids this extension in a shard that we write, or undefined: it must be lower case, without slash or spaces. */
export const extensionProblem = (extension: string): string | undefined =>
  /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(extension) ? undefined : "it must be of a-z, 0-9, _ and -, with single dots"
