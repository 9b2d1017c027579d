"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const PER_PAGE = 60, FLAWED = 0.5;
const byId = (id) => document.getElementById(id);
const thresholds = { ...data.thresholds };
let shown = [], page = 0, place = 0;

function make(tag, style, text) {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}
const whole = (n) => n.toLocaleString("en-US");
const images = (n) => `${whole(n)} ${n === 1 ? "image" : "images"}`;
const decimals = (p) => (p === null || p === undefined ? "N/A" : p.toFixed(3).replace(/^0\./, "."));
const pOf = (row, dimension) => row["p_" + dimension];
const isOver = (row, dimension) => pOf(row, dimension) !== null && pOf(row, dimension) >= thresholds[dimension];
const chosen = () => (byId("dimension").value ? [byId("dimension").value] : data.dimensions);
const isFlagged = (row) => chosen().some((one) => isOver(row, one));
const isFlawed = (entity) => data.dimensions.some((one) => pOf(entity, one) !== null && pOf(entity, one) >= FLAWED);

/* Counts */
function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
const allP = {};
for (const one of data.dimensions) {
  allP[one] = data.all_p ? unpack(data.all_p[one]) : Float64Array.from(data.images, (row) => pOf(row, one) ?? NaN);
}
function countFlagged() {
  const counts = Object.fromEntries(data.dimensions.map((one) => [one, 0]));
  let either = 0;
  const limits = data.dimensions.map((one) => (data.all_p ? Math.fround(thresholds[one]) : thresholds[one]));
  for (let at = 0; at < data.total; at++) {
    let any = false;
    data.dimensions.forEach((one, number) => {
      if (allP[one][at] >= limits[number]) { counts[one] += 1; any = true; }
    });
    either += any;
  }
  const share = (n) => `${whole(n)} of ${images(data.total)} flagged (${data.total ? ((100 * n) / data.total).toFixed(1) : "0.0"}\u00a0%)`;
  for (const one of data.dimensions) byId("count-" + one).textContent = share(counts[one]);
  byId("count-either").textContent = `In either: ${share(either)}`;
}

/* Filters */
function scoreOf(row) {
  const question = byId("question").value, dimension = byId("dimension").value;
  const score = question ? row.p_question[question] : dimension ? pOf(row, dimension) : row.severity;
  return score === null || score === undefined ? -1 : score;
}
const haystacks = new Map();
function textOf(row) {
  let text = haystacks.get(row);
  if (text === undefined) {
    const parts = [row.image, row.prompt, row.prompt_id, row.generator, row.reason, row.same_as];
    for (const entity of row.entities) parts.push(entity.label, ...Object.values(entity.reasons));
    text = parts.filter(Boolean).join("\n").toLowerCase();
    haystacks.set(row, text);
  }
  return text;
}
function filter() {
  const question = data.questions.find((one) => one.name === byId("question").value);
  const generator = byId("generator").selectedOptions[0].dataset.name;
  const state = byId("state").value;
  const words = byId("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (row) =>
    (!question || row.entities.some((entity) => entity.answers[question.name].answer === question.defect)) &&
    (generator === undefined || row.generator === generator) &&
    (!state || (state === "flagged" ? isFlagged(row) : state === "passed" ? row.severity !== null && !isFlagged(row) : row.state === state)) &&
    (!words.length || words.every((word) => textOf(row).includes(word)));
  shown = data.images.filter(fits).map((row) => [scoreOf(row), row]);
  shown.sort((a, b) => b[0] - a[0]);
  shown = shown.map((ranked) => ranked[1]);
  page = 0;
  place = 0;
  draw();
}

/* Pictures */
const DIGEST = /^[0-9a-f]{64}$/;
function drawStage(row, marked) {
  const stage = make("div", "stage");
  const width = row.width || 1, height = row.height || 1;
  stage.style.aspectRatio = `${width} / ${height}`;
  stage.style.width = width >= height || marked ? "100%" : `${(100 * width) / height}%`;
  const why = row.state === "refused" ? row.reason || "refused" : "no thumbnail";
  if (!DIGEST.test(row.pixels || "")) {
    stage.append(make("div", "none", why));
    return stage;
  }
  const image = make("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.alt = "";
  image.addEventListener("error", () => image.replaceWith(make("div", "none", why)));
  image.src = `${data.thumbnails}/${row.pixels.slice(0, 2)}/${row.pixels}.jpg`;
  stage.append(image);
  row.entities.forEach((entity, at) => {
    const [x1, y1, x2, y2] = entity.bbox;
    const box = make("span", isFlawed(entity) ? "box flawed" : "box");
    box.style.left = `${(100 * x1) / width}%`;
    box.style.top = `${(100 * y1) / height}%`;
    box.style.width = `${(100 * (x2 - x1)) / width}%`;
    box.style.height = `${(100 * (y2 - y1)) / height}%`;
    if (marked) {
      box.dataset.entity = at;
      box.append(make("b", "", at + 1));
    }
    stage.append(box);
  });
  return stage;
}
function drawMeter(name, p, over) {
  const meter = make("span", over ? "meter over" : "meter");
  const track = make("span", "track");
  const bar = make("i");
  bar.style.width = `${100 * (p ?? 0)}%`;
  track.append(bar);
  meter.append(make("span", "of", name), track, make("span", "p", decimals(p)));
  return meter;
}
function firstReason(row) {
  if (row.state === "refused" || row.state === "unread") return row.reason || "";
  const reasons = row.entities.flatMap((entity) => Object.values(entity.reasons).filter(Boolean));
  return reasons[0] || (row.entities.length ? "" : "no entity found");
}
function drawTile(row, at) {
  const item = make("li");
  const tile = make("button", isFlagged(row) ? "tile flagged" : "tile");
  tile.type = "button";
  tile.tabIndex = at === place ? 0 : -1;
  tile.dataset.at = at;
  const square = make("div", "square");
  square.append(drawStage(row, false));
  const about = make("div", "about");
  const name = make("span", "name", row.image);
  name.title = row.image;
  about.append(name);
  for (const one of data.dimensions) about.append(drawMeter(one, pOf(row, one), isOver(row, one)));
  about.append(make("span", "why", firstReason(row)));
  if (row.state !== "judged") about.append(make("span", "badge " + (row.state === "repeated" ? "plain" : "warn"), row.state));
  tile.append(square, about);
  tile.addEventListener("click", () => { place = at; open(); });
  item.append(tile);
  return item;
}
function draw() {
  const pages = Math.max(1, Math.ceil(shown.length / PER_PAGE));
  page = Math.min(page, pages - 1);
  const first = page * PER_PAGE;
  const tiles = shown.slice(first, first + PER_PAGE).map((row, at) => drawTile(row, first + at));
  byId("grid").replaceChildren(...(tiles.length ? tiles : [make("li", "empty", data.total ? "No image fits these filters." : "No image was screened.")]));
  const flagged = shown.filter(isFlagged).length;
  byId("found").textContent = `${whole(shown.length)} of ${images(data.images.length)} listed, ${whole(flagged)} of them flagged`;
  byId("page").textContent = `page ${whole(page + 1)} of ${whole(pages)}`;
  byId("before").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
}
function turn(to) {
  const pages = Math.ceil(shown.length / PER_PAGE);
  if (to < 0 || to >= pages) return;
  page = to;
  place = to * PER_PAGE;
  draw();
}
function select(to) {
  if (!shown.length) return;
  place = Math.min(Math.max(to, 0), shown.length - 1);
  const on = Math.floor(place / PER_PAGE);
  if (on !== page) { page = on; draw(); }
  for (const tile of document.querySelectorAll(".tile")) tile.tabIndex = Number(tile.dataset.at) === place ? 0 : -1;
  const tile = document.querySelector(`.tile[data-at="${place}"]`);
  if (byId("details").open) open();
  else if (tile) { tile.focus(); tile.scrollIntoView({ block: "nearest" }); }
}
function columns() {
  const tiles = [...document.querySelectorAll(".tile")];
  const top = tiles.length ? tiles[0].offsetTop : 0;
  return Math.max(1, tiles.filter((tile) => tile.offsetTop === top).length);
}

/* Details */
function addFact(list, name, value, style) {
  if (value === null || value === undefined || value === "") return;
  const fact = make("div", style);
  fact.append(make("dt", "", name), make("dd", "", value));
  list.append(fact);
}
function drawEntity(entity, at) {
  const section = make("section", isFlawed(entity) ? "entity flawed" : "entity");
  const title = make("h3");
  title.append(make("span", "mark", at + 1), entity.label || "entity");
  section.append(title);
  for (const one of data.dimensions) section.append(drawMeter(one, pOf(entity, one), (pOf(entity, one) ?? 0) >= FLAWED));
  section.append(make("p", "soft small", `importance ${decimals(entity.importance)} · found by ${entity.found_by.map((one) => one.replace("_", " ")).join(", ")}`));
  const list = make("dl", "answers");
  for (const question of data.questions) {
    const found = entity.answers[question.name];
    const line = make("div", found.answer === question.defect ? "defect" : "");
    line.title = question.text;
    const p = found.p_yes === null ? null : question.defect === "Yes" ? found.p_yes : 1 - found.p_yes;
    line.append(make("dt", "", question.about), make("dd", "", found.answer === null ? "unread" : `${found.answer}${p === null ? "" : ` · P flaw ${decimals(p)}`}`));
    if (found.answer === null) line.title += `\n${found.reason || ""}`;
    list.append(line);
  }
  section.append(list);
  for (const [name, text] of Object.entries(entity.reasons)) {
    if (!text) continue;
    const reason = make("p");
    reason.append(make("b", "", name.replace("_", " ") + ": "), text);
    section.append(reason);
  }
  section.addEventListener("mouseenter", () => point(at, true));
  section.addEventListener("mouseleave", () => point(at, false));
  return section;
}
function point(at, on) {
  document.querySelector(`#details .box[data-entity="${at}"]`)?.classList.toggle("pointed", on);
}
function open() {
  const row = shown[place];
  if (!row) return;
  const dialog = byId("details");
  byId("details-name").textContent = row.image;
  byId("copy").textContent = "Copy as JSON";
  const facts = make("dl", "facts");
  for (const one of data.dimensions) addFact(facts, `P ${one}`, decimals(pOf(row, one)));
  addFact(facts, "Severity", decimals(row.severity));
  addFact(facts, "State", row.state);
  addFact(facts, "Generator", row.generator);
  addFact(facts, "Size", row.width ? `${row.width} × ${row.height} px` : null);
  addFact(facts, "Same pixels as", row.same_as, "full");
  addFact(facts, "Prompt", row.prompt, "full");
  addFact(facts, "Reason", row.reason, "full");
  dialog.querySelector(".picture").replaceChildren(drawStage(row, true), facts);
  const entities = row.entities.map(drawEntity);
  if (row.entities_left_out) entities.push(make("p", "soft", `and ${whole(row.entities_left_out)} more entities that are not shown here`));
  if (!entities.length) entities.push(make("p", "soft", row.state === "refused" ? "It was not judged." : "The model found no entity."));
  for (const one of row.unread) entities.push(make("p", "small warn", `not read: ${one.where}: ${one.reason}`));
  dialog.querySelector(".entities").replaceChildren(...entities);
  byId("details-before").disabled = place === 0;
  byId("details-next").disabled = place === shown.length - 1;
  if (!dialog.open) dialog.showModal();
  dialog.focus(); /* else on a button that the first or last image disables, and keys are lost */
  dialog.scrollTop = 0;
}
async function copy() {
  const row = shown[place];
  if (!row) return;
  const text = JSON.stringify(row, null, 1);
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea");
    area.value = text;
    (byId("details").open ? byId("details") : document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  byId("copy").textContent = "Copied";
  byId("found").textContent = `${row.image} copied as JSON`;
}

/* What people do */
for (const one of data.dimensions) {
  const range = byId("range-" + one), number = byId("number-" + one);
  const move = (from, other) => {
    const value = from.valueAsNumber;
    if (Number.isNaN(value)) return;
    thresholds[one] = Math.min(1, Math.max(0, value));
    other.value = other === number ? thresholds[one].toFixed(3) : thresholds[one];
    countFlagged();
    clearTimeout(move.later);
    move.later = setTimeout(() => {
      if (["flagged", "passed"].includes(byId("state").value)) filter();
      else draw();
    }, 60);
  };
  range.addEventListener("input", () => move(range, number));
  number.addEventListener("input", () => move(number, range));
}
for (const id of ["dimension", "question", "generator", "state"]) byId(id).addEventListener("change", filter);
let typing;
byId("text").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(filter, 80); });
byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("controls").addEventListener("reset", () => {
  Object.assign(thresholds, data.thresholds);
  setTimeout(() => { countFlagged(); filter(); });
});
byId("before").addEventListener("click", () => turn(page - 1));
byId("next").addEventListener("click", () => turn(page + 1));
byId("details-before").addEventListener("click", () => select(place - 1));
byId("details-next").addEventListener("click", () => select(place + 1));
byId("copy").addEventListener("click", copy);
byId("close").addEventListener("click", () => byId("details").close());
byId("details").addEventListener("click", (event) => { if (event.target === byId("details")) byId("details").close(); });
byId("details").addEventListener("close", () => document.querySelector(`.tile[data-at="${place}"]`)?.focus());
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const isOpen = byId("details").open;
  const onTile = document.activeElement?.classList.contains("tile");
  const begin = (to) => (onTile || isOpen ? to : place); /* the first key only selects */
  const keys = {
    ArrowLeft: () => (event.shiftKey && !isOpen ? (turn(page - 1), select(place)) : select(begin(place - 1))),
    ArrowRight: () => (event.shiftKey && !isOpen ? (turn(page + 1), select(place)) : select(begin(place + 1))),
    c: copy,
    "/": () => byId("text").focus(),
  };
  if (onTile && !isOpen) {
    keys.ArrowUp = () => select(place - columns() < 0 ? place : place - columns());
    keys.ArrowDown = () => select(place + columns());
  }
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act) { event.preventDefault(); act(); }
});
countFlagged();
filter();
