/**
 * What the data chunks hold; the Python modules beside this folder write them.
 *
 * @typedef {{name: string, value: number | null, low: number | null, high: number | null, n: number, unit: string,
 *   higher: boolean, method: string | null, main: boolean, note: string | null}} Figure
 * @typedef {{label: string, model: string, fingerprint: string, runs: number[]}} System
 * @typedef {{id: string, data: string, differs: string[]}} Protocol
 * @typedef {{system: number, run: number, protocol: number, done: boolean, figures: Figure[], total: number,
 *   scored: number, failed: Record<string, number>, skipped: Record<string, number>,
 *   failures: Record<string, string>}} Cell
 * @typedef {{name: string, variant: string, title: string, benchmark: string, protocols: Protocol[],
 *   cells: Cell[], number: number, key: string}} Task
 * @typedef {{system: number, benchmark: string, figure: Figure | null, reason: string | null}} Total
 * @typedef {{started: number, ended: number | null, outcome: string | null, environment: any}} Session
 * @typedef {{id: string, parent: string | null, created: number, state: string, store: string, config: any,
 *   sessions: Session[]}} Run
 * @typedef {{title: string, build: string, live: boolean, made: number, version: string, systems: System[],
 *   tasks: Task[], totals: Total[], runs: Run[], page: {texts: number, samples: number}}} Site
 *
 * @typedef {{n: number, mean: number, p50: number, p90: number, p95: number | null, p99: number | null,
 *   max: number}} Spread
 * @typedef {{calls: number, input_tokens: number, output_tokens: number, cost: number | null}} Spent
 * @typedef {{system: number, labels: [string, number, number][], more_labels: number, answers: Spent, verdicts: Spent,
 *   latency: Record<string, Spread | null>, finish: Record<string, number>, quality: Record<string, Spread>,
 *   speech: Spread | null}} CellSummary
 * @typedef {{a: number, b: number, n: number, wins: number, losses: number, ties: number, value: number | null,
 *   low: number | null, high: number | null}} Pair
 * @typedef {{cells: CellSummary[], histogram: {values?: number[], edges?: number[], counts: number[][]} | null,
 *   measure: {name: string, unit: string, higher: boolean}, pairs: Pair[]}} Summary
 *
 * @typedef {{state: string, values: number[] | null, value: (number | null)[], labels: string[],
 *   label: number[] | null, reasons: string[], reason: number[] | null}} RawColumn
 * @typedef {{name: string, values: string[], value: number[]}} Facet
 * @typedef {{ids: string[], columns: RawColumn[], facets: Facet[]}} RawIndex
 * @typedef {{prompt: string[], reference: string[],
 *   cells: {output: string[], transcript: string[], note: string[]}[]}} TextChunk
 *
 * @typedef {{audio: string, seconds?: number, file: string | null}} Clip
 * @typedef {{role: string, parts: ({text: string} | Clip)[], tool_calls?: any[]}} Message
 * @typedef {{name: string, arguments?: any, accepted?: Record<string, any[]>}} Call
 * @typedef {{reply?: string, rubric?: string, prompt?: string, usage?: any, error?: any}} Verdict
 * @typedef {{outcome: string, reason: string | null, value?: number, label?: string, parts: Record<string, number>,
 *   evidence: any, speech: Clip | null, calls: Call[], finish: string | null, usage: any, timings: any, details: any,
 *   verdicts: Verdict[], quality: Record<string, number>, more: any, answered: boolean,
 *   other_question: boolean}} Answer
 * @typedef {{messages: Message[], reference: any, expected: Call[] | null, choices: string[], tools: any[],
 *   metadata: Record<string, any>, cluster: string | null, cells: (Answer | null)[]}} Sample
 * @typedef {{seconds: number, rate: number, top: number, peaks: number[], bands: number, spectrum: number[]}} Picture
 *
 * @typedef {{model: string, task: string, variant: string, total: number | null, scored: number, failed: number,
 *   skipped: number, done: boolean}} LiveCell
 * @typedef {{id: string, state: string, started: number, ended: number | null, done: number, failed: number,
 *   total: number | null, cost: number, costs: Record<string, number>, history: [number, number][], failures: [string, number, string][],
 *   cells: LiveCell[]}} LiveRun
 * @typedef {{time: number, runs: LiveRun[]}} Live
 *
 * @typedef {{parts: string[], query: URLSearchParams}} Route
 * @typedef {{title: string, body: HTMLElement, keys?: Record<string, () => void>, leave?: () => void,
 *   refresh?: (site: Site) => boolean}} View
 */

export const TYPES_ONLY = true;
