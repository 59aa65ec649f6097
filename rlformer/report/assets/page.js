"use strict";

// Figures: colours are names in the specification and values in the style sheet, so one specification serves every theme.
const root = document.documentElement;
let specs = {};  // by the ids of their canvases

function colour(name) {
  const match = /^@([a-z]+(?:-\d+)?)(?:\/([\d.]+))?$/.exec(name);
  if (!match) return name;
  const value = getComputedStyle(root).getPropertyValue("--" + match[1]).trim();
  if (match[2] === undefined) return value;
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(value.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${match[2]})`;
}

function themed(value, key = "") {
  if (typeof value === "string") return /color$/.test(key) ? colour(value) : value;
  if (Array.isArray(value)) return /color$/.test(key) || typeof value[0] === "object" ? value.map((v) => themed(v, key)) : value;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v, k)]));
}

const config = { displaylogo: false, displayModeBar: "hover", modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d"] };
const drawn = new Set();

// The title of an axis takes several lines where the figure is narrow.
function folded(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= letters) lines.push("");
    lines.push((lines.pop() + " " + word).trim());
  }
  return lines.join("<br>");
}

const PAPER = 680;  // pixels of A4 or Letter between the margins of the style sheet
const heights = new Map();  // of figures on the screen; on paper they are lower

function draw(id) {
  const spec = specs[id], box = document.getElementById(id), layout = themed(spec.layout);
  const printing = root.classList.contains("printing");
  if (!heights.has(id)) heights.set(id, box.offsetHeight);
  const height = Math.round(heights.get(id) * (printing ? 0.6 : 1));
  box.style.height = height + "px";
  if (printing) {
    Object.assign(layout, { width: PAPER, height });
    layout.legend.y *= Math.max(40, heights.get(id) - 120) / Math.max(40, height - 120);  // as far below the axis as before
  }
  layout.xaxis.title.text = folded(layout.xaxis.title.text, Math.max(20, (printing ? PAPER : box.clientWidth) / 9));
  layout.font.family = getComputedStyle(root).getPropertyValue("--sans").trim();
  Plotly.react(box, themed(spec.data), layout, config);
  // The figure's label says what it is; letters of an axis, read one by one, do not.
  box.querySelectorAll("svg.main-svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
  if (drawn.has(id)) return;
  drawn.add(id);
  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth === width || root.classList.contains("printing")) return;
    width = box.clientWidth;
    draw(id);
    Plotly.Plots.resize(box);
  }).observe(box);
}

// What a block of this page holds, unpacked where it is compressed.
async function held(id) {
  const { type, textContent } = document.getElementById(id);
  if (type !== "application/gzip") return textContent;
  const packed = Uint8Array.from(atob(textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// The plotting library is a compressed block; as a script it is admitted by its hash.
async function unpack() {
  const script = document.createElement("script");
  script.textContent = await held("plotly");
  document.head.append(script);
}

const pause = () => new Promise((resolve) => setTimeout(resolve));

// Figures near the window come first, then the others, one at a time: between two of them the page answers.
async function show() {
  specs = JSON.parse(await held("figures"));
  if (!Object.keys(specs).length) return;
  await pause();
  await unpack();
  const every = () => Object.keys(specs).forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", every);
  for (const [event, printing] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(event, () => { root.classList.toggle("printing", printing); every(); });
  }
  const distance = (id) => {
    const { top, bottom } = document.getElementById(id).getBoundingClientRect();
    return Math.max(0, top - innerHeight, -bottom);
  };
  for (let left; (left = Object.keys(specs).filter((id) => !drawn.has(id))).length;) {
    await pause();
    draw(left.reduce((a, b) => (distance(b) < distance(a) ? b : a)));
  }
}

show().catch((error) => {
  console.error(error);
  const text = "This browser cannot draw the figures (it needs DecompressionStream, of 2023); their numbers are in results.json.";
  document.querySelectorAll(".canvas").forEach((box) => { if (!drawn.has(box.id)) box.textContent = text; });
});

// Tables: a press on a head sorts by it, another reverses; what is missing stays at the end.
function key(row, column) {
  const text = row.cells[column].dataset.v ?? row.cells[column].textContent;
  if (text === "") return null;
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") === "descending" || (head.getAttribute("aria-sort") === "none" && column === 0);
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: key(row, column) }));
    rows.sort((a, b) => (a.value === null) - (b.value === null) || (up ? 1 : -1) * compare(a.value, b.value));
    table.tBodies[0].append(...rows.map(({ row }) => row));
  }));
}

// The download works from the page alone, wherever it was moved.
held("results").then((text) => {
  document.getElementById("download").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
}).catch(console.error);

// A table as CSV: what its rows are sorted by, in full, where that is more than what they print; intervals as printed.
function quoted(text) {
  const tame = /^[=+@-]/.test(text) && Number.isNaN(Number(text)) ? "'" + text : text;  // a spreadsheet would run it
  return /[",\n]/.test(tame) ? '"' + tame.replaceAll('"', '""') + '"' : tame;
}

function csv(table) {
  const keys = [...table.tHead.rows[table.tHead.rows.length - 1].cells].map((head) => head.querySelector("button").dataset.key);
  const kept = keys.map((name, column) => ({ name, column })).filter(({ name }) => name !== "strip");
  const cell = ({ name, column }, row) => {
    const { dataset, textContent } = row.cells[column];
    if (dataset.v === "") return "";
    return name === "arm" || name === "interval" || dataset.v === undefined ? textContent.trim() : dataset.v;
  };
  const rows = [...table.tBodies[0].rows].map((row) => kept.map((one) => quoted(cell(one, row))).join(","));
  return [kept.map(({ name }) => name).join(","), ...rows].join("\r\n") + "\r\n";
}

for (const link of document.querySelectorAll("a[data-table]")) {
  link.href = URL.createObjectURL(new Blob([csv(document.getElementById(link.dataset.table))], { type: "text/csv" }));
  link.hidden = false;
}

// A figure as CSV: the values that it draws, a row each. A band has its two ends, a point those of its error bar.
function plain(text) {
  return typeof text === "string" ? text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&") : text ?? "";
}

function rowsOf(trace) {
  const { x, y } = trace, bars = trace.error_y ?? trace.error_x, across = trace.error_x !== undefined;
  if (trace.fill === "toself") {  // there along the upper end, and back along the lower one
    const half = x.length / 2;
    return x.slice(0, half).map((at, i) => ["band", at, "", y[x.length - 1 - i], y[i], ""]);
  }
  const edge = trace.line?.width === 0 && trace.mode === "lines";  // of a band that is drawn between two lines
  const kind = trace.type === "bar" ? "bar" : edge ? (trace.fill ? "upper end" : "lower end") : trace.mode === "lines" ? "line" : "point";
  return x.map((at, i) => {
    const middle = across ? at : y[i];
    const ends = bars ? [middle - bars.arrayminus[i], middle + bars.array[i]] : ["", ""];
    const text = Array.isArray(trace.text) ? plain(trace.text[i]) : "";
    return at === null || y[i] === null ? null : [kind, plain(at), plain(y[i]), ...ends, text];
  }).filter((row) => row !== null);
}

function figureCsv({ data, layout }) {
  const axis = (name) => layout[name + "axis"].title.text || name;
  const head = ["series", "drawn as", axis("x"), axis("y"), "low", "high", "note"];
  const rows = data.flatMap((trace) => rowsOf(trace).map((row) => [plain(trace.name), ...row]));
  return [head, ...rows].map((row) => row.map((cell) => quoted(String(cell ?? ""))).join(",")).join("\r\n") + "\r\n";
}

for (const button of document.querySelectorAll("button[data-figure]")) {
  button.closest(".download").hidden = false;
  button.addEventListener("click", () => {
    const { figure: id, format, name } = button.dataset;
    if (format !== "csv") {
      if (drawn.has(id)) Plotly.downloadImage(id, { format, filename: name, scale: format === "png" ? 2 : 1 });
      return;
    }
    const href = URL.createObjectURL(new Blob([figureCsv(specs[id])], { type: "text/csv" }));
    Object.assign(document.createElement("a"), { href, download: name + ".csv" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10000);
  });
}
