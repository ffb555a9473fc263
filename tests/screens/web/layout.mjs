// Lays out every .bob of screens/phoebus in Diamond's web runtime (cs-web-lib) in headless Chromium, without any PV, and
// looks whether all that it describes is there: fixed texts, buttons, and a field for each value.
//
//   node layout.mjs            exits with 1 if anything is missing
//   node layout.mjs FOLDER     also saves what was seen, as PNG
import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { build } from "esbuild";

const here = new URL(".", import.meta.url);
const screens = new URL("../../../screens/", here);
const folder = process.argv[2];
const WITHOUT_VALUE = "######";

const bundle = await build({
  entryPoints: [new URL("app.jsx", here).pathname],
  bundle: true,
  write: false,
  loader: { ".js": "jsx" },
  define: { "process.env.NODE_ENV": '"production"', global: "window", "import.meta.env": "{}" },
  logLevel: "error",
});
const page = `<!doctype html><body style="margin:0"><div id="root"></div>
<script>window.process = { env: {} }; window.onerror = (message) => { document.title = "error: " + message; };</script>
<script src="/app.js"></script>`;

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  try {
    const body = { "/app.html": page, "/app.js": bundle.outputFiles[0].text }[pathname];
    response.setHeader("content-type", pathname.endsWith(".js") ? "text/javascript" : "text/html");
    response.end(body ?? (await readFile(new URL(`.${pathname}`, screens))));
  } catch {
    response.statusCode = 404;
    response.end();
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

async function chromium(name, size, ...options) {
  const address = `http://127.0.0.1:${server.address().port}/app.html?${name}`;
  // As root, e.g. in a container, Chromium has no sandbox.
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=20000"];
  const arguments_ = [...flags, `--window-size=${size}`, ...options, address];
  const run = promisify(execFile);
  return (await run(process.env.CHROMIUM ?? "chromium", arguments_, { maxBuffer: 1e8, timeout: 120_000 })).stdout;
}

const decoded = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
const expanded = (text) => text.replaceAll("$(P)", "test:").replaceAll("$(R)", "Share:").replaceAll("$(U)", "test:TomoScan:");

let faults = 0;
for (const file of (await readdir(new URL("phoebus/", screens))).filter((file) => file.endsWith(".bob")).sort()) {
  const name = file.slice(0, -4);
  const bob = await readFile(new URL(`phoebus/${file}`, screens), "utf8");
  const widgets = [...bob.matchAll(/<widget type="(\w+)"[^]*?<\/widget>/g)].map(([text, type]) => ({ text, type }));
  const fixed = widgets.filter(({ text, type }) => ["label", "action_button"].includes(type) && !text.includes("<rules>"));
  const texts = fixed.map(({ text }) => expanded(decoded(/<text>([^<]*)<\/text>/.exec(text)[1])));
  const values = widgets.filter(({ type }) => type === "textupdate").length;
  const [, width, height] = /<width>(\d+)<\/width>\s*<height>(\d+)<\/height>/.exec(bob);
  const seen = decoded(await chromium(name, `${width},${height}`, "--dump-dom"));
  const missing = texts.filter((text) => !text.includes("$(") && !seen.includes(text));
  const shown = seen.split(WITHOUT_VALUE).length - 1;
  const error = /<title>error: ([^<]*)/.exec(seen)?.[1];
  const is_right = !error && missing.length === 0 && shown === values;
  console.log(`${name}: ${texts.length} fixed texts, ${shown} of ${values} values${is_right ? "" : "  FAILED"}`);
  if (!is_right) {
    console.log(`  ${error ?? ""} missing: ${missing.join(" | ")}`);
    faults += 1;
  }
  if (folder) await chromium(name, `${width},${height}`, `--screenshot=${folder}/web-${name}.png`);
}
server.close();
process.exit(faults ? 1 : 0);
