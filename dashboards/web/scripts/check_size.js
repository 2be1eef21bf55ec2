// Fails the build when the page grows past its budget, and says what each part weighs.
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const OUT = new URL("../../../controller/voicegateway_controller/web/", import.meta.url);
// What a browser must fetch before it shows the page; the chart library comes after it.
const FIRST_PAINT_GZIP_BYTES_MAX = 110_000;
// The whole overview, charts included: about one second on a 1.6 Mbit/s line.
const OVERVIEW_GZIP_BYTES_MAX = 200_000;
// What a further page adds when it is opened: not to be noticed on that line.
const PAGE_GZIP_BYTES_MAX = 10_000;
const CHART = "spend_bars";
const PAGES = ["login", "budgets", "providers", "fleet", "books", "prices", "admin", "call", "end_call"];

const html = readFileSync(new URL("index.html", OUT), "utf8");
const sizes = readdirSync(new URL("assets/", OUT)).map((name) => ({
  name,
  gzip: gzipSync(readFileSync(new URL(`assets/${name}`, OUT))).length,
  when: html.includes(`assets/${name}`) ? "first" : ([CHART, ...PAGES].find((part) => name.startsWith(`${part}-`)) ?? "shared"),
}));
const sum = (...when) => sizes.reduce((bytes, file) => bytes + (when.includes(file.when) ? file.gzip : 0), 0);
const first = sum("first") + gzipSync(html).length;
const parts = [
  ["first paint", first, FIRST_PAINT_GZIP_BYTES_MAX],
  ["overview", first + sum(CHART), OVERVIEW_GZIP_BYTES_MAX],
  // What several pages share comes with the first of them.
  ...PAGES.map((page) => [page, sum(page, "shared"), PAGE_GZIP_BYTES_MAX]),
];
for (const file of sizes) console.log(`${String(file.gzip).padStart(8)} B gzip  ${file.when.padEnd(10)}  ${file.name}`);
console.log(parts.map(([part, bytes, most]) => `${part} ${bytes} B (limit ${most})`).join(", "));
if (/<script(?![^>]*\bsrc=)/.test(html)) {
  console.error("index.html holds an inline script: the Content-Security-Policy would refuse it");
  process.exitCode = 1;
}
if (parts.some(([, bytes, most]) => bytes === 0 || bytes > most)) {
  console.error("the bundle is larger than its budget, or a part of it is not where it is looked for: see scripts/check_size.js");
  process.exitCode = 1;
}
