// How an item is drawn. Texts of models and data are untrusted: they are only ever set as textContent, and
// nothing in these files parses markup.

const SVG = "http://www.w3.org/2000/svg";
const ACTIONS = { accept: "label accepted", model: "model’s label taken", edit: "edited", skip: "skipped" };

export function el(tag, attributes = {}, ...children) {
  const node = ["svg", "polygon"].includes(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export const stateOf = (decision) => (decision ? ACTIONS[decision.action] : "undecided");

const short = (value) => (Number.isInteger(value) ? String(value) : value.toPrecision(3));

// [label, annotation, class] of what is shown of an item.
const layers = (item) =>
  [
    ["label", item.given, "gold"],
    ["model", item.suggested, "stated"],
    ["your edit", item.decision?.action === "edit" ? item.decision.chosen : null, "chosen"],
  ].filter(([, annotation]) => annotation);

const outlines = (annotation, kind) => annotation.outlines.map((points) => el("polygon", { class: `outline ${kind}`, points: points.join(" ") }));

const nameOf = (item) => item.question || (item.category ? `every ${item.category}` : item.id);

export function picture(item, address, failed) {
  const image = el("img", { src: address, alt: `Picture of ${item.id}`, width: item.width_px, height: item.height_px, decoding: "async" });
  image.addEventListener("error", () => failed(image));
  const frame = el("div", { class: "frame" }, image);
  // Several pictures of a row come side by side as one, wider than the row says.
  image.addEventListener("load", () => frame.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight));
  frame.style.setProperty("--ratio", item.width_px / item.height_px);
  const marks = layers(item).flatMap(([, annotation, kind]) => outlines(annotation, kind));
  if (marks.length) frame.append(el("svg", { class: "over", viewBox: `0 0 ${item.width_px} ${item.height_px}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...marks));
  return el("figure", { class: "picture" }, frame);
}

function legend(item) {
  const key = (name, annotation, kind) => el("span", { class: `key ${kind}` }, annotation ? name : `no ${name}`);
  const keys = [key("label", item.given, "gold"), key("model’s label", item.suggested, "stated")];
  if (item.decision?.action === "edit") keys.push(key("your edit", item.decision.chosen, "chosen"));
  return el("p", { class: "legend" }, ...keys);
}

// A table of classes with a bar for each annotation; classes that all find impossible are left out where there
// are many.
function shares(item) {
  const shown = layers(item).filter(([, annotation]) => annotation.shares.length);
  if (!shown.length) return null;
  const names = shown[0][1].shares.map(([name]) => name);
  const rows = names.map((name, i) => [name, shown.map(([, annotation, kind]) => [annotation.shares[i][1], kind])]);
  const kept = rows.filter(([, values]) => names.length <= 10 || values.some(([value]) => value > 0.005));
  const head = el("thead", { class: "unseen" }, el("tr", {}, el("th", {}, "class"), el("th", {}, "bars"), ...shown.map(([label]) => el("th", {}, label))));
  const body = el("tbody");
  for (const [name, values] of kept) {
    const bars = values.map(([value, kind]) => {
      const bar = el("div", { class: `bar ${kind}` });
      bar.style.width = `${100 * Math.min(1, Math.max(0, value))}%`;
      return bar;
    });
    const cells = values.map(([value, kind]) => el("td", { class: `number ${kind}` }, (100 * value).toFixed(1)));
    body.append(el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "track", "aria-hidden": "true" }, ...bars), ...cells));
  }
  return el("table", { class: "shares" }, head, body);
}

function texts(item) {
  const shown = layers(item).filter(([, annotation]) => !annotation.shares.length);
  if (!shown.length) return null;
  const list = el("dl", { class: "texts" });
  for (const [label, annotation, kind] of shown) list.append(el("dt", { class: `key ${kind}` }, label), el("dd", { class: "raw" }, annotation.text));
  return shown.some(([, annotation]) => annotation.outlines.length) ? el("details", {}, el("summary", {}, "Coordinates"), list) : list;
}

function scores(item) {
  if (!item.scores.length) return null;
  const list = el("dl", { class: "scores" });
  for (const [name, value] of item.scores) list.append(el("div", {}, el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, value === null ? "–" : short(value))));
  return el("section", {}, el("h3", {}, "Scores"), list);
}

function prose(title, text, kind) {
  return text ? el("section", {}, el("h3", {}, title), el("p", { class: kind }, text)) : null;
}

export function about(item) {
  const state = el("span", { class: `state ${item.decision?.action || ""}` }, stateOf(item.decision));
  const why = item.why.length ? el("section", {}, el("h3", {}, "Why it is here"), el("ul", { class: "why" }, ...item.why.map((text) => el("li", {}, text)))) : null;
  return [
    el("h2", {}, nameOf(item)),
    el("p", { class: "name" }, el("code", {}, item.id), state),
    item.decision?.problem ? el("p", { class: "why" }, item.decision.problem) : null,
    legend(item),
    shares(item),
    texts(item),
    why,
    prose("The model’s reason", item.reason, "think"),
    scores(item),
  ].filter(Boolean);
}

export function row(entry, current) {
  const rank = entry.rank === null ? "" : short(entry.rank);
  const button = el("button", { type: "button", "aria-current": current ? "true" : null }, el("span", { class: "id" }, entry.id), el("span", { class: "rank" }, rank), el("span", { class: `state ${entry.action || ""}` }, stateOf(entry.action && entry)));
  return [el("li", {}, button), button];
}
