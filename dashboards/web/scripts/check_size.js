// Fails the build when the first paint grows past its budget, and says what each part weighs.
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const OUT = new URL("../../../controller/voicegateway_controller/web/", import.meta.url);
// What a browser must fetch before it shows the page; the chart library comes after it.
const FIRST_PAINT_GZIP_BYTES_MAX = 110_000;
// Everything, charts included: about one second on a 1.6 Mbit/s line.
const TOTAL_GZIP_BYTES_MAX = 200_000;

const html = readFileSync(new URL("index.html", OUT), "utf8");
const sizes = readdirSync(new URL("assets/", OUT)).map((name) => ({
  name,
  gzip: gzipSync(readFileSync(new URL(`assets/${name}`, OUT))).length,
  first: html.includes(`assets/${name}`),
}));
const sum = (files) => files.reduce((bytes, file) => bytes + file.gzip, 0) + gzipSync(html).length;
const first = sum(sizes.filter((file) => file.first));
const total = sum(sizes);
for (const file of sizes) {
  console.log(`${String(file.gzip).padStart(8)} B gzip  ${file.first ? "first" : "later"}  ${file.name}`);
}
console.log(`first paint ${first} B (limit ${FIRST_PAINT_GZIP_BYTES_MAX}), total ${total} B (limit ${TOTAL_GZIP_BYTES_MAX})`);
if (/<script(?![^>]*\bsrc=)/.test(html)) {
  console.error("index.html holds an inline script: the Content-Security-Policy would refuse it");
  process.exitCode = 1;
}
if (first > FIRST_PAINT_GZIP_BYTES_MAX || total > TOTAL_GZIP_BYTES_MAX) {
  console.error("the bundle is larger than its budget: see scripts/check_size.js");
  process.exitCode = 1;
}
