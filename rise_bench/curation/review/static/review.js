// The page: which item is shown, what the keys do, and what the server is told. The server is the only one
// that writes decisions; each item has a version, so that two tabs do not lose each other's.
import { about, el, picture, row, stateOf } from "./drawing.js";
import { editorFor } from "./editors.js";

const PAGE = 50;
const at = (id) => document.getElementById(id);
const place = new URLSearchParams(location.search);
const view = { show: place.get("show") || "undecided", search: place.get("search") || "" };
const undoable = [];
let review = null;
let item = null;
let editor = null;
let asked = 0;
let busy = false;
let start = 0;
let noting = Promise.resolve();

const query = (values) => new URLSearchParams({ ...view, ...values });
const imageOf = (index) => `images/${document.body.dataset.review}/${index}`;
const draftOf = ({ id }) => `${document.body.dataset.review} ${id}`;

async function call(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is rise-bench review still running?");
  }
  if (answer.status === 403) throw new Error("This review has ended. Open the address that rise-bench review printed last.");
  const data = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(data.problem), { status: answer.status, data });
  return data;
}

function tell(text, problem = "") {
  at("status").textContent = text;
  at("problem").textContent = problem;
}

const guarded = (action) => async (...given) => {
  try {
    await action(...given);
  } catch (error) {
    tell("", error.message);
  }
};

function count({ items, decided }) {
  at("counts").textContent = `${decided} of ${items} decided`;
  at("bar").max = Math.max(1, items);
  at("bar").value = decided;
}

function draw() {
  stopEditing();
  at("picture").replaceChildren(picture(item, imageOf(item.index), explain));
  at("about").replaceChildren(...about(item));
  at("note").value = sessionStorage.getItem(draftOf(item)) ?? item.decision?.note ?? "";
  at("before").disabled = item.before === null;
  at("after").disabled = item.after === null;
  at("place").textContent = item.total ? `${Math.min(item.place + 1, item.total)} of ${item.total}` : "none";
  for (const button of at("deciding").querySelectorAll("[data-action]")) button.setAttribute("aria-pressed", String(item.decision?.action === button.dataset.action));
  document.querySelector("[data-action=accept]").disabled = !item.given;
  document.querySelector("[data-action=model]").disabled = !item.suggested;
  at("undo").disabled = !undoable.length;
  count(item.counts);
}

// An image that cannot be shown is asked for once more, for what the server says of it.
const explain = guarded(async (image) => {
  const answer = await fetch(image.src);
  throw new Error(answer.ok ? "The picture cannot be shown." : (await answer.json()).problem);
});

async function open(index, text = "") {
  const ask = ++asked;
  const next = await call(`api/items/${index}?${query()}`);
  if (ask !== asked) return;
  item = next;
  history.replaceState(null, "", `?${query({ item: index })}`);
  draw();
  tell(text || `${item.id}: ${stateOf(item.decision)}`);
  if (item.after !== null) new Image().src = imageOf(item.after);
  if (at("list").open) await list();
}

// The first item of the view; the item itself stays where it is if the view is empty.
async function arrange() {
  const { rows, total, counts } = await call(`api/items?${query({ start: 0, count: 1 })}`);
  start = 0;
  count(counts);
  const index = total ? rows[0].index : (item?.index ?? 0);
  await open(index, total ? "" : view.show === "undecided" && !view.search ? "Everything is decided." : "No item is in this view.");
}

async function list() {
  const { rows, total } = await call(`api/items?${query({ start, count: PAGE })}`);
  const made = rows.map((entry) => row(entry, entry.index === item?.index));
  made.forEach(([, button], i) => button.addEventListener("click", () => go(rows[i].index)));
  at("rows").replaceChildren(...made.map(([node]) => node));
  at("range").textContent = total ? `${start + 1}–${start + rows.length} of ${total}` : "none";
  at("earlier").disabled = start === 0;
  at("later").disabled = start + rows.length >= total;
}

async function put(index, version, action, values, note) {
  const body = JSON.stringify({ version, action, values, note });
  return call(`api/items/${index}?${query()}`, { method: "PUT", headers: { "Content-Type": "application/json" }, body });
}

// Saves and, unless it stays, goes on to the next item of the view.
async function decide(action, values = null, stays = false) {
  const of = item;
  const before = of.decision;
  const note = at("note").value;
  try {
    const saved = await put(of.index, of.version, action, values, note);
    sessionStorage.removeItem(draftOf(of));
    undoable.push({ index: of.index, id: of.id, before, version: saved.version });
    if (stays) return item === of ? open(of.index, "The note is saved.") : undefined;
    const text = `${of.id}: ${stateOf(saved.decision)}.`;
    // As of now: others may have decided what came next when the item was opened.
    const next = saved.after ?? saved.undecided;
    return open(next ?? of.index, next === null ? `${text} Everything is decided.` : text);
  } catch (error) {
    if (error.status !== 409) throw error;
    await open(of.index);
    tell("", `${of.id} was decided elsewhere in the meantime (now: ${stateOf(item.decision)}); your choice was not saved.`);
  }
}

async function undo() {
  const last = undoable.at(-1);
  if (!last) return;
  const { action = null, chosen = null, note = "" } = last.before || {};
  try {
    const saved = await put(last.index, last.version, action, chosen?.values ?? null, note);
    undoable.pop();
    // The item is again as its earlier decision left it, so that this can be undone in turn.
    const earlier = undoable.findLast((entry) => entry.index === last.index);
    if (earlier && earlier.version === last.version - 1) earlier.version = saved.version;
    await open(last.index, `${last.id}: undone.`);
  } catch (error) {
    if (error.status === 409) undoable.pop();
    await open(last.index);
    throw error;
  }
}

async function edit() {
  const of = item;
  const place = at("editor");
  const image = at("picture").querySelector("img");
  if (!image.complete) await new Promise((done) => ["load", "error"].forEach((name) => image.addEventListener(name, done)));
  if (of !== item || editor) return;
  const origins = [["Start from the label", item.given], ["Start from the model’s", item.suggested]].filter(([, annotation]) => annotation);
  const before = item.decision?.chosen || item.given || item.suggested;
  editor = editorFor(review.editor)({ item, classes: review.classes, values: before?.values, image, place });
  const buttons = origins.map(([label, annotation]) => {
    const button = el("button", { type: "button" }, label);
    button.addEventListener("click", () => editor.load(annotation.values));
    return button;
  });
  place.prepend(el("h2", {}, "Edit"), el("p", { class: "origins" }, ...buttons));
  document.body.classList.add("is-editing");
  at("deciding").hidden = true;
  at("editing").hidden = false;
  tell("Editing: Enter saves, Escape cancels.");
  (place.querySelector("input, textarea") || at("save")).focus({ preventScroll: true });
}

function stopEditing() {
  editor?.close();
  editor = null;
  at("editor").replaceChildren();
  document.body.classList.remove("is-editing");
  at("deciding").hidden = false;
  at("editing").hidden = true;
}

const save = guarded(async () => {
  await noting;
  if (editor) await decide("edit", editor.values());
});

function cancel() {
  draw();
  noted();
  tell("The edit was dropped.");
  at("item").focus({ preventScroll: true });
}

// Whether the item may be left: an edit is saved or cancelled first.
function leave() {
  if (editor) tell("", "Save the edit or cancel it first.");
  return !editor;
}

const go = guarded(async (index) => {
  if (!leave() || index === null) return;
  await noting;
  await open(index);
});

// A key that is pressed before the next item is there would decide about what nobody has seen: it is dropped.
const act = guarded(async (action) => {
  if (!item || busy || !leave()) return;
  busy = true;
  try {
    await noting;
    if (action === "edit") await edit();
    else if (action === "undo") await undo();
    else if (!document.querySelector(`[data-action=${action}]`).disabled) await decide(action);
  } finally {
    busy = false;
  }
});

// What follows a note waits until it is saved; of an undecided item, or while editing, it is kept here.
const note = guarded(async () => {
  if (!item) return;
  if (!item.decision || editor) return sessionStorage.setItem(draftOf(item), at("note").value);
  if (at("note").value.trim() !== item.decision.note) await decide(item.decision.action, item.decision.chosen?.values ?? null, true);
});
const noted = () => (noting = note());

const KEYS = {
  a: () => act("accept"),
  m: () => act("model"),
  e: () => act("edit"),
  s: () => act("skip"),
  u: () => act("undo"),
  n: () => at("note").focus(),
  h: () => document.body.classList.toggle("is-bare"),
  j: () => go(item?.after ?? null),
  ArrowRight: () => go(item?.after ?? null),
  k: () => go(item?.before ?? null),
  ArrowLeft: () => go(item?.before ?? null),
  "/": () => at("search").focus(),
  "?": () => at("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (at("help").open || (event.ctrlKey && event.key !== "Enter") || event.metaKey || event.altKey) return;
  const target = event.target;
  const writing = target.matches("textarea, select, input:not([type=range])");
  const pressing = target.matches("button, a, summary, select");
  let done = true;
  if (event.key === "Escape" && editor) cancel();
  else if (event.key === "Escape" && writing) target.blur();
  else if (event.key === "Enter" && editor && !pressing && (event.ctrlKey || !target.matches("textarea"))) target.blur(), save();
  else if (editor && !writing && editor.key?.(event)) done = true;
  else if (!editor && !writing && !event.ctrlKey && !event.repeat && Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else done = false;
  if (done) event.preventDefault();
});

for (const button of at("deciding").querySelectorAll("[data-action]")) button.addEventListener("click", () => act(button.dataset.action));
at("undo").addEventListener("click", () => act("undo"));
at("save").addEventListener("click", save);
at("cancel").addEventListener("click", cancel);
at("before").addEventListener("click", KEYS.k);
at("after").addEventListener("click", KEYS.j);
at("ask").addEventListener("click", KEYS["?"]);
at("note").addEventListener("change", noted);
at("list").addEventListener("toggle", guarded(async () => at("list").open && list()));
at("earlier").addEventListener("click", guarded(() => ((start = Math.max(0, start - PAGE)), list())));
at("later").addEventListener("click", guarded(() => ((start += PAGE), list())));
for (const name of ["show", "search"]) {
  at(name).value = view[name];
  at(name).addEventListener("change", guarded(async () => {
    if (!leave()) return;
    await noting;
    view[name] = at(name).value;
    await arrange();
  }));
}
addEventListener("beforeunload", (event) => editor && event.preventDefault());

guarded(async () => {
  review = await call("api/review");
  at("file").textContent = review.file;
  const index = place.get("item");
  if (index !== null && /^\d+$/.test(index)) await open(Number(index));
  else await arrange();
})();
