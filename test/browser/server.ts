import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import { extname, join, normalize } from "node:path"

/** A folder that is served on this machine. */
export interface Served {
  readonly url: string
  readonly close: () => void
}

const types: Readonly<Record<string, string>> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript" }

/** Serves the files of a folder, with more headers where they are given, on localhost, which counts as secure. */
export const serve = async (folder: string, headers: Readonly<Record<string, string>> = {}): Promise<Served> => {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost")
    const file = normalize(pathname === "/" ? "/index.html" : pathname)
    readFile(join(folder, file)).then(
      (bytes) => response.writeHead(200, { "Content-Type": types[extname(file)] ?? "", ...headers }).end(bytes),
      () => response.writeHead(404, headers).end()
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = typeof address === "object" ? address?.port : undefined
  return { url: `http://localhost:${port}/`, close: () => server.close() }
}
