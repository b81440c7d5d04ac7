import { type Content, markup, raw, renderHtml } from "./html.ts"
import { reportStyle } from "./reportStyle.ts"

/** Refuses every request, so that a page shows the same with and without a network. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"

/** What a page says of its maker, so that a program can tell its own pages from others. */
export type PageMaker = "diffclip report" | "diffclip run"

/**
 * One page that holds everything: no script, no request, light and dark. Foreign texts in the title are escaped and
 * stripped of control characters; the body is markup, where that has happened already.
 */
export const renderPage = (title: string, maker: PageMaker, ...body: ReadonlyArray<Content>): string =>
  renderHtml(markup`${raw("<!doctype html>")}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="${maker}">
<meta http-equiv="Content-Security-Policy" content="${raw(policy)}">
<title>${title}</title>
<style>${raw(reportStyle)}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`)

/** Whether a page, or its beginning, was made for a run by training or by `diffclip report`. */
export const isRunPage = (page: string): boolean => page.includes('<meta name="generator" content="diffclip run">')
