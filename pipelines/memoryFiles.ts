import { ByteSize, Effect, FileSystem, Layer, Option, Path, PlatformError } from "effect"

/** What a file holds: the first `length` bytes of `bytes`. */
interface Content {
  bytes: Uint8Array<ArrayBuffer>
  length: number
}

/** Everything there is: absolute paths of folders and of files. A file's path leads through folders only. */
interface Disk {
  readonly folders: Set<string>
  readonly files: Map<string, Content>
}

type Failing<A> = Effect.Effect<A, PlatformError.PlatformError>
type Reason = "NotFound" | "AlreadyExists" | "BadResource"

const failure = (method: string, path: string, _tag: Reason, description: string): PlatformError.PlatformError =>
  PlatformError.systemError({ module: "FileSystem", method, _tag, description, pathOrDescriptor: path })

const missing = (method: string, path: string): PlatformError.PlatformError =>
  failure(method, path, "NotFound", "no such file or folder in this page's memory")

/** `runs/../first//x` -> `/first/x`; the page stands in `/`. */
const absolute = (path: string): string => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

const parentOf = (place: string): string => place.slice(0, Math.max(1, place.lastIndexOf("/")))
const isWithin = (place: string, folder: string): boolean => place.startsWith(folder === "/" ? "/" : `${folder}/`)
const viewOf = ({ bytes, length }: Content): Uint8Array<ArrayBuffer> => bytes.subarray(0, length)

const append = (content: Content, at: number, added: Uint8Array): void => {
  const length = Math.max(content.length, at + added.length)
  if (length > content.bytes.length) {
    const larger = new Uint8Array(Math.max(length, 2 * content.bytes.length)) // lines are added one by one
    larger.set(viewOf(content))
    content.bytes = larger
  }
  content.bytes.set(added, at)
  content.length = length
}

const infoOf = (type: "File" | "Directory", numBytes: number): FileSystem.File.Info => ({
  type,
  mode: type === "File" ? 0o644 : 0o755,
  size: ByteSize.bytes(numBytes),
  dev: 0n,
  mtime: Option.none(),
  atime: Option.none(),
  birthtime: Option.none(),
  ino: Option.none(),
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  blksize: Option.none(),
  blocks: Option.none()
})

/** An open file: where it stands is this opening's own. */
const handleOf = (content: Content, flag: FileSystem.OpenFlag): FileSystem.File => {
  let cursor = 0
  const read: FileSystem.File["read"] = (buffer, options) =>
    Effect.sync(() => {
      const from = options?.position === undefined ? cursor : Number(options.position)
      const piece = viewOf(content).subarray(from, from + buffer.length)
      buffer.set(piece)
      if (options?.position === undefined) cursor += piece.length
      return piece.length
    })
  const write = (buffer: Uint8Array): number => {
    const at = flag.startsWith("a") ? content.length : cursor
    append(content, at, buffer)
    cursor = at + buffer.length
    return buffer.length
  }
  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: Effect.sync(() => infoOf("File", content.length)),
    sync: Effect.void,
    read,
    readAlloc: (size, options) => {
      const buffer = new Uint8Array(size)
      return Effect.map(
        read(buffer, options),
        (count) => count === 0 ? Option.none() : Option.some(buffer.subarray(0, count))
      )
    },
    seek: (offset, from) =>
      Effect.sync(() => {
        cursor = Number(offset) + (from === "start" ? 0 : cursor)
        return BigInt(cursor)
      }),
    truncate: (length = 0) =>
      Effect.sync(() => {
        content.length = Math.min(content.length, length)
      }),
    write: (buffer) => Effect.sync(() => write(buffer)),
    writeAll: (buffer) => Effect.sync(() => void write(buffer))
  }
}

const open = ({ folders, files }: Disk, path: string, flag: FileSystem.OpenFlag): Failing<Content> =>
  Effect.suspend(() => {
    const place = absolute(path)
    if (folders.has(place)) return Effect.fail(failure("open", path, "BadResource", "it is a folder"))
    const present = files.get(place)
    if (flag.startsWith("r")) {
      return present === undefined ? Effect.fail(missing("open", path)) : Effect.succeed(present)
    }
    if (!folders.has(parentOf(place))) return Effect.fail(missing("open", path))
    if (present !== undefined && flag.includes("x")) {
      return Effect.fail(failure("open", path, "AlreadyExists", "it is there already"))
    }
    if (present !== undefined && flag.startsWith("a")) return Effect.succeed(present)
    const fresh: Content = { bytes: new Uint8Array(0), length: 0 }
    files.set(place, fresh)
    return Effect.succeed(fresh)
  })

const namesIn = ({ folders, files }: Disk, folder: string): Array<string> =>
  [...folders, ...files.keys()]
    .filter((place) => place !== "/" && parentOf(place) === folder)
    .map((place) => place.slice(folder === "/" ? 1 : folder.length + 1))
    .sort()

const removeTree = ({ folders, files }: Disk, place: string): void => {
  for (const path of files.keys()) if (path === place || isWithin(path, place)) files.delete(path)
  for (const path of [...folders]) if (path !== "/" && (path === place || isWithin(path, place))) folders.delete(path)
}

const move = (disk: Disk, from: string, to: string): void => {
  const moved = (path: string): string => `${to}${path.slice(from.length)}`
  const isInside = (path: string): boolean => path === from || isWithin(path, from)
  const files = [...disk.files].filter(([path]) => isInside(path))
  const folders = [...disk.folders].filter(isInside)
  removeTree(disk, from)
  removeTree(disk, to)
  for (const [path, content] of files) disk.files.set(moved(path), content)
  for (const path of folders) disk.folders.add(moved(path))
}

/** A file system that lives as long as its owner holds it. What it does not have (links, owners, times) fails. */
export const makeMemoryFiles = (): FileSystem.FileSystem => {
  const disk: Disk = { folders: new Set(["/"]), files: new Map() }
  const { folders, files } = disk
  const isThere = (place: string): boolean => folders.has(place) || files.has(place)
  const whereThere = <A>(method: string, path: string, get: (place: string) => A): Failing<A> =>
    Effect.suspend(() => {
      const place = absolute(path)
      return isThere(place) ? Effect.sync(() => get(place)) : Effect.fail(missing(method, path))
    })
  return FileSystem.make({
    ...FileSystem.makeNoop({}),
    access: (path) => whereThere("access", path, () => undefined),
    stat: (path) =>
      whereThere("stat", path, (place) => {
        const content = files.get(place)
        return content === undefined ? infoOf("Directory", 0) : infoOf("File", content.length)
      }),
    makeDirectory: (path, options) =>
      Effect.suspend(() => {
        const place = absolute(path)
        if (files.has(place) || (folders.has(place) && options?.recursive !== true)) {
          return Effect.fail(failure("makeDirectory", path, "AlreadyExists", "it is there already"))
        }
        if (!folders.has(parentOf(place)) && options?.recursive !== true) {
          return Effect.fail(missing("makeDirectory", path))
        }
        for (let folder = place; folder !== "/"; folder = parentOf(folder)) folders.add(folder)
        return Effect.void
      }),
    open: (path, options) => {
      const flag = options?.flag ?? "r"
      return Effect.map(open(disk, path, flag), (content) => handleOf(content, flag))
    },
    readDirectory: (path) => whereThere("readDirectory", path, (place) => namesIn(disk, place)),
    readFile: (path) => Effect.map(open(disk, path, "r"), (content) => viewOf(content).slice()),
    writeFile: (path, data, options) => {
      const flag = options?.flag ?? "w"
      return Effect.map(open(disk, path, flag), (content) => append(content, content.length, data))
    },
    remove: (path, options) =>
      options?.force === true ?
        Effect.sync(() => removeTree(disk, absolute(path))) :
        whereThere("remove", path, (place) => removeTree(disk, place)),
    rename: (from, to) => whereThere("rename", from, (place) => move(disk, place, absolute(to)))
  })
}

/** Paths as Effect has them, from `/` where the process has no folder: Effect's own fail in a page, which has none. */
const pagePaths: Layer.Layer<Path.Path> = Layer.effect(
  Path.Path,
  Effect.map(Path.Path, (path) => {
    const resolve = (...parts: ReadonlyArray<string>): string => path.resolve("/", ...parts)
    return Path.Path.of({ ...path, resolve, relative: (from, to) => path.relative(resolve(from), resolve(to)) })
  })
).pipe(Layer.provide(Path.layer))

/**
 * Files in the memory of a page, gone when the layer is, and paths of the usual kind. Enough for run directories,
 * checkpoints and reports; a folder must exist before a file is made in it, as everywhere.
 */
export const memoryFiles: Layer.Layer<FileSystem.FileSystem | Path.Path> = Layer.merge(
  Layer.sync(FileSystem.FileSystem, makeMemoryFiles),
  pagePaths
)
