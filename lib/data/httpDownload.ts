import { Effect, Stream } from "effect"
import { Fetch } from "effect/http/FetchHttpClient"
import type { Scope } from "effect"
import { DownloadError } from "./errors.ts"
import type { FileIdentity } from "./httpFile.ts"
import { continuationOf, rangeHeaders } from "./httpFile.ts"
import type { HttpOptions, HttpSettings } from "./httpOptions.ts"
import { defaultHttp, delayMs } from "./httpOptions.ts"
import type { Fault } from "./httpRequest.ts"
import { brokenFault, finalFault, fromNetwork, get } from "./httpRequest.ts"
import { basicAuthorization, locationProblem, shownUrl } from "./httpUrl.ts"

const toDo: Readonly<Record<DownloadError["reason"], string>> = {
  missing: "check the address",
  refused: "check the address, and whether it needs an Authorization header",
  server: "try again later",
  connection: "check the network, or try again later",
  timeout: "check the network, raise idleTimeoutMs, or try again later",
  changed: "start again with the file as it is now",
  redirect: "name the address that it leads to",
  tooLarge: "raise maxBytes if the server is trusted",
  protocol: "the server, or something before it, does not follow HTTP: try another",
  request: "correct the address or the headers"
}

const errorOf = (url: string, fault: Fault, attempt: number, offset: number): DownloadError => {
  const { canRetry, detail, reason, status } = fault
  const shown = shownUrl(url)
  const place = offset === 0 ? "" : ` after byte ${offset}`
  const times = attempt === 1 ? "" : ` in attempt ${attempt}`
  const message = `expected ${JSON.stringify(shown)} to be read${place}, got ${detail}${times}: ${toDo[reason]}`
  return new DownloadError({
    url: shown,
    reason,
    attempt,
    offset,
    canRetry,
    message,
    ...(status === undefined ? {} : { status })
  })
}

interface Target {
  readonly url: URL
  readonly private: Readonly<Record<string, string>>
}

/** fetch takes no user and password in a URL: they become the header that they stand for. */
const targetOf = (text: string, headers: Readonly<Record<string, string>>): Target | Fault => {
  const problem = locationProblem(text) ?? (URL.canParse(text) ? undefined : "it is no URL")
  if (problem !== undefined) return finalFault("request", problem)
  const bad = Object.entries(headers).find(([name, value]) =>
    !/^[\w!#$%&'*+.^`|~-]+$/.test(name) || /[^\t\x20-\xff]/.test(value)
  )
  if (bad !== undefined) return finalFault("request", `header ${JSON.stringify(bad[0])}, which HTTP cannot hold`)
  const url = new URL(text)
  const { password, username } = url
  url.username = ""
  url.password = ""
  url.hash = ""
  const isNamed = Object.keys(headers).some((name) => name.toLowerCase() === "authorization")
  return username === "" || isNamed ? { url, private: headers } : {
    url,
    private: { ...headers, authorization: basicAuthorization(username, password) }
  }
}

interface Connection {
  readonly abort: AbortController
  readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  /** Bytes that were read before and come again. */
  skip: number
}

const unknownFile: FileIdentity = { etag: undefined, lastModified: undefined, length: undefined, isEncoded: false }

/** One file of a server, read from its beginning to its end over as many connections as that takes. */
interface Download {
  /** The file's identity, once a connection stands. */
  readonly identity: Effect.Effect<FileIdentity, DownloadError>
  /** The next bytes; undefined at the end. */
  readonly next: Effect.Effect<Uint8Array | undefined, DownloadError>
}

const openDownload = (
  text: string,
  settings: HttpSettings
): Effect.Effect<Download, DownloadError, Scope.Scope> =>
  Effect.gen(function* () {
    const fetch = yield* Fetch
    const target = targetOf(text, settings.headers)
    if ("reason" in target) return yield* Effect.fail(errorOf(text, target, 1, 0))
    let connection: Connection | undefined
    let known = unknownFile
    let offset = 0
    let failures = 0

    const close = (): void => {
      connection?.abort.abort()
      connection = undefined
    }
    yield* Effect.addFinalizer(() => Effect.sync(close))

    const connect: Effect.Effect<Connection, Fault> = Effect.gen(function* () {
      const abort = new AbortController()
      connection = { abort, reader: undefined, skip: 0 } // so that an interrupt finds what to abort
      // Compressed bodies cannot be continued; browsers set this header themselves and ignore ours.
      const own = { "accept-encoding": "identity", ...rangeHeaders(offset, known) }
      const { idleTimeoutMs } = settings
      const response = yield* get({ ...target, fetch, own, signal: abort.signal, idleTimeoutMs })
      const { identity, skip } = yield* Effect.fromResult(continuationOf(response, offset, known))
      known = identity
      if (identity.length !== undefined && identity.length > settings.maxBytes) {
        return yield* Effect.fail(finalFault("tooLarge", `${identity.length} bytes, above ${settings.maxBytes}`))
      }
      connection = { abort, reader: response.body?.getReader(), skip }
      return connection
    })

    const end: Effect.Effect<undefined, Fault> = Effect.suspend(() =>
      known.length === undefined || offset === known.length ?
        Effect.succeed(undefined) :
        Effect.fail(brokenFault("connection", `the end of the answer at byte ${offset} of ${known.length}`))
    )

    /** New bytes of the connection: what was read before is passed over. */
    const fresh = (open: Connection): Effect.Effect<Uint8Array | undefined, Fault> =>
      Effect.gen(function* () {
        const { reader } = open
        if (reader === undefined) return yield* end
        while (true) {
          const { done, value } = yield* fromNetwork(() => reader.read(), settings.idleTimeoutMs)
          if (done && open.skip > 0) {
            return yield* Effect.fail(brokenFault("connection", `the end of an answer before byte ${offset}`))
          }
          if (done) return yield* end
          const passed = Math.min(open.skip, value.length)
          open.skip -= passed
          if (passed === value.length) continue
          offset += value.length - passed
          if (offset > settings.maxBytes) {
            return yield* Effect.fail(finalFault("tooLarge", `more than ${settings.maxBytes} bytes`))
          }
          return value.subarray(passed)
        }
      })

    const current = Effect.suspend(() => connection?.reader === undefined ? connect : Effect.succeed(connection))

    const retried = <A>(attempt: Effect.Effect<A, Fault>): Effect.Effect<A, DownloadError> =>
      Effect.catch(attempt, (fault) => {
        close()
        failures++
        if (!fault.canRetry || failures >= settings.attempts) {
          return Effect.fail(errorOf(text, fault, failures, offset))
        }
        const wait = Effect.flatMap(delayMs(settings, failures, fault.retryAfter), (ms) => Effect.sleep(ms))
        return Effect.flatMap(wait, () => retried(attempt))
      })

    return {
      identity: retried(Effect.map(current, () => known)),
      next: Effect.map(retried(Effect.flatMap(current, fresh)), (bytes) => {
        failures = 0
        return bytes
      })
    }
  })

/**
 * The bytes of a file on a server, as fast as they are asked for: nothing is read ahead of the consumer beyond what the
 * connection buffers. A lost connection, silence for `idleTimeoutMs`, 408, 425, 429 and 5xx are tried again with capped
 * exponential waits (`Retry-After` where given); reading goes on at the byte where it stopped, by `Range` with `If-Range`,
 * or by passing over what was read where the server knows no ranges. A file that changed meanwhile is an error. Without
 * ETag, date and length there is nothing to notice a change by. `Fetch` of effect/http/FetchHttpClient can be replaced.
 */
export const readUrl = (url: string, options: HttpOptions = {}): Stream.Stream<Uint8Array, DownloadError> =>
  Stream.unwrap(
    Effect.map(
      openDownload(url, { ...defaultHttp, ...options }),
      ({ next }) =>
        Stream.unfold(
          undefined,
          () => Effect.map(next, (bytes) => bytes === undefined ? undefined : [bytes, undefined] as const)
        )
    )
  )

/** The identity of a file on a server, from the head of one answer. */
export const identityAt = (url: string, options: HttpOptions = {}): Effect.Effect<FileIdentity, DownloadError> =>
  Effect.scoped(Effect.flatMap(openDownload(url, { ...defaultHttp, ...options }), ({ identity }) => identity))

/** The text of a small file on a server, in UTF-8. */
export const readUrlText = (
  url: string,
  options: HttpOptions,
  maxBytes: number
): Effect.Effect<string, DownloadError> =>
  Effect.map(Stream.mkUint8Array(readUrl(url, { ...options, maxBytes })), (bytes) => new TextDecoder().decode(bytes))
