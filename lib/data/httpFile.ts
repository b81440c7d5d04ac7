import { Result } from "effect"
import type { Fault } from "./httpRequest.ts"
import { finalFault } from "./httpRequest.ts"

/** What tells one state of a server's file from another. */
export interface FileIdentity {
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** Bytes, where the server says so and sends them as they are stored. */
  readonly length: number | undefined
  /** The bytes come compressed, so that a range of them is none of the file. */
  readonly isEncoded: boolean
}

const wholeNumber = (text: string | null | undefined): number | undefined =>
  text !== null && text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** The identity in the headers of an answer that brings the whole file. */
export const identityIn = (headers: Headers): FileIdentity => {
  const encoding = headers.get("content-encoding")
  const isEncoded = encoding !== null && encoding !== "" && encoding.toLowerCase() !== "identity"
  return {
    etag: headers.get("etag") ?? undefined,
    lastModified: headers.get("last-modified") ?? undefined,
    length: isEncoded ? undefined : wholeNumber(headers.get("content-length")),
    isEncoded
  }
}

const isStrong = (etag: string): boolean => !etag.startsWith("W/")

/** The headers that ask for the file from `offset` on, if it is still the same: `If-Range` takes no weak tag. */
export const rangeHeaders = (
  offset: number,
  { etag, isEncoded, lastModified }: FileIdentity
): Readonly<Record<string, string>> => {
  if (offset === 0 || isEncoded) return {}
  const validator = etag !== undefined && isStrong(etag) ? etag : lastModified
  return { range: `bytes=${offset}-`, ...(validator === undefined ? {} : { "if-range": validator }) }
}

const isOther = <T>(a: T | undefined, b: T | undefined): boolean => a !== undefined && b !== undefined && a !== b

const bare = (etag: string | undefined): string | undefined => etag?.replace(/^W\//, "")

/** What shows that two identities are of two files; undefined where nothing does. The tag is asked before the date. */
const differenceOf = (before: FileIdentity, now: FileIdentity): string | undefined => {
  if (isOther(before.length, now.length)) return `${now.length} bytes after ${before.length}`
  if (isOther(bare(before.etag), bare(now.etag))) return `ETag ${now.etag} after ${before.etag}`
  if (before.etag !== undefined && now.etag !== undefined) return undefined
  if (!isOther(before.lastModified, now.lastModified)) return undefined
  return `a change on ${now.lastModified} after one on ${before.lastModified}`
}

const faultOfStatus = ({ headers, status, statusText }: Response): Fault => {
  const detail = `status ${status}${statusText === "" ? "" : ` ${statusText}`}`
  if (status === 404 || status === 410) return finalFault("missing", detail, status)
  const isPassing = status === 408 || status === 425 || status === 429 || status >= 500
  if (!isPassing) return finalFault("refused", detail, status)
  return { reason: "server", status, canRetry: true, retryAfter: headers.get("retry-after"), detail }
}

const changed = (detail: string, status: number): Fault => finalFault("changed", `another file (${detail})`, status)

/** How an answer goes on with a file: bytes to pass over first, and the identity to hold later answers against. */
export interface Continuation {
  readonly skip: number
  readonly identity: FileIdentity
}

const partOf = (response: Response, offset: number, known: FileIdentity): Result.Result<Continuation, Fault> => {
  const text = response.headers.get("content-range")
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text ?? "")
  if (range === null || wholeNumber(range[1]) !== offset) {
    return Result.fail(finalFault("protocol", `status 206 with range ${text}, not one from byte ${offset} on`, 206))
  }
  const difference = differenceOf(known, { ...identityIn(response.headers), length: wholeNumber(range[3]) })
  return difference === undefined ?
    Result.succeed({ skip: 0, identity: known }) :
    Result.fail(changed(difference, response.status))
}

/**
 * What an answer to a request from `offset` on means. 206 goes on there; 200 brings the whole file again, either because
 * the server knows no ranges (then what was read is passed over) or because the file changed.
 */
export const continuationOf = (
  response: Response,
  offset: number,
  known: FileIdentity
): Result.Result<Continuation, Fault> => {
  const { status } = response
  if (offset > 0 && status === 206) return partOf(response, offset, known)
  if (offset > 0 && status === 416) return Result.fail(changed(`status 416, fewer than ${offset} bytes`, status))
  if (status !== 200) {
    return Result.fail(
      response.ok ? finalFault("protocol", `status ${status} where 200 was asked for`, status) : faultOfStatus(response)
    )
  }
  const identity = identityIn(response.headers)
  const difference = offset === 0 ? undefined : differenceOf(known, identity)
  return difference === undefined ?
    Result.succeed({ skip: offset, identity }) :
    Result.fail(changed(difference, status))
}
