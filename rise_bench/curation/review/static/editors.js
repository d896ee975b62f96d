// How an annotation is edited. An editor takes a place and returns `values()` (what is saved, as JSON),
// `close()` and, if it has use for keys, `key(event)`. Which one a kind of annotation wants is its own word;
// what is unknown here is edited as JSON.
import { el } from "./drawing.js";

// Annotorious over an image. What is asked of an annotation that is gone, or of a closed editor, does nothing:
// a field that is removed reports late that it was left or changed.
function annotate(image, options) {
  // Annotorious joins a change in the first 250 ms of a page to the change before it, so there has to be one.
  const initialHistory = { changes: [{}], pointer: -1 };
  const annotator = globalThis.Annotorious.createImageAnnotator(image, { autoSave: true, initialHistory, ...options });
  let open = true;
  const get = (id) => (open ? annotator.getAnnotationById(id) : undefined);
  return {
    annotator,
    get,
    choose: (id) => get(id) && annotator.setSelected(id),
    remove: (id) => get(id) && annotator.removeAnnotation(id),
    whileOpen: (action) => () => open && action(),
    close() {
      open = false;
      annotator.destroy();
    },
  };
}

const number = (value) => Math.round(value * 100) / 100;

function geometry([x, y, w, h]) {
  return { x, y, w, h, bounds: { minX: x, minY: y, maxX: x + w, maxY: y + h } };
}

const SIDES = [["x", "left"], ["y", "top"], ["w", "width"], ["h", "height"]];

// Boxes [x, y, w, h] in pixels, dragged over the picture or typed.
function boxes({ item, values, image, place }) {
  const start = new Map();
  const { annotator, get, choose, remove, whileOpen, close } = annotate(image);
  const make = (box) => {
    const id = crypto.randomUUID();
    return { id, bodies: [], target: { annotation: id, selector: { type: "RECTANGLE", geometry: geometry(box) } } };
  };
  const list = el("tbody");
  const fields = new Map();

  // What the picture has now: a box that nobody touched keeps its numbers, another one stays in the picture.
  function boxOf({ id, target }) {
    const { x, y, w, h } = target.selector.geometry;
    const before = start.get(id);
    if (before && [x, y, w, h].every((side, i) => side === before[i])) return before;
    const [left, right] = [x, x + w].map((side) => number(Math.min(item.width_px, Math.max(0, side))));
    const [top, bottom] = [y, y + h].map((side) => number(Math.min(item.height_px, Math.max(0, side))));
    return [left, top, number(right - left), number(bottom - top)];
  }

  const current = () => {
    const order = [...fields.keys()];
    return annotator.getAnnotations().sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  };

  function type(id) {
    const annotation = get(id);
    if (!annotation) return;
    const before = boxOf(annotation);
    const box = fields.get(id).map((field, i) => (field.value === "" ? before[i] : Number(field.value))); // "" is not a number
    fields.get(id).forEach((field, i) => (field.value = number(box[i])));
    annotator.updateAnnotation({ ...annotation, target: { ...annotation.target, selector: { type: "RECTANGLE", geometry: geometry(box) } } });
  }

  function add(id) {
    const inputs = SIDES.map(([, name]) => {
      const input = el("input", { type: "number", step: "any", "aria-label": name });
      input.addEventListener("change", () => type(id));
      input.addEventListener("focus", () => choose(id));
      return input;
    });
    const cross = el("button", { type: "button", "aria-label": "Remove this box" }, "×");
    cross.addEventListener("click", () => remove(id));
    fields.set(id, inputs);
    list.append(el("tr", { "data-id": id }, ...inputs.map((input) => el("td", {}, input)), el("td", {}, cross)));
  }

  function refresh() {
    const there = new Map(annotator.getAnnotations().map((annotation) => [annotation.id, annotation]));
    for (const row of [...list.children]) if (!there.has(row.dataset.id)) fields.delete(row.dataset.id), row.remove();
    for (const [id, annotation] of there) {
      if (!fields.has(id)) add(id);
      const box = boxOf(annotation);
      fields.get(id).forEach((field, i) => field !== document.activeElement && (field.value = number(box[i])));
    }
    const chosen = new Set(annotator.getSelected().map(({ id }) => id));
    for (const row of list.children) row.classList.toggle("chosen", chosen.has(row.dataset.id));
  }

  function load(stated) {
    const made = stated.map(make);
    start.clear();
    made.forEach(({ id }, i) => start.set(id, stated[i]));
    annotator.setAnnotations(made);
    refresh();
  }

  const more = el("button", { type: "button" }, "Add a box");
  more.addEventListener("click", whileOpen(() => {
    const [width, height] = [item.width_px, item.height_px];
    const annotation = make([width / 4, height / 4, width / 2, height / 2].map(number));
    annotator.addAnnotation(annotation);
    refresh();
    choose(annotation.id);
    fields.get(annotation.id)[0].focus();
  }));
  const head = el("thead", {}, el("tr", {}, ...SIDES.map(([, name]) => el("th", { scope: "col" }, name)), el("th", {})));
  place.append(el("p", { class: "note" }, "Draw a box on the picture, or choose one to move it and its corners; in pixels:"), el("table", { class: "numbers" }, head, list), more);
  // A drag beside the boxes draws a new one, also while one is chosen.
  annotator.element.addEventListener("pointerdown", (event) => event.target.closest(".a9s-annotation") || annotator.setSelected(), true);
  annotator.state.store.observe(whileOpen(refresh));
  annotator.on("selectionChanged", whileOpen(refresh));
  load(values || []);
  return {
    load,
    values: () => current().map(boxOf),
    close,
    key(event) {
      if (event.key !== "Delete" && event.key !== "Backspace") return false;
      for (const { id } of annotator.getSelected()) remove(id);
      return true;
    },
  };
}

// Closed outlines of points [x, y] in pixels, dragged over the picture or drawn point by point.
function outlines({ item, values, image, place }) {
  const start = new Map();
  const { annotator, choose, remove, whileOpen, close } = annotate(image, { drawingMode: "click" });
  const make = (points) => {
    const id = crypto.randomUUID();
    const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
    const bounds = { minX: Math.min(...xs), minY: Math.min(...ys), maxX: Math.max(...xs), maxY: Math.max(...ys) };
    return { id, bodies: [], target: { annotation: id, selector: { type: "POLYGON", geometry: { points, bounds } } } };
  };
  const list = el("tbody");
  const rows = new Map();
  let rest = [];

  // What the picture has now: an outline that nobody touched keeps its numbers, another one stays in the picture.
  function outlineOf({ id, target }) {
    const points = target.selector.geometry.points;
    const before = start.get(id);
    if (before && JSON.stringify(before) === JSON.stringify(points)) return before;
    return points.map(([x, y]) => [[x, item.width_px], [y, item.height_px]].map(([side, limit]) => number(Math.min(limit, Math.max(0, side)))));
  }

  function add(id) {
    const label = el("button", { type: "button" });
    label.addEventListener("click", () => choose(id));
    const cross = el("button", { type: "button", "aria-label": "Remove this outline" }, "×");
    cross.addEventListener("click", () => remove(id));
    rows.set(id, label);
    list.append(el("tr", { "data-id": id }, el("td", {}, label), el("td", {}, cross)));
  }

  function refresh() {
    const there = new Map(annotator.getAnnotations().map((annotation) => [annotation.id, annotation]));
    for (const row of [...list.children]) if (!there.has(row.dataset.id)) rows.delete(row.dataset.id), row.remove();
    for (const [id, annotation] of there) {
      if (!rows.has(id)) add(id);
      rows.get(id).textContent = `Outline of ${outlineOf(annotation).length} points`;
    }
    const chosen = new Set(annotator.getSelected().map(({ id }) => id));
    for (const row of list.children) row.classList.toggle("chosen", chosen.has(row.dataset.id));
  }

  function load(stated) {
    const given = stated.filter(Array.isArray);
    const others = stated.filter((value) => !Array.isArray(value));
    if (others.length) rest = others; // what is ignored stays as it is, also where the model's label has none
    const made = given.map(make);
    start.clear();
    made.forEach(({ id }, i) => start.set(id, given[i]));
    annotator.setAnnotations(made);
    refresh();
  }

  const more = el("button", { type: "button" }, "Add an outline");
  more.addEventListener("click", whileOpen(() => {
    const [width, height] = [item.width_px, item.height_px];
    const annotation = make([[1, 1], [3, 1], [3, 3], [1, 3]].map(([x, y]) => [number((x * width) / 4), number((y * height) / 4)]));
    annotator.addAnnotation(annotation);
    refresh();
    choose(annotation.id);
  }));
  annotator.setDrawingTool("polygon");
  place.append(el("p", { class: "note" }, "Click the corners of an outline on the picture, the first one again to close it, or choose one to move it and its corners:"), el("table", { class: "numbers" }, list), more);
  annotator.state.store.observe(whileOpen(refresh));
  annotator.on("selectionChanged", whileOpen(refresh));
  load(values || []);
  return {
    load,
    values() {
      const order = [...rows.keys()];
      const outlined = annotator.getAnnotations().sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
      return [...outlined.map(outlineOf), ...rest];
    },
    close,
    key(event) {
      if (event.key !== "Delete" && event.key !== "Backspace") return false;
      for (const { id } of annotator.getSelected()) remove(id);
      return true;
    },
  };
}

// A share for each class; moving one scales the others, so that the sum stays 1.
function shares({ classes, values, place }) {
  let now = [];
  const rows = classes.map((name, i) => {
    const slider = el("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": name });
    const field = el("input", { type: "number", min: 0, max: 100, step: 1, "aria-label": `${name}, per cent` });
    const only = el("button", { type: "button", title: "Nothing but this class" }, name);
    slider.addEventListener("input", () => set(i, Number(slider.value)));
    field.addEventListener("change", () => (field.value === "" ? draw() : set(i, Number(field.value) / 100)));
    only.addEventListener("click", () => set(i, 1));
    place.append(el("div", { class: "share" }, only, slider, field));
    return { slider, field };
  });

  function set(index, wanted) {
    const share = Math.min(1, Math.max(0, wanted || 0));
    const others = now.reduce((sum, value, i) => sum + (i === index ? 0 : value), 0);
    const left = 1 - share;
    now = now.map((value, i) => (i === index ? share : others > 0 ? (value * left) / others : left / (now.length - 1)));
    draw();
  }

  function draw() {
    rows.forEach(({ slider, field }, i) => {
      slider.value = now[i];
      field.value = Math.round(1000 * now[i]) / 10;
    });
  }

  function load(stated) {
    const sum = stated.reduce((total, value) => total + Math.max(0, value), 0);
    now = classes.map((_, i) => (sum > 0 ? Math.max(0, stated[i]) / sum : 1 / classes.length));
    draw();
  }

  load(values || []);
  return { load, values: () => now, close: () => {} };
}

// Whatever it is, as JSON.
function text({ values, place }) {
  const area = el("textarea", { rows: 6, class: "raw", "aria-label": "Annotation as JSON", spellcheck: "false" });
  const load = (stated) => (area.value = JSON.stringify(stated, null, 1));
  place.append(el("label", {}, "Annotation as JSON; Ctrl+Enter saves", area));
  load(values || []);
  return {
    load,
    values() {
      try {
        return JSON.parse(area.value);
      } catch (error) {
        throw new Error(`This is not JSON: ${error.message}`);
      }
    },
    close: () => {},
  };
}

export const editorFor = (name) => ({ boxes, outlines, shares })[name] || text;
