import type { FileSystem } from "effect"
import { Effect, Stream } from "effect"
import type { ShardError } from "../../lib/data/index.ts"
import { readMembers, splitMemberName } from "../../lib/data/index.ts"
import type { Inspection } from "./inspection.ts"

/** Kinds of members that are told apart, and first keys that are shown. */
const MAX_EXTENSIONS = 100
const FIRST = 5

/** What a tar shard holds: its members are counted and passed over, none is kept or decoded. */
export const inspectShard = (
  file: string,
  numBytes: number
): Effect.Effect<Inspection, ShardError, FileSystem.FileSystem> =>
  Effect.suspend(() => {
    const extensions = new Map<string, number>()
    const firstKeys: Array<string> = []
    let [numMembers, memberBytes, numSamples, others] = [0, 0, 0, 0]
    let last: string | undefined
    return readMembers(file, () => false).pipe(
      Stream.runForEach(({ path, size }) =>
        Effect.sync(() => {
          numMembers++
          memberBytes += size
          const member = splitMemberName(path)
          if (member === undefined) return void others++
          // Members of a sample follow each other.
          if (member.key !== last) {
            numSamples++
            if (firstKeys.length < FIRST) firstKeys.push(member.key)
          }
          last = member.key
          const { extension } = member
          const known = extensions.has(extension) || extensions.size < MAX_EXTENSIONS ? extension : "…"
          extensions.set(known, (extensions.get(known) ?? 0) + 1)
        })
      ),
      Effect.map((): Inspection => ({
        file,
        kind: "shard",
        numBytes,
        tensors: [],
        numParameters: 0,
        metadata: {},
        contents: {
          samples: numSamples,
          members: numMembers,
          memberBytes,
          ...(others === 0 ? {} : { membersOutsideSamples: others }),
          extensions: Object.fromEntries(extensions),
          firstKeys
        }
      }))
    )
  })
