import { Effect } from "effect"
import type { Scope } from "effect"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"

/** A request as the server saw it. */
export interface Seen {
  readonly path: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

/** A server of the test, until the scope closes. */
export interface TestServer {
  /** `http://127.0.0.1:PORT`, without a slash. */
  readonly url: string
  readonly seen: ReadonlyArray<Seen>
}

/** What a handler answers with; `index` counts the requests from 0. */
export type Handler = (request: IncomingMessage, response: ServerResponse, index: number) => void

export const serve = (handler: Handler): Effect.Effect<TestServer, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() =>
        new Promise<{ readonly close: () => Promise<void>; readonly server: TestServer }>((resolve) => {
          const seen: Array<Seen> = []
          const server = createServer((request, response) => {
            seen.push({ path: request.url ?? "", headers: request.headers })
            handler(request, response, seen.length - 1)
          })
          const close = () =>
            new Promise<void>((done) => {
              server.close(() => done())
              server.closeAllConnections()
            })
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            const port = typeof address === "object" && address !== null ? address.port : 0
            resolve({ close, server: { url: `http://127.0.0.1:${port}`, seen } })
          })
        })
      ),
      ({ close }) => Effect.promise(close)
    ),
    ({ server }) => server
  )

/** How one connection treats a body: where it begins by the request's Range, and after how many bytes it is cut. */
export interface FileAnswer {
  readonly bytes: Uint8Array
  readonly etag?: string
  readonly cutAfter?: number
  /** The server knows no ranges. */
  readonly ignoreRange?: boolean
  /** No length is told: the body comes in chunks. */
  readonly chunked?: boolean
}

/** Answers with a file as a server of files does. */
export const answerFile = (request: IncomingMessage, response: ServerResponse, file: FileAnswer): void => {
  const { bytes, chunked = false, cutAfter, etag, ignoreRange = false } = file
  const condition = request.headers["if-range"]
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")
  const isRanged = range !== null && !ignoreRange && (condition === undefined || condition === etag)
  const from = isRanged ? Number(range[1]) : 0
  const tags = etag === undefined ? {} : { etag }
  const body = bytes.subarray(from)
  if (isRanged && from >= bytes.length) {
    response.writeHead(416).end()
    return
  }
  response.writeHead(isRanged ? 206 : 200, {
    ...tags,
    ...(chunked ? {} : { "content-length": String(body.length) }),
    ...(isRanged ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {})
  })
  if (cutAfter === undefined || cutAfter >= body.length) response.end(body)
  else response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 2))
}
