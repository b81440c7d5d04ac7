import { Effect, Stream } from "effect"
import type { FileSystem } from "effect"
import { ShardError } from "./errors.ts"
import type { HttpOptions } from "./httpOptions.ts"
import { splitMemberName } from "./keys.ts"
import type { Regrouper } from "./regroup.ts"
import { regroup } from "./regroup.ts"
import { shownShard } from "./shardFile.ts"
import type { ShardInfo } from "./source.ts"
import type { Member } from "./tar.ts"
import { readMembers } from "./tar.ts"

/** A sample as it is stored: consecutive members of one key, by extension. */
export interface RawSample {
  readonly shard: string
  readonly key: string
  readonly members: ReadonlyMap<string, Member>
}

/** Members to samples; a sample is given when the next one begins. */
const bySample = (shard: string): Regrouper<Member, RawSample> => {
  let key: string | undefined
  let members = new Map<string, Member>()
  const close = (): ReadonlyArray<RawSample> => key === undefined ? [] : [{ shard, key, members }]
  return {
    push: (arrived) => {
      const done: Array<RawSample> = []
      for (const member of arrived) {
        const name = splitMemberName(member.path)
        if (name === undefined) continue
        if (name.key !== key || members.has(name.extension)) {
          done.push(...close())
          key = name.key
          members = new Map()
        }
        members.set(name.extension, member)
      }
      return done
    },
    end: close
  }
}

/** A shard that holds another number of samples than the file beside it says makes the order of a resume wrong. */
const checkCount = (shard: ShardInfo, found: number): Effect.Effect<void, ShardError> => {
  if (shard.numSamples === undefined || shard.numSamples === found) return Effect.void
  const shown = shownShard(shard.path)
  const message = `expected ${shard.numSamples} samples in ${JSON.stringify(shown)}, as the file beside it says ` +
    `(sizes.json, or _stats.json), found ${found}: write the shards again, or delete that file and let them be counted`
  return Effect.fail(new ShardError({ shard: shown, reason: "sizes", message }))
}

/**
 * The samples of a shard, in order. Consecutive members with one key are a sample, and an extension that comes twice
 * begins a new one (the tolerant rule of open_clip; webdataset itself raises). The bytes of members that `wants` refuses
 * are not held. Fails as `readMembers` does, and with `sizes` at the end of a shard whose count is not the one known.
 */
export const readSamples = (
  shard: ShardInfo,
  wants: (extension: string, size: number) => boolean,
  http: HttpOptions = {}
): Stream.Stream<RawSample, ShardError, FileSystem.FileSystem> =>
  Stream.suspend(() => {
    let found = 0
    const members = readMembers(shard.path, (path, size) => {
      const name = splitMemberName(path)
      return name !== undefined && wants(name.extension, size)
    }, http)
    const samples = members.pipe(
      regroup(() => bySample(shownShard(shard.path))),
      Stream.map((sample) => {
        found++
        return sample
      })
    )
    return Stream.concat(samples, Stream.suspend(() => Stream.drain(Stream.fromEffect(checkCount(shard, found)))))
  })
