/**
 * The style sheet of a report: system fonts, two colour schemes, everything fluid. Pictures and the maps over them stay
 * on white in both schemes, because most of the art is drawn for it. The series colours stay apart for readers who are
 * colour-blind in any of the three ways, and stand out from the page.
 */
export const reportStyle: string = `
:root {
  color-scheme: light dark;
  --page: #fbfaf7; --panel: #ffffff; --ink: #1d1c1a; --soft: #615e57; --hair: #e4e1d9; --cell: #f1efe9;
  --accent: #1f5fa8; --warm: #c4481c; --cool: #1f5fa8; --good: #17784a; --shade-right: #1f5fa8; --shade-wrong: #c4481c;
  --series-0: #1f5fa8; --series-1: #db703b; --series-2: #043726; --series-3: #97738f; --series-4: #685d35; --series-5: #8080fc;
  --ramp-start: #b9a24a; --ramp-end: #123f7a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #161719; --panel: #1e2023; --ink: #eceae4; --soft: #a5a299; --hair: #34373b; --cell: #26292d;
    --accent: #7db2f0; --warm: #ff8f5e; --cool: #6fb0ff; --good: #62c998; --shade-right: #2f64a0; --shade-wrong: #a8481f;
    --series-0: #7db2f0; --series-1: #e86518; --series-2: #c0f2db; --series-3: #9b658f; --series-4: #f0cf4c; --series-5: #6967e1;
    --ramp-start: #8a7a3a; --ramp-end: #a8ccf7;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: clamp(1.5rem, 5vw, 4rem) clamp(1rem, 4vw, 2.5rem) 5rem; }
h1, h2, .lede, .tiles b, .query h4 { font-family: ui-serif, "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; }
h1 { font-size: clamp(2rem, 5vw, 3.1rem); line-height: 1.1; letter-spacing: -0.015em; font-weight: 600; margin: 0 0 .6rem; text-wrap: balance; }
h2 { font-size: 1.6rem; font-weight: 600; line-height: 1.2; margin: 0 0 .4rem; }
.lede { font-size: 1.2rem; line-height: 1.5; color: var(--soft); max-width: 42em; margin: 0 0 2rem; text-wrap: pretty; }
.lead { color: var(--soft); max-width: 46em; margin: 0 0 1.4rem; text-wrap: pretty; }
section { margin-top: 4rem; padding-top: 1.6rem; border-top: 1px solid var(--hair); }
figure { margin: 0; }
figcaption { font-size: .9rem; font-weight: 600; margin-bottom: .4rem; }
small { font-size: .82rem; font-weight: 400; color: var(--soft); }
a { color: var(--accent); }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
.tiles { list-style: none; margin: 0 0 1.6rem; padding: 0; display: flex; flex-wrap: wrap; gap: 1px; background: var(--hair); border: 1px solid var(--hair); border-radius: 10px; overflow: hidden; }
.tiles li { flex: 1 1 190px; background: var(--panel); padding: 1.1rem 1.3rem 1rem; }
.tiles b { display: block; font-size: 2.1rem; font-weight: 600; line-height: 1.15; letter-spacing: -0.01em; font-variant-numeric: lining-nums tabular-nums; }
.tiles span { font-size: .9rem; color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2.2rem; margin: 0; font-size: .92rem; }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.results th, .results td { text-align: right; padding: .34rem .7rem; white-space: nowrap; }
.results th:first-child { text-align: left; padding-left: 0; }
.results thead th { font-size: .8rem; font-weight: 500; color: var(--soft); border-bottom: 1px solid var(--hair); vertical-align: bottom; }
.results tbody th { font-weight: 400; }
.results .group small { display: block; }
.results .value { font-weight: 600; }
.results td { color: var(--soft); }
.results td.value { color: var(--ink); }
.results td.plot, .results th:last-child { padding: 0 0 0 .7rem; width: 250px; min-width: 200px; }
.results .group th:first-child { font-weight: 600; padding: 1.4rem 0 .3rem; width: auto; white-space: normal; }
.mark .grid, .chart .grid { stroke: var(--hair); stroke-width: 1; }
.mark text { font-size: 11px; }
.mark .reach { stroke: var(--accent); stroke-width: 4; opacity: .35; }
.mark .chance { stroke: var(--soft); stroke-width: 2; }
.mark .value { fill: var(--accent); }
.mark.below .reach { stroke: var(--warm); }
.mark.below .value { fill: var(--panel); stroke: var(--warm); stroke-width: 2; }
.charts { display: grid; gap: 2.2rem 2.4rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.curve.raw { stroke-width: 1; opacity: .38; }
.reference { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 4; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .3rem 0 0; padding: 0 0 0 10%; font-size: .82rem; color: var(--soft); }
.legend i { display: inline-block; width: 1.7em; height: 0; vertical-align: middle; margin-right: .45em; }
.legend.key { padding: 0; font-size: .95rem; color: var(--ink); gap: .3rem 1.6rem; overflow-wrap: anywhere; }
.chart text.mark-label { fill: var(--ink); font-weight: 600; }
.chart .best { fill: none; stroke: var(--ink); stroke-width: 2; }
.chart .dot { stroke: none; }
.numbers { margin-top: .3rem; font-size: .82rem; }
.numbers summary { color: var(--soft); width: fit-content; padding: .1rem .3rem .1rem 0; }
.numbers table { width: auto; margin-top: .3rem; }
.numbers th, .numbers td { text-align: right; font-weight: 400; padding: .1rem .9rem .1rem 0; white-space: nowrap; }
.numbers th { color: var(--soft); }
.summary { width: auto; }
.summary th, .summary td { text-align: left; padding: .34rem 2.4rem .34rem 0; border-bottom: 1px solid var(--hair); overflow-wrap: anywhere; vertical-align: top; }
.summary th { font-weight: 400; color: var(--soft); white-space: nowrap; }
.compared { width: auto; min-width: min(100%, 620px); }
.compared th, .compared td { text-align: right; padding: .4rem 0 .4rem 1.6rem; border-bottom: 1px solid var(--hair); vertical-align: top; }
.compared th:first-child { text-align: left; padding-left: 0; font-weight: 400; color: var(--soft); max-width: 24em; }
.compared thead th { font-weight: 600; overflow-wrap: anywhere; }
.compared td { white-space: nowrap; }
.compared.plain td { white-space: normal; overflow-wrap: anywhere; }
.compared b { font-weight: 600; display: block; }
.compared small { display: block; }
.switch { border: 0; margin: 0; padding: 0; min-width: 0; }
.switch legend { float: left; margin-right: .9rem; color: var(--soft); padding: 0; }
.switch > input { accent-color: var(--accent); }
.switch > label { margin: 0 1.2rem 0 .35rem; }
.switch > .charts { margin-top: 1.4rem; clear: both; }
#by-step:checked ~ .by-pairs, #by-pairs:checked ~ .by-step { display: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 2px; }
section > h3 { font-size: 1.15rem; font-weight: 600; margin: 2.2rem 0 .3rem; }
.queries { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 310px), 1fr)); }
.query { background: var(--panel); border: 1px solid var(--hair); border-radius: 10px; padding: 1rem 1.1rem .8rem; display: flex; flex-direction: column; }
.query h4 { font-size: 1.08rem; font-weight: 600; line-height: 1.3; margin: 0 0 .7rem; overflow-wrap: anywhere; flex: 1; }
.strip { list-style: none; display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 7px; margin: 0; padding: 0; }
.strip li, .look > figure:first-child img { background: #fff; border-radius: 7px; border: 1px solid var(--hair); }
.strip li { padding: 3px; }
.strip li.right { outline: 3px solid var(--good); outline-offset: 0; border-color: transparent; }
.strip img { display: block; width: 100%; max-width: 96px; margin: 0 auto; aspect-ratio: 1; object-fit: contain; }
.rank { margin: .6rem 0 0; font-size: .85rem; color: var(--soft); display: flex; align-items: center; gap: .5rem; min-height: 30px; }
.rank img { width: 30px; height: 30px; object-fit: contain; background: #fff; border-radius: 5px; border: 1px solid var(--hair); }
.rank.hit { color: var(--good); font-weight: 600; }
.looks { display: grid; gap: 1.6rem; }
.look { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: clamp(.6rem, 2vw, 1.4rem); max-width: 860px; }
.look figcaption { font-weight: 500; font-size: .85rem; margin: .4rem 0 0; overflow-wrap: anywhere; }
.look figcaption small { display: block; }
.look > figure:first-child img { display: block; width: 100%; aspect-ratio: 1; object-fit: fill; }
.patches { --warm: #c4481c; --cool: #1f5fa8; border-radius: 7px; overflow: hidden; border: 1px solid var(--hair); }
.under { filter: grayscale(1); }
.paper { fill: #fff; }
.veil { fill: #fff; opacity: .55; }
.tone { fill: var(--warm); }
.tone.minus { fill: var(--cool); }
.wide { max-width: 820px; margin-bottom: 2.4rem; overflow-x: auto; }
.confusion { min-width: 520px; }
.cell { fill: var(--cell); }
.shade { fill: var(--shade-wrong); }
.shade.right { fill: var(--shade-right); }
.confusion .count { fill: var(--ink); }
.confusion .on-shade { fill: #fff; font-weight: 600; }
details summary { cursor: pointer; color: var(--accent); }
.settings { margin-top: .8rem; font-size: .88rem; }
.settings th, .settings td { text-align: left; font-weight: 400; padding: .22rem 1rem .22rem 0; border-bottom: 1px solid var(--hair); vertical-align: top; overflow-wrap: anywhere; }
.settings th { color: var(--soft); }
.attributions { padding-left: 1.1rem; font-size: .92rem; }
@media (max-width: 560px) {
  .chart svg text { font-size: 15px; }
  .summary th, .summary td { padding-right: 1rem; }
  .compared { font-size: .88rem; }
  .compared th, .compared td { padding-left: .9rem; }
  .look { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .of-plot, .results td.plot, .results th:last-child { display: none; }
  .results .group th:last-child { display: table-cell; }
  .results { font-size: .88rem; }
  .results th, .results td { padding: .34rem .35rem; }
  .results tbody th { white-space: normal; }
}
@media print {
  body { background: #fff; font-size: 11pt; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.6rem; }
  figure, .query, .look, tr { break-inside: avoid; }
  h2, .lead { break-after: avoid; }
  .charts { grid-template-columns: 1fr 1fr; gap: 1rem 1.4rem; }
  .numbers, .switch > input, .switch > label, .switch > legend { display: none; }
  .scroll { overflow: visible; }
}
`
