import { Effect, Exit, Fiber, Stream } from "effect"
import type { FileSystem, Path, Scope } from "effect"
import fc from "fast-check"
import { beforeAll, describe, expect, it } from "vitest"
import {
  findShards,
  identityAt,
  labelled,
  locateWebdataset,
  openWebdataset,
  readUrl,
  webdataset
} from "../../lib/data/index.ts"
import { writeShards } from "../../lib/data/index.ts"
import type { HttpOptions, ShardServices } from "../../lib/data/index.ts"
import { retryAfterMs } from "../../lib/data/httpOptions.ts"
import { shownLocation, withShownUrls } from "../../lib/data/httpUrl.ts"
import { directory, readFile, samplesOf, sequential, services, shuffled, start, text, windowKeys } from "./files.ts"
import { answerFile, type FileAnswer, type Handler, serve } from "./server.ts"

type Services = ShardServices | FileSystem.FileSystem | Path.Path | Scope.Scope

const run = <A, E>(effect: Effect.Effect<A, E, Services>): Promise<A> =>
  Effect.runPromise(Effect.provide(Effect.scoped(effect), services))

/** Quick to try again, patient otherwise. */
const quick: HttpOptions = { firstDelayMs: 1, maxDelayMs: 20, idleTimeoutMs: 5000 }

let shard: Uint8Array<ArrayBufferLike> = new Uint8Array(0)
beforeAll(async () => {
  shard = await run(
    Effect.flatMap(directory, (dir) => Effect.andThen(writeShards(dir, samplesOf(24)), readFile(dir, "00000.tar")))
  )
})

const keysFrom = (url: string, options: HttpOptions = {}) =>
  Effect.map(
    windowKeys(webdataset(url, { http: { ...quick, ...options } }), sequential(5), start),
    (windows) => windows.flat()
  )
const allKeys = samplesOf(24).map(({ key }) => key)

/** A server of one shard; everything else is 404. */
const serveShard = (answer: (index: number) => Partial<FileAnswer>) => {
  let index = 0
  return serve((request, response) => {
    if (request.url?.startsWith("/s.tar") !== true) response.writeHead(404).end()
    else answerFile(request, response, { bytes: shard, ...answer(index++) })
  })
}

const errorFrom = (handler: Handler, options: HttpOptions = {}) =>
  Effect.flatMap(serve(handler), ({ url, seen }) =>
    Effect.map(
      Effect.flip(Stream.runDrain(readUrl(`${url}/s.tar`, { ...quick, ...options }))),
      (error) => ({ error, seen })
    ))

describe("a shard on a server", () => {
  it("gives the samples that the same shard on disk gives, from a pattern too", () =>
    run(Effect.gen(function* () {
      const dir = yield* directory
      yield* writeShards(dir, samplesOf(20), { samplesPerShard: 6 })
      const files = new Map<string, Uint8Array>()
      for (const name of ["00000.tar", "00001.tar", "00002.tar", "00003.tar", "sizes.json"]) {
        files.set(`/set/${name}`, yield* readFile(dir, name))
      }
      const { url, seen } = yield* serve((request, response) => {
        const bytes = files.get(request.url ?? "")
        if (bytes === undefined) response.writeHead(404).end()
        else answerFile(request, response, { bytes })
      })
      const remote = yield* openWebdataset(`${url}/set/{00000..00003}.tar`, { http: quick })
      expect(remote.numSamples).toBe(20)
      const local = webdataset(dir)
      for (const epoch of [0, 1]) {
        const from = { epoch, delivered: 0 }
        expect(yield* windowKeys(remote, shuffled(3, 7), from)).toEqual(yield* windowKeys(local, shuffled(3, 7), from))
      }
      const before = seen.length
      const rest = yield* windowKeys(remote, sequential(6), { epoch: 0, delivered: 13 })
      expect(rest.flat()).toEqual(samplesOf(20).slice(12).map(({ key }) => key))
      expect(seen.slice(before).map(({ path }) => path)).toEqual([
        "/set/sizes.json",
        "/set/00002.tar",
        "/set/00003.tar"
      ])
    })))

  it(
    "cut at random bytes gives the same samples, each byte once, with ranges and without, lengths told or not",
    async () => {
      const settings = fc.record({
        cuts: fc.array(fc.nat(12_000), { maxLength: 8 }),
        ignoreRange: fc.boolean(),
        chunked: fc.boolean(),
        hasTag: fc.boolean()
      })
      await fc.assert(
        fc.asyncProperty(settings, ({ cuts, chunked, hasTag, ignoreRange }) =>
          run(Effect.gen(function* () {
            const cutting = serveShard((index) => ({
              ignoreRange,
              chunked,
              ...(hasTag ? { etag: '"one"' } : {}),
              ...(index < cuts.length ? { cutAfter: cuts[index] ?? 0 } : {})
            }))
            const samples = yield* cutting
            expect(yield* keysFrom(`${samples.url}/s.tar`, { attempts: 10 })).toEqual(allKeys)
            const plain = yield* cutting
            const bytes = yield* Stream.mkUint8Array(readUrl(`${plain.url}/s.tar`, { ...quick, attempts: 10 }))
            expect(Buffer.compare(bytes, shard)).toBe(0)
          }))),
        { numRuns: 25 }
      )
    },
    60_000
  )

  it("continues at the byte where it stopped, with If-Range, so that nothing is sent twice", () =>
    run(Effect.gen(function* () {
      const { url, seen } = yield* serveShard((index) => ({ etag: '"v1"', ...(index === 0 ? { cutAfter: 5000 } : {}) }))
      expect(yield* Stream.mkUint8Array(readUrl(`${url}/s.tar`, quick))).toEqual(new Uint8Array(shard))
      expect(seen.map(({ headers }) => [headers["range"], headers["if-range"]])).toEqual([
        [undefined, undefined],
        ["bytes=5000-", '"v1"']
      ])
    })))

  it("that changed on the server is an error, told by tag, by length, and by a server without ranges", () =>
    run(Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Partial<FileAnswer>, Partial<FileAnswer>]> = [
        [{ etag: '"a"' }, { etag: '"b"' }],
        [{}, { bytes: shard.subarray(0, 9000) }],
        [{}, { bytes: shard.subarray(0, 2000) }],
        [{ ignoreRange: true, etag: '"a"' }, { ignoreRange: true, etag: '"b"' }]
      ]
      for (const [first, second] of cases) {
        const { url } = yield* serveShard((index) => index === 0 ? { ...first, cutAfter: 4000 } : second)
        const error = yield* Effect.flip(keysFrom(`${url}/s.tar`))
        expect(error).toMatchObject({
          _tag: "ShardError",
          reason: "download",
          download: { reason: "changed", offset: 4000 }
        })
      }
    })))

  it("is not read ahead of its consumer, and an interrupt closes its connection", () =>
    run(Effect.gen(function* () {
      let [sent, closed] = [0, 0]
      const piece = new Uint8Array(65_536)
      const { url } = yield* serve((_, response) => {
        const more = (): void => {
          while (!response.destroyed && sent < 4000) {
            sent++
            if (!response.write(piece)) {
              response.once("drain", more)
              return
            }
          }
        }
        response.on("close", () => closed++)
        response.writeHead(200)
        more()
      })
      const fiber = yield* Effect.forkChild(Stream.runForEach(readUrl(`${url}/big.tar`, quick), () => Effect.never))
      yield* Effect.sleep(300)
      expect(sent).toBeLessThan(400) // 25 MiB of 250: what sockets and the runtime buffer
      yield* Fiber.interrupt(fiber)
      yield* Effect.sleep(50)
      expect(closed).toBe(1)
    })))
})

describe("failures of a server", () => {
  it("503 and 429 are tried again, after what Retry-After asks for, capped", () =>
    run(Effect.gen(function* () {
      const times: Array<number> = []
      const { url } = yield* serve((request, response, index) => {
        times.push(performance.now())
        if (index === 0) response.writeHead(503, { "retry-after": "0" }).end("busy")
        else if (index === 1) response.writeHead(429, { "retry-after": "1000" }).end()
        else answerFile(request, response, { bytes: shard })
      })
      const read = Stream.runCount(readUrl(`${url}/s.tar`, { ...quick, maxDelayMs: 120, firstDelayMs: 60_000 }))
      expect(yield* read).toBeGreaterThan(0)
      expect((times[1] ?? 0) - (times[0] ?? 0)).toBeLessThan(100)
      expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThan(100)
    })))

  it("Retry-After is seconds or a date, anything else is passed over", () => {
    const now = Date.parse("2026-01-01T00:00:00Z")
    expect(retryAfterMs("3", now)).toBe(3000)
    expect(retryAfterMs("Thu, 01 Jan 2026 00:00:05 GMT", now)).toBe(5000)
    expect(retryAfterMs("Thu, 01 Jan 2020 00:00:00 GMT", now)).toBe(0)
    expect(retryAfterMs("soon", now)).toBeUndefined()
    expect(retryAfterMs(null, now)).toBeUndefined()
  })

  it("a server that stays broken fails after the given attempts, and says that trying later may help", () =>
    run(Effect.gen(function* () {
      const { error, seen } = yield* errorFrom((_, response) => response.writeHead(500).end(), { attempts: 3 })
      expect(seen).toHaveLength(3)
      expect(error).toMatchObject({ _tag: "DownloadError", reason: "server", status: 500, attempt: 3, canRetry: true })
      expect(error.message).toContain("status 500")
    })))

  it("404 and 403 fail at once, with URL and status, and say what to do", () =>
    run(Effect.gen(function* () {
      for (
        const [status, reason] of [[404, "missing"], [410, "missing"], [403, "refused"], [401, "refused"]] as const
      ) {
        const { error, seen } = yield* errorFrom((_, response) => response.writeHead(status).end())
        expect(seen).toHaveLength(1)
        expect(error).toMatchObject({ reason, status, attempt: 1, canRetry: false })
        expect(error.message).toMatch(new RegExp(`/s.tar.*status ${status}`))
      }
      const { url } = yield* serve((_, response) => response.writeHead(404).end())
      expect(yield* Effect.flip(keysFrom(`${url}/s.tar`))).toMatchObject({
        _tag: "ShardError",
        reason: "missing",
        shard: `${url}/s.tar`,
        download: { status: 404 }
      })
    })))

  it("a stalled body and a silent server are timeouts, and a body that goes on later is read on", () =>
    run(Effect.gen(function* () {
      const silent = yield* errorFrom(() => undefined, { attempts: 2, idleTimeoutMs: 40 })
      expect(silent.error).toMatchObject({ reason: "timeout", attempt: 2 })
      expect(silent.seen).toHaveLength(2)
      const { url, seen } = yield* serve((request, response, index) => {
        if (index > 0) return answerFile(request, response, { bytes: shard })
        response.writeHead(200, { "content-length": String(shard.length) })
        response.write(shard.subarray(0, 3000))
      })
      const bytes = yield* Stream.mkUint8Array(readUrl(`${url}/s.tar`, { ...quick, idleTimeoutMs: 80 }))
      expect(bytes).toEqual(new Uint8Array(shard))
      expect(seen[1]?.headers["range"]).toBe("bytes=3000-")
    })))

  it("nobody at the address is a failed connection, tried as often as given", () =>
    run(Effect.gen(function* () {
      const { url } = yield* Effect.scoped(serve((_, response) => response.end()))
      const error = yield* Effect.flip(Stream.runDrain(readUrl(`${url}/s.tar?token=secret`, { ...quick, attempts: 2 })))
      expect(error).toMatchObject({ reason: "connection", attempt: 2, canRetry: true })
      expect(error.message).not.toContain("secret")
    })))

  it("a file above maxBytes is refused before it is read, or once it is that long", () =>
    run(Effect.gen(function* () {
      for (const chunked of [false, true]) {
        const { url } = yield* serveShard(() => ({ chunked }))
        const error = yield* Effect.flip(Stream.runDrain(readUrl(`${url}/s.tar`, { ...quick, maxBytes: 1000 })))
        expect(error).toMatchObject({ reason: "tooLarge", canRetry: false })
      }
    })))
})

describe("credentials", () => {
  const headers = { authorization: "Bearer secret", "x-key": "secret" }

  it("are sent on redirects within an origin and dropped for good once another one is named", () =>
    run(Effect.gen(function* () {
      const other = yield* serve((request, response) => answerFile(request, response, { bytes: shard }))
      const first = yield* serve((request, response) => {
        const to = request.url === "/a.tar" ? "/b.tar" : `${other.url.replace("127.0.0.1", "localhost")}/c.tar?sig=1`
        response.writeHead(302, { location: to }).end()
      })
      const bytes = yield* Stream.mkUint8Array(readUrl(`${first.url}/a.tar`, { ...quick, headers }))
      expect(bytes.length).toBe(shard.length)
      for (const { headers } of first.seen) {
        expect(headers).toMatchObject({ authorization: "Bearer secret", "x-key": "secret" })
      }
      expect(first.seen).toHaveLength(2)
      expect(other.seen[0]?.headers["authorization"]).toBeUndefined()
      expect(other.seen[0]?.headers["x-key"]).toBeUndefined()
    })))

  it("in a URL are sent as a header and never shown; nor are values of a query", () =>
    run(Effect.gen(function* () {
      const { url, seen } = yield* serveShard(() => ({}))
      const address = `${url.replace("http://", "http://me:pass%20word@")}/s.tar?sig=hidden`
      expect(yield* keysFrom(address)).toEqual(allKeys)
      expect(seen.at(-1)?.headers["authorization"]).toBe(`Basic ${btoa("me:pass word")}`)
      expect(webdataset(address).name).toBe(`${url}/s.tar?sig=***`)
      const error = yield* Effect.flip(keysFrom(address.replace("s.tar", "absent.tar")))
      expect(JSON.stringify([error, error.message])).not.toMatch(/hidden|pass/)
      expect(withShownUrls("failed (http://a:b@h/x?k=v) twice")).toBe("failed (http://h/x?k=***) twice")
      expect(shownLocation("dir/a.tar::https://u:p@h/{0..3}.tar?t=s#f")).toBe("dir/a.tar::https://h/{0..3}.tar?t=***")
    })))

  it("that HTTP cannot hold are refused without being shown", () =>
    run(Effect.gen(function* () {
      const bad = readUrl("http://127.0.0.1:9/s.tar", { headers: { "x-key": "secret\n" } })
      const error = yield* Effect.flip(Stream.runDrain(bad))
      expect(error).toMatchObject({ reason: "request", attempt: 1 })
      expect(error.message).not.toContain("secret")
    })))

  it("circles, redirects to other schemes and those without an address are refused", () =>
    run(Effect.gen(function* () {
      for (const location of ["/s.tar", "file:///etc/passwd", "http://", undefined]) {
        const { error } = yield* errorFrom((_, response) =>
          response.writeHead(302, location === undefined ? {} : { location }).end()
        )
        expect(error).toMatchObject({ reason: "redirect", canRetry: false })
      }
    })))
})

describe("files beside shards of a server", () => {
  const serveFiles = (files: Readonly<Record<string, string | Uint8Array>>, absent = 404) =>
    serve((request, response) => {
      const found = files[(request.url ?? "").replace(/\?.*/, "")]
      if (found === undefined) response.writeHead(absent).end()
      else answerFile(request, response, { bytes: typeof found === "string" ? text(found) : found })
    })

  it("sizes.json may be absent, which some servers say with 403; wrong ones are errors", () =>
    run(Effect.gen(function* () {
      for (const status of [404, 403]) {
        const { url } = yield* serveFiles({ "/s.tar": shard }, status)
        expect((yield* locateWebdataset(`${url}/s.tar`, { http: quick })).numSamples).toBeUndefined()
        expect(yield* Effect.flip(openWebdataset(`${url}/s.tar`, { http: quick }))).toMatchObject({ reason: "sizes" })
      }
      const { url, seen } = yield* serveFiles({ "/s.tar": shard, "/sizes.json": '{"s.tar": 24}' })
      expect(yield* findShards(`${url}/s.tar?token=1`, quick)).toEqual([{
        path: `${url}/s.tar?token=1`,
        numSamples: 24
      }])
      expect(seen[0]?.path).toBe("/sizes.json?token=1")
      const wrong = yield* serveFiles({ "/s.tar": shard, "/sizes.json": '{"s.tar": 23}' })
      expect(yield* Effect.flip(keysFrom(`${wrong.url}/s.tar`))).toMatchObject({ reason: "sizes" })
    })))

  it("class names and templates are read there, and their absence is told", () =>
    run(Effect.gen(function* () {
      const files = { "/s.tar": shard, "/classnames.txt": "cat\ndog\n", "/templates.txt": "a {}." }
      const { url } = yield* serveFiles(files)
      const dataset = yield* labelled(`${url}/s.tar`, { http: quick })
      expect(dataset).toMatchObject({ classNames: ["cat", "dog"], templates: ["a {}."] })
      const bare = yield* serveFiles({ "/s.tar": shard })
      expect(yield* Effect.flip(labelled(`${bare.url}/s.tar`, { http: quick }))).toMatchObject({ reason: "missing" })
    })))

  it("the fingerprint holds names, counts, tag and length, and no part of the address", () =>
    run(Effect.gen(function* () {
      const printOf = (answer: Partial<FileAnswer>, query = "") =>
        Effect.flatMap(
          serveShard(() => answer),
          ({ url }) => webdataset(`${url}/s.tar${query}`, { http: quick }).fingerprint ?? Effect.succeed("none")
        )
      const first = yield* printOf({ etag: '"a"' })
      expect(yield* printOf({ etag: '"a"' }, "?token=1")).toBe(first)
      expect(yield* printOf({ etag: '"b"' })).not.toBe(first)
      expect(yield* printOf({ etag: '"a"', bytes: shard.subarray(512) })).not.toBe(first)
      const { url, seen } = yield* serveShard(() => ({ etag: '"a"' }))
      expect(yield* identityAt(`${url}/s.tar`, quick)).toMatchObject({ etag: '"a"', length: shard.length })
      expect(seen).toHaveLength(1)
    })))

  it("directories and other schemes are refused by name, in lists and patterns too", () =>
    run(Effect.gen(function* () {
      const cases = [
        ["https://host/dir/", "give a pattern"],
        ["https://host/dir", "give a pattern"],
        ["https://host/{a,b}/", "give a pattern"],
        ["pipe:curl -s https://host/x.tar", "pipe:"],
        ["a.tar::pipe:cat b.tar", "pipe:"],
        ["s3://bucket/{00..10}.tar", "s3:"]
      ] as const
      for (const [location, words] of cases) {
        const exit = yield* Effect.exit(findShards(location))
        expect(Exit.isFailure(exit), location).toBe(true)
        const error = yield* Effect.flip(findShards(location))
        expect(error).toMatchObject({ _tag: "ShardError", reason: "pattern" })
        expect(error.message).toContain(words)
      }
    })))
})
