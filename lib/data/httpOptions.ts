import { Clock, Effect, Random } from "effect"

/** How files are read from servers. */
export interface HttpOptions {
  /** Sent with each request, such as `Authorization`; left out once a redirect has led to another origin, never logged. */
  readonly headers?: Readonly<Record<string, string>>
  /** Attempts in a row that may bring no byte before reading fails. Default 6. */
  readonly attempts?: number
  /** Longest wait for an answer or for the next bytes. Default 30,000. */
  readonly idleTimeoutMs?: number
  /** Wait before the second attempt; each further one doubles it, less a random part of up to a half. Default 250. */
  readonly firstDelayMs?: number
  /** Longest wait between attempts, also where the server asks for more (`Retry-After`). Default 30,000. */
  readonly maxDelayMs?: number
  /** Most bytes of one file. Default 64 GiB. */
  readonly maxBytes?: number
}

/** `HttpOptions` with the defaults filled in. */
export type HttpSettings = Required<HttpOptions>

/** The defaults. */
export const defaultHttp: HttpSettings = {
  headers: {},
  attempts: 6,
  idleTimeoutMs: 30_000,
  firstDelayMs: 250,
  maxDelayMs: 30_000,
  maxBytes: 68_719_476_736
}

/** What `Retry-After` asks for, in milliseconds from now: seconds or a date; undefined where it is neither. */
export const retryAfterMs = (value: string | null, nowMs: number): number | undefined => {
  if (value === null) return undefined
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000
  const at = Date.parse(value)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs)
}

/** The wait before attempt `failures + 1`: what the server asks for, else exponential with jitter; both are capped. */
export const delayMs = (
  { firstDelayMs, maxDelayMs }: HttpSettings,
  failures: number,
  retryAfter: string | null
): Effect.Effect<number> =>
  Effect.gen(function* () {
    const asked = retryAfterMs(retryAfter, yield* Clock.currentTimeMillis)
    if (asked !== undefined) return Math.min(asked, maxDelayMs)
    const backoff = Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1))
    return backoff * (1 - (yield* Random.next) / 2)
  })
