"use strict";
// Sorting, filtering and searching of tables that are in the page already. State is kept in the address, so
// that a view can be sent as a link. All text comes from the page or goes through textContent.

const ROWS = 50;
const table = document.querySelector("table.board");
const controls = document.getElementById("controls");
const order = (cell) => (cell.dataset.v === undefined ? cell.textContent.trim().toLowerCase() : Number(cell.dataset.v));

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number") return -1;
  if (typeof b === "number") return 1;
  return a === "" ? 1 : b === "" ? -1 : a < b ? -1 : a > b ? 1 : 0;
}

function sortRows(board, column, descending) {
  for (const body of board.querySelectorAll("tbody.runs, tbody.apart")) sortBody(body, column, descending);
  [...board.tHead.rows[0].cells].forEach((th, i) => {
    if (i === column) th.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  });
}

function sortBody(body, column, descending) {
  const rows = [...body.querySelectorAll("tr[id]")].map((row, index) => ({ row, index, key: order(row.cells[column]) }));
  // Cells without a value stay at the end in both directions.
  const blank = ({ key }) => key === "";
  rows.sort((a, b) => blank(a) - blank(b) || (descending ? -1 : 1) * compare(a.key, b.key) || a.index - b.index);
  body.append(...rows.map(({ row }) => row));
}

function makeSortable(board, remember) {
  [...board.tHead.rows[0].cells].forEach((th, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = th.textContent;
    button.addEventListener("click", () => {
      const wasAscending = th.getAttribute("aria-sort") === "ascending";
      const first = th.className === "score" ? board.dataset.lower === undefined : ["size", "win", "read", "date"].includes(th.className);
      const descending = th.hasAttribute("aria-sort") ? wasAscending : first;
      sortRows(board, column, descending);
      remember(th.className, descending);
    });
    th.replaceChildren(button);
  });
}

function remember(changes) {
  const state = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) value ? state.set(key, value) : state.delete(key);
  const query = state.toString();
  history.replaceState(null, "", location.pathname + (query ? `?${query}` : "") + location.hash);
}

function labelled(text, control) {
  const label = document.createElement("label");
  label.append(text, control);
  return label;
}

function select(name, choices) {
  const control = document.createElement("select");
  control.name = name;
  for (const [value, text] of choices) control.add(new Option(text, value));
  return control;
}

function setUpBoard() {
  const rows = [...table.querySelectorAll("tbody.runs tr[id], tbody.apart tr[id]")];
  const [runsBody, apartBody] = [table.querySelector("tbody.runs"), table.querySelector("tbody.apart")];
  const apart = new Set(apartBody ? apartBody.querySelectorAll("tr[id]") : []);
  const state = new URLSearchParams(location.search);
  const search = Object.assign(document.createElement("input"), { type: "search", name: "q", placeholder: "Search models, authors, methods", value: state.get("q") || "" });
  search.setAttribute("aria-label", "Search");
  search.setAttribute("aria-keyshortcuts", "/");
  const tier = select("tier", [["", "all"], ["reproduced", "reproduced"], ["hidden-split", "hidden-split"], ["recomputed", "recomputed"]]);
  const ranks = select("rank", [["", "reproduced and hidden-split"], ["all", "everything"]]);
  const runs = select("runs", [["", "all submissions"], ["best", "best of each model"], ["certain", "better than every baseline"]]);
  tier.value = state.get("tier") || "";
  ranks.value = state.get("rank") === "all" ? "all" : "";
  runs.value = state.get("runs") || "";
  const status = Object.assign(document.createElement("span"), { className: "status" });
  status.setAttribute("role", "status");
  let limit = ROWS;
  const more = Object.assign(document.createElement("button"), { type: "button", className: "page" });
  more.addEventListener("click", () => ((limit += ROWS), page()));
  table.after(more);
  const baseline = table.querySelector("tbody.baselines td.score");
  const lower = table.dataset.lower !== undefined;

  function apply() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const seen = new Set();
    let shown = 0;
    const byRank = [...rows].sort((a, b) => apart.has(a) - apart.has(b) || a.cells[0].dataset.all - b.cells[0].dataset.all);
    for (const row of byRank) {
      const name = row.querySelector(".name");
      const text = `${row.querySelector("td.model").textContent} ${name.title}`.toLowerCase();
      const first = !seen.has(name.title.toLowerCase());
      seen.add(name.title.toLowerCase());
      const score = order(row.querySelector("td.score"));
      const limit = baseline ? order(baseline) : null;
      const above = limit === null || (lower ? score < limit : score > limit);
      row.hidden = !(
        words.every((word) => text.includes(word)) &&
        (!tier.value || row.querySelector("td.tier").textContent === tier.value) &&
        (runs.value !== "best" || first) &&
        (runs.value !== "certain" || above)
      );
      shown += !row.hidden;
    }
    status.textContent = shown === rows.length ? `${shown} submissions` : `${shown} of ${rows.length} submissions`;
    const part = apartBody?.querySelector("tr.part");
    if (part) part.hidden = ![...apartBody.querySelectorAll("tr[id]")].some((row) => !row.hidden);
    remember({ q: search.value, tier: tier.value, runs: runs.value, rank: ranks.value });
    page();
  }

  // Shows the first rows of those that are not filtered out, in the order of the table.
  function page() {
    const wanted = [...table.querySelectorAll("tbody.runs tr[id], tbody.apart tr[id]")].filter((row) => !row.hidden);
    const linked = wanted.findIndex((row) => location.hash && row.id === decodeURIComponent(location.hash.slice(1)));
    limit = Math.max(limit, Math.ceil((linked + 1) / ROWS) * ROWS);
    wanted.forEach((row, i) => row.classList.toggle("beyond", i >= limit));
    const rest = Math.max(0, wanted.length - limit);
    more.hidden = !rest;
    more.textContent = `Show ${Math.min(rest, ROWS)} more of ${rest}`;
  }

  // Ranks everything, or puts the rows that are only recomputed apart again.
  function rank() {
    const all = ranks.value === "all";
    const before = new Map(rows.map((row) => [row, row.cells[0].dataset.v]));
    for (const row of apart) (all ? runsBody : apartBody).append(row);
    for (const row of rows) {
      const cell = row.cells[0];
      cell.dataset.rank ??= before.get(row);
      cell.dataset.v = all ? cell.dataset.all : cell.dataset.rank;
      cell.firstElementChild.textContent = apart.has(row) && !all ? "–" : cell.dataset.v;
    }
    table.dataset.ranks = all ? "all" : "";
    const sorted = [...table.tHead.rows[0].cells].findIndex((th) => th.hasAttribute("aria-sort"));
    if (sorted >= 0) sortRows(table, sorted, table.tHead.rows[0].cells[sorted].getAttribute("aria-sort") === "descending");
    else for (const body of [runsBody, apartBody]) if (body) sortBody(body, 0, false);
    const empty = runsBody.querySelector("tr.empty");
    if (empty) empty.hidden = all;
  }

  ranks.addEventListener("input", rank);
  addEventListener("hashchange", page);
  for (const control of [search, ranks, tier, runs]) control.addEventListener("input", apply);
  controls.append(search, ...(apart.size ? [labelled("Rank", ranks)] : []), labelled("Tier", tier), labelled("Show", runs), status);
  controls.hidden = false;
  makeSortable(table, (sort, descending) => (remember({ sort, order: descending ? "down" : "up" }), page()));
  const column = [...table.tHead.rows[0].cells].findIndex((th) => th.className === state.get("sort"));
  if (column >= 0) sortRows(table, column, state.get("order") === "down");
  rank();
  apply();
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView({ block: "center" });
}

function moveFocus(step) {
  const links = [...document.querySelectorAll("tr:not([hidden], .beyond) a.name")];
  const at = links.indexOf(document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, at < 0 ? 0 : at + step))]?.focus();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector("input[type=search]");
  if (event.key === "/" && search) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "j" || event.key === "k") moveFocus(event.key === "j" ? 1 : -1);
});

if (table && controls) setUpBoard();
else document.querySelectorAll("table.board").forEach((board) => makeSortable(board, () => {}));
