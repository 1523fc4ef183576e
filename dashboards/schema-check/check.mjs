// Each dashboard becomes a constant of Grafana's type, and the compiler says what does not fit. First it has to find
// the mistakes that are put into one on purpose: a check that finds nothing is worth nothing.
import { readFileSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, "..", "grafana");
const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
};

/** One misfit per line of text; `sources` is from names to JSON. */
function misfits(sources) {
  const files = new Map(
    sources.map(([name, json]) => [
      join(here, `${name}.ts`),
      `import type { DashboardFile } from "./types.js";\nexport const it: DashboardFile = ${json};\n`,
    ]),
  );
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) =>
    files.has(name)
      ? ts.createSourceFile(name, files.get(name), version)
      : getSourceFile(name, version, ...rest);
  const program = ts.createProgram([...files.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map((found) => {
    const text = ts.flattenDiagnosticMessageText(found.messageText, "\n  ");
    const place = found.file?.getLineAndCharacterOfPosition(found.start ?? 0);
    // The first line of a constant is the second of its file.
    return `${basename(found.file?.fileName ?? "")}:${place?.line ?? 0}: ${text}`;
  });
}

const dashboards = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => [basename(name, ".json"), readFileSync(join(folder, name), "utf8").trim()]);

const [, sound] = dashboards.find(([name]) => name === "overview");
const mistakes = {
  "an unknown key of a dashboard": (it) => (it.refreshh = "10s"),
  "a place that is text": (it) => (it.panels[0].gridPos.w = "8"),
  "a misspelt query": (it) => (it.panels[0].targets[0].exprr = "up"),
  "a query without its expression": (it) => delete it.panels[0].targets[0].expr,
  "an unknown kind of panel": (it) => (it.panels[0].type = "statt"),
  "an unknown option of a stat": (it) => (it.panels[0].options.colourMode = "value"),
  "an unknown mode of a legend": (it) =>
    (it.panels.find(({ type }) => type === "timeseries").options.legend.displayMode = "lists"),
  "an unknown style of a line": (it) =>
    (it.panels.find(({ type }) => type === "timeseries").fieldConfig.defaults.custom.drawStyle = "lines"),
};
const seeded = Object.entries(mistakes).map(([, mistake], index) => {
  const it = JSON.parse(sound);
  mistake(it);
  return [`mistake-${index}`, JSON.stringify(it, null, 2)];
});

const found = misfits([...dashboards, ...seeded]);
const own = found.filter((line) => !line.startsWith("mistake-"));
const missed = Object.keys(mistakes).filter((_, index) => !found.some((line) => line.startsWith(`mistake-${index}.ts`)));
for (const line of own) console.error(line);
for (const name of missed) console.error(`not found: ${name}`);
if (own.length + missed.length > 0 || dashboards.length === 0) process.exit(1);
console.log(`${dashboards.length} dashboards fit Grafana's types; ${seeded.length} seeded mistakes were found`);
