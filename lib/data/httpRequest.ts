import { Effect } from "effect"
import type { DownloadReason } from "./errors.ts"
import { shownUrl, withShownUrls } from "./httpUrl.ts"

/** What went wrong with one attempt. `detail` is what came, as the middle of a sentence. */
export interface Fault {
  readonly reason: DownloadReason
  readonly status?: number
  readonly canRetry: boolean
  readonly retryAfter: string | null
  readonly detail: string
}

/** A fault that another attempt does not mend. */
export const finalFault = (reason: DownloadReason, detail: string, status?: number): Fault => ({
  reason,
  canRetry: false,
  retryAfter: null,
  detail,
  ...(status === undefined ? {} : { status })
})

/** A fault of the connection, which another attempt may mend. */
export const brokenFault = (reason: "connection" | "timeout", detail: string): Fault => ({
  reason,
  canRetry: true,
  retryAfter: null,
  detail
})

/** The text of whatever a runtime's fetch throws, its cause included, without secrets. */
const textOf = (thrown: unknown): string => {
  if (!(thrown instanceof Error)) return "a failed connection"
  const cause = thrown.cause instanceof Error ? ` (${thrown.cause.message})` : ""
  return withShownUrls(`${thrown.message}${cause}`)
}

/** A promise of the network as an effect: what it throws is a fault, and so is silence for `idleTimeoutMs`. */
export const fromNetwork = <A>(run: () => Promise<A>, idleTimeoutMs: number): Effect.Effect<A, Fault> =>
  Effect.tryPromise({ try: run, catch: (thrown) => brokenFault("connection", textOf(thrown)) }).pipe(
    Effect.timeoutOrElse({
      duration: idleTimeoutMs,
      orElse: () => Effect.fail(brokenFault("timeout", `no byte within ${idleTimeoutMs} ms`))
    })
  )

const MAX_REDIRECTS = 10
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** One GET: where, with which headers of the caller (`private`) and of ours, and how long it may be silent. */
export interface GetRequest {
  readonly fetch: typeof globalThis.fetch
  readonly url: URL
  readonly private: Readonly<Record<string, string>>
  readonly own: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly idleTimeoutMs: number
}

const nextUrl = (at: URL, location: string | null): URL | string => {
  if (location === null) return "a redirect without a location"
  if (!URL.canParse(location, at)) return "a redirect to something that is no URL"
  const next = new URL(location, at)
  if (next.protocol !== "https:" && next.protocol !== "http:") return `a redirect to ${next.protocol}`
  if (at.protocol === "https:" && next.protocol === "http:") return "a redirect from https to http"
  next.username = ""
  next.password = ""
  return next
}

/**
 * The answer to a GET, redirects followed: at most ten, never from https to http, and without the caller's headers once
 * another origin (scheme, host or port) has been named. A browser hides redirects from its pages and follows them
 * itself; it leaves out `Authorization` at another origin and no other header, so that others are refused there.
 */
export const get = (request: GetRequest): Effect.Effect<Response, Fault> =>
  Effect.gen(function* () {
    const { fetch, own, signal, idleTimeoutMs } = request
    let at = request.url
    let trusted = request.private
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const [url, headers] = [at.href, { ...trusted, ...own }]
      const response = yield* fromNetwork(() => fetch(url, { headers, redirect: "manual", signal }), idleTimeoutMs)
      if (response.type === "opaqueredirect") {
        if (Object.keys(trusted).some((name) => name.toLowerCase() !== "authorization")) {
          return yield* Effect.fail(finalFault("redirect", "a redirect, which a browser follows with private headers"))
        }
        return yield* fromNetwork(() => fetch(url, { headers, signal }), idleTimeoutMs)
      }
      if (!REDIRECTS.has(response.status)) return response
      yield* Effect.ignore(fromNetwork(() => response.body?.cancel() ?? Promise.resolve(), idleTimeoutMs))
      const next = nextUrl(at, response.headers.get("location"))
      if (typeof next === "string") return yield* Effect.fail(finalFault("redirect", next, response.status))
      if (next.origin !== at.origin) trusted = {}
      at = next
    }
    return yield* Effect.fail(
      finalFault("redirect", `more than ${MAX_REDIRECTS} redirects, last to ${shownUrl(at.href)}`)
    )
  })
