"use strict";
// The samples of one run, or of two side by side. Texts of models are untrusted: they are only ever set as
// textContent, and nothing in this file parses markup.

const PAGE = 20;
const SVG = "http://www.w3.org/2000/svg";
const main = { run: document.getElementById("run"), samples: document.getElementById("samples"), controls: document.getElementById("controls") };
const state = new URLSearchParams(location.search);
let shown = [];
let drawn = 0;
let more = null;

function el(tag, attributes = {}, ...children) {
  const svg = ["svg", "rect", "polygon", "text", "line"].includes(tag);
  const node = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const plainKey = (key) => (/^[A-Za-z0-9_-]{1,200}(\.[A-Za-z0-9_-]{1,200})?$/.test(key || "") ? key : null);

async function load(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function fail(text) {
  document.getElementById("plain").hidden = true;
  main.run.replaceChildren(el("h1", {}, "Samples"), el("p", { class: "lead" }, text));
}

const percent = (value) => `${(100 * value).toFixed(1)}`;

const number = (value, metric) => (metric.scale * value).toFixed(metric.digits);

// The metric of a single sample: the ranking one, or the similarity where that needs all samples.
function score(sample, { shown }) {
  if (shown.labels) return shown.labels[sample.score === shown.best ? 1 : 0];
  return `${shown.title} ${number(sample.score, shown)}`;
}

// How bad a sample is, from 0: what "worst first" sorts by. Labels are told apart by the similarity.
function badness(sample, { shown }) {
  const off = Math.abs(sample.score - shown.best);
  return shown.labels ? 2 * off + 1 - sample.similarity : off;
}

function facts(run, benchmark) {
  const { decoding, prompt, dataset } = run;
  const rows = [
    ["Model", run.model.id],
    ["Revision", run.model.revision],
    ["Method", run.model.method],
    ["Training samples", run.shots === "0-shot" ? "none (zero-shot)" : run.shots],
    ["Run by", `${run.run.by}, ${run.run.date}`],
    ["Sent by", run.path.split("/")[1]],
    ["Hardware", run.run.hardware],
    ["Decoding", `temperature ${decoding.temperature}, top-p ${decoding.top_p}, ${decoding.max_new_tokens} tokens, seed ${decoding.seed}`],
    ["Engine", decoding.engine],
    ["Prompt", `${prompt.style}, ${prompt.box_unit}, hash ${prompt.prompt_hash}`],
    ["Dataset", dataset.content_sha256.slice(0, 16)],
    ["Versions", Object.entries(run.run.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
    ["Unreadable", Object.entries(run.read).filter(([reason]) => reason !== "ok").map(([reason, count]) => `${count} ${reason}`).join(", ") || "none"],
  ];
  const list = el("dl", { class: "facts" });
  for (const [name, value] of rows) if (value) list.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  const numbers = Object.entries(run.recomputed).map(([name, value]) => `${benchmark.metrics[name].title} ${number(value, benchmark.metrics[name])}`).join(" · ");
  const parts = [el("p", { class: "about" }, numbers), el("details", {}, el("summary", {}, "Who ran it, on what, how"), list)];
  if (run.run.command) parts[1].append(el("pre", {}, run.run.command));
  if (run.notes) parts[1].append(el("p", {}, run.notes));
  return parts;
}

function outlines(annotation, kind) {
  return (annotation?.outlines || []).map((points) => el("polygon", { class: `outline ${kind}`, points: points.join(" ") }));
}

function picture(item, stated, other) {
  const { width, height } = item.truth;
  const hasParts = Boolean(item.truth.gold.outlines);
  if (!item.truth.image && !hasParts) return null;
  const figure = el("figure", { class: "picture" });
  const frame = { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "true and stated annotation" };
  const marks = hasParts ? [...outlines(item.truth.gold, "gold"), ...outlines(stated, "stated"), ...outlines(other, "other")] : [];
  if (item.truth.image) {
    const image = el("img", { src: item.truth.image, width, height, loading: "lazy", decoding: "async", alt: item.truth.category || "sample" });
    figure.append(el("div", { class: "frame" }, image, marks.length ? el("svg", { class: "over", preserveAspectRatio: "none", ...frame }, ...marks) : null));
    if (item.truth.license) figure.append(el("figcaption", {}, `Licence ${item.truth.license}`));
  } else {
    figure.append(el("svg", { class: "blank", ...frame }, ...marks));
    figure.append(el("figcaption", {}, "The image may not be republished; annotations are drawn on an empty frame."));
  }
  return figure;
}

function bars(truth, stated, classes) {
  const line = 15;
  const top = Math.max(0.2, ...truth, ...(stated || []));
  const order = classes.map((_, i) => i).filter((i) => classes.length <= 10 || truth[i] > 0.005 || (stated && stated[i] > 0.005));
  const drawing = el("svg", { class: "bars", viewBox: `0 0 340 ${order.length * line * 1.6}`, role: "img", "aria-label": "true and stated distribution" });
  order.forEach((i, row) => {
    const y = row * line * 1.6;
    drawing.append(el("text", { x: 0, y: y + 13 }, classes[i].slice(0, 18)));
    drawing.append(el("rect", { class: "gold", x: 110, y: y + 2, width: (140 * Math.min(truth[i], top)) / top, height: 7, rx: 1.5 }));
    if (stated) drawing.append(el("rect", { class: "stated", x: 110, y: y + 11, width: (140 * Math.min(Math.max(stated[i], 0), top)) / top, height: 7, rx: 1.5 }));
    drawing.append(el("text", { class: "number", x: 336, y: y + 14 }, stated ? `${percent(truth[i])} / ${percent(stated[i])}` : percent(truth[i])));
  });
  return drawing;
}

function said(sample, benchmark, truth, name) {
  const part = el("div", { class: "said" });
  part.append(el("h4", {}, el("span", {}, name || ""), el("span", { class: sample.reason ? "why" : "" }, sample.reason ? `unreadable: ${sample.reason}` : score(sample, benchmark))));
  if (truth.gold.shares) part.append(bars(truth.gold.shares, sample.stated?.shares, benchmark.classes));
  part.append(el("p", { class: "think" }, sample.think || "(no chain of thought)"));
  part.append(el("p", { class: "answer raw" }, sample.answer || "(no answer)"));
  if (sample.raw !== undefined) part.append(el("details", {}, el("summary", {}, "Raw response"), el("p", { class: "raw" }, sample.raw || "(empty)")));
  return part;
}

function card(item, view) {
  const { benchmark, first, second } = view;
  const figure = picture(item, item.a.stated, item.b?.stated);
  const link = new URLSearchParams(location.search);
  link.set("id", item.id);
  const node = el("article", { class: `sample${second ? " two" : ""}${figure ? "" : " alone"}`, id: `s-${item.id}`, tabindex: -1 });
  const asked = item.truth.question || (item.truth.category ? `every ${item.truth.category}` : "");
  node.append(el("h3", {}, el("a", { href: `?${link}`, title: "Link to this sample" }, item.id), el("b", {}, asked)));
  if (figure) node.append(figure);
  if (item.truth.text) node.append(el("p", { class: "answer truth" }, item.truth.text));
  node.append(said(item.a, benchmark, item.truth, second ? first.run.model.name : ""));
  if (item.b) node.append(said(item.b, benchmark, item.truth, second.run.model.name));
  if (item.id === state.get("id")) node.classList.add("here");
  return node;
}

function draw(view) {
  const next = shown.slice(drawn, drawn + PAGE);
  drawn += next.length;
  main.samples.append(...next.map((item) => card(item, view)));
  more.hidden = drawn >= shown.length;
  more.textContent = `Show ${Math.min(PAGE, shown.length - drawn)} more of ${shown.length - drawn}`;
}

function arrange(view) {
  const { benchmark, items } = view;
  const words = (state.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
  const only = state.get("only") || "";
  const bad = (item) => badness(item.a, benchmark);
  const orders = {
    worst: (a, b) => bad(b) - bad(a),
    best: (a, b) => bad(a) - bad(b),
    differ: (a, b) => Math.abs(bad(b) - badness(b.b, benchmark)) - Math.abs(bad(a) - badness(a.b, benchmark)),
    id: () => 0,
  };
  const chosen = state.get("sort") || "worst";
  const limit = items.map(bad).sort((a, b) => b - a)[Math.ceil(items.length / 10) - 1];
  shown = items.filter((item) => {
    if (only === "unreadable" && !item.a.reason) return false;
    if (only === "worst" && bad(item) < limit) return false;
    if (only.startsWith("=") && item.group !== only.slice(1)) return false;
    const text = `${item.id} ${item.a.think} ${item.a.answer} ${item.truth.question || ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  if (orders[chosen] && (chosen !== "differ" || view.second)) shown.sort(orders[chosen]);
  const wanted = shown.findIndex((item) => item.id === state.get("id"));
  if (wanted > 0) shown.unshift(...shown.splice(wanted, 1));
  drawn = 0;
  main.samples.replaceChildren();
  document.getElementById("status").textContent = `${shown.length} of ${items.length} samples`;
  draw(view);
}

function remember(name, value) {
  value ? state.set(name, value) : state.delete(name);
  if (name !== "id") state.delete("id");
  history.replaceState(null, "", `?${state}`);
}

function choice(name, label, choices, apply) {
  const control = el("select", { name });
  for (const [value, text] of choices) control.add(new Option(text, value));
  control.value = state.get(name) || "";
  control.addEventListener("input", () => {
    remember(name, control.value);
    apply();
  });
  return el("label", {}, label, control);
}

function setUpControls(view, others) {
  const again = () => arrange(view);
  const search = el("input", { type: "search", placeholder: "Search texts", "aria-label": "Search texts", "aria-keyshortcuts": "/" });
  search.value = state.get("q") || "";
  search.addEventListener("input", () => {
    remember("q", search.value);
    again();
  });
  const groups = [...new Set(view.items.map((item) => item.group))].sort();
  const sorts = [["", "worst first"], ["best", "best first"], ["id", "by id"]];
  if (view.second) sorts.splice(2, 0, ["differ", "largest difference first"]);
  main.controls.replaceChildren(
    search,
    choice("sort", "Order", sorts, again),
    choice("only", "Show", [["", "all"], ["worst", "the worst tenth"], ["unreadable", "unreadable"], ...groups.filter(Boolean).map((group) => [`=${group}`, group])], again),
    choice("with", "Compare with", [["", "nobody"], ...others], () => location.reload()),
    el("span", { class: "status", id: "status", role: "status" }),
  );
  main.controls.hidden = false;
  more = el("button", { type: "button", id: "more" });
  more.addEventListener("click", () => draw(view));
  main.samples.after(more);
}

function legend(view) {
  const partsOfTwo = view.second && view.items.some((item) => item.truth.gold.outlines);
  const keys = [el("span", { class: "key" }, "truth"), el("span", { class: "key stated" }, partsOfTwo ? view.first.run.model.name : "answer")];
  if (partsOfTwo) keys.push(el("span", { class: "key other" }, view.second.run.model.name));
  return el("p", { class: "legend" }, ...keys);
}

function groupOf(truth, benchmark) {
  if (truth.category) return truth.category;
  const { shares } = truth.gold;
  return shares ? benchmark.classes[shares.indexOf(Math.max(...shares))] : "";
}

async function start() {
  const key = plainKey(state.get("run"));
  const other = plainKey(state.get("with"));
  if (!key) return fail("No run is named. Open one from a table.");
  const [first, second] = await Promise.all([load(`runs/${key}.json`), other && other !== key ? load(`runs/${other}.json`) : null]);
  const name = first.run.benchmark;
  const [{ benchmark, samples: truths }, index] = await Promise.all([load(`gold/${name}.json`), load(`runs/index-${name}.json`)]);
  const pairs = second && second.run.benchmark === name ? new Map(second.samples.map((sample) => [sample.id, sample])) : null;
  const items = first.samples.map((a) => ({ id: a.id, a, b: pairs?.get(a.id), truth: truths[a.id], group: groupOf(truths[a.id], benchmark) }));
  const view = { benchmark, first, second: pairs && second, items };
  const shots = first.run.shots === "0-shot" ? "full" : first.run.shots;
  document.title = `${first.run.model.name} · ${document.title}`;
  document.getElementById("plain").hidden = true;
  main.run.replaceChildren(
    el("h1", {}, first.run.model.name),
    el("p", { class: "about" }, `${benchmark.question.replace("{question}", "").replace("{category}", "…").trim()} `, el("a", { href: `${name}-${shots}.html#${key}` }, "Back to the table")),
    ...facts(first.run, benchmark),
    legend(view),
  );
  const ranking = benchmark.metrics[benchmark.metric];
  const others = index.filter(([runKey]) => runKey !== key).sort((a, b) => (ranking.higher_is_better ? b[3] - a[3] : a[3] - b[3]));
  setUpControls(view, others.map(([runKey, model, runShots, value]) => [runKey, `${number(value, ranking)}  ${model} (${runShots})`]));
  arrange(view);
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const cards = [...main.samples.children];
  const at = cards.indexOf(document.activeElement?.closest(".sample"));
  if (event.key === "/") {
    event.preventDefault();
    main.controls.querySelector("input")?.focus();
  } else if (event.key === "j" || event.key === "k") {
    const next = cards[Math.min(cards.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
    next?.focus();
    next?.scrollIntoView({ block: "start" });
  }
});

// A browser that opened the page from disk lets it read no other file.
const SERVE = "Open this page through a file server: run “python -m http.server” in the folder of the site and open http://localhost:8000.";
if (location.protocol === "file:") fail(SERVE);
else start().catch((error) => fail(`The samples could not be loaded (${error.message}). Is the site complete, and is the run still shown?`));
