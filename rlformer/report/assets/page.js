"use strict";

// Figures: colours are names in the specification and values in the style sheet, so one specification serves every theme.
const root = document.documentElement;
const specs = JSON.parse(document.getElementById("figures").textContent);

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

function draw() {
  const sans = getComputedStyle(root).getPropertyValue("--sans").trim();
  const config = { displaylogo: false, displayModeBar: "hover", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg" } };
  for (const [id, spec] of Object.entries(specs)) {
    const layout = themed(spec.layout);
    layout.font.family = sans;
    Plotly.react(id, themed(spec.data), layout, config);
  }
}

// The plotting library is a compressed block of this page; as a script it is admitted by its hash.
async function unpack() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

async function show() {
  await unpack();
  draw();
  const resized = new ResizeObserver((entries) => entries.forEach(({ target }) => Plotly.Plots.resize(target)));
  Object.keys(specs).forEach((id) => resized.observe(document.getElementById(id)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  for (const [event, printing] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(event, () => { root.classList.toggle("printing", printing); draw(); });
  }
}

show().catch((error) => {
  console.error(error);
  const text = "This browser cannot draw the figures (it needs DecompressionStream, of 2023); their numbers are in results.json.";
  Object.keys(specs).forEach((id) => { document.getElementById(id).textContent = text; });
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
const results = new Blob([document.getElementById("results").textContent], { type: "application/json" });
document.getElementById("download").href = URL.createObjectURL(results);

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
  const text = csv(document.getElementById(link.dataset.table));
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.hidden = false;
}
