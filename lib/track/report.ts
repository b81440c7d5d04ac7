import type { Evaluation } from "../api/evaluation.ts"
import type { Confusion, PatchMap } from "./heatMap.ts"
import { markup } from "./html.ts"
import type { LogEntry } from "./logEntry.ts"
import { renderPage } from "./page.ts"
import { attentionSection } from "./reportAttention.ts"
import { confusionSection } from "./reportConfusion.ts"
import { curvesSection } from "./reportCurves.ts"
import { resultsSection } from "./reportResults.ts"
import { retrievalSection } from "./reportRetrieval.ts"
import { attributionsSection, configSection, factsList, highlightTiles } from "./reportSections.ts"

/** A result with a heading of its own, such as "Unseen artist, colour". */
export interface ReportResult {
  readonly title: string
  /** One sentence: what was asked of the model. */
  readonly note?: string
  readonly evaluation: Evaluation
}

/** An embedded picture: a data URL and what it shows. */
export interface ReportPicture {
  readonly url: string
  readonly name: string
}

/** A caption, the pictures nearest to it (best first) and where the right one came. */
export interface RetrievalExample {
  readonly caption: string
  readonly nearest: ReadonlyArray<ReportPicture & { readonly isRight: boolean; readonly score?: number }>
  readonly right: ReportPicture
  /** Rank of the right picture, from 1. */
  readonly rank: number
}

/** Captions asked of one pool of pictures. */
export interface RetrievalGallery {
  readonly title: string
  /** A sentence under the one that counts how many right pictures are shown. */
  readonly note?: string
  readonly numPictures: number
  readonly examples: ReadonlyArray<RetrievalExample>
}

/** The maps of one layer for one picture: what its first and second softmax look at, and first minus lambda second. */
export interface AttentionExample {
  readonly picture: ReportPicture
  readonly first: PatchMap
  readonly second: PatchMap
  readonly difference: PatchMap
  /** The lambda of the layer, where there is one to tell. */
  readonly lambda?: number
}

/** Whose work a page shows. `url` becomes a link when it is http or https. */
export interface Attribution {
  readonly work: string
  readonly author: string
  readonly licence: string
  readonly url?: string
  /** What was changed, which some licences ask for. */
  readonly changes?: string
}

/** All that a report says, as plain data; texts may be foreign. Sections without data are left out. */
export interface Report {
  readonly title: string
  /** One or two sentences under the title. */
  readonly summary?: string
  /** The two to four figures that matter most, ready to read: `3.1 %`, "recall@5, 10× chance". */
  readonly highlights?: ReadonlyArray<{ readonly value: string; readonly label: string }>
  /** Short facts: model, parameters, steps, time, machine. */
  readonly facts?: ReadonlyArray<{ readonly name: string; readonly value: string }>
  readonly results: ReadonlyArray<ReportResult>
  /** What holds for all results, such as which captions were asked. */
  readonly resultsNote?: string
  readonly log?: ReadonlyArray<LogEntry>
  /** The loss of a guess, ln(batch size), drawn into the loss curve. */
  readonly lossOfChance?: number
  readonly retrieval?: ReadonlyArray<RetrievalGallery>
  readonly confusions?: ReadonlyArray<Confusion>
  readonly attention?: { readonly note?: string; readonly examples: ReadonlyArray<AttentionExample> }
  /** The resolved configuration: any JSON. */
  readonly config?: unknown
  readonly attributions?: ReadonlyArray<Attribution>
}

/**
 * One page that holds everything: no script, no request, light and dark. Foreign texts are escaped and stripped of
 * control characters. Throws TypeError for a picture that is no data URL.
 */
export const renderReport = (report: Report): string =>
  renderPage(
    report.title,
    "diffclip report",
    markup`<header>
<h1>${report.title}</h1>
${report.summary === undefined ? undefined : markup`<p class="lede">${report.summary}</p>`}
${highlightTiles(report.highlights ?? [])}
${factsList(report.facts ?? [])}
</header>
${retrievalSection(report.retrieval ?? [])}
${resultsSection(report.results, report.resultsNote)}
${attentionSection(report.attention)}
${confusionSection(report.confusions ?? [])}
${curvesSection(report.log ?? [], report.lossOfChance)}
${configSection(report.config)}
${attributionsSection(report.attributions ?? [])}`
  )
