// The record: what is wrong with it on top, then its fields as the schema nests them, then who changed what.
const ROWS = 100; // of a list, to begin with
const record = { doc: null, chosen: null, info: new Map(), order: [], rows: new Map() };

const plain = (name) => (name || "").replaceAll("_", " ");

// `/line_items/3/amount` for people: line items 4, amount.
function labelOf(pointer) {
  if (pointer === "") return "the document";
  const steps = pointer.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  return steps.map((step, at) => (/^\d+$/.test(step) && at ? ` ${Number(step) + 1}` : `${at ? ", " : ""}${plain(step)}`)).join("");
}

async function openDocument(id) {
  let doc;
  const before = list.open;
  list.open = id;
  showOpen();
  try {
    doc = await source.document(id);
  } catch (error) {
    if (list.open === id) list.open = before;
    showOpen();
    byId("total").textContent = error.message;
    return say(error.message);
  }
  if (list.open !== id) return undefined;
  Object.assign(record, { chosen: null, rows: new Map() });
  editing = null;
  history.replaceState(null, "", `#${id}`);
  takeDocument(doc, true);
  byId("record").scrollTo({ top: 0 });
  const first = Math.min(...Object.values(doc.places).map((place) => place.page ?? Infinity), Infinity);
  say(`${doc.name}: ${doc.status}${doc.review ? ", needs review" : ""}`);
  return showPage(Number.isFinite(first) ? first : 1);
}

// Draw the document as it is now; the page, the chosen field and what is scrolled stay, unless it is a new one.
function takeDocument(doc, isNew = false) {
  record.doc = doc;
  const pane = byId("record");
  const top = pane.scrollTop;
  drawRecord();
  pane.scrollTop = top;
  if (!isNew) {
    const facts = { ...(pageFacts(sheet.page) || UNREAD) };
    const picture = byId("sheet").querySelector("img");
    drawSheet(facts, picture ? picture.src : null);
  }
  if (record.chosen !== null && !record.info.has(record.chosen)) record.chosen = null;
  drawChosen();
}

function drawRecord() {
  const { doc } = record;
  record.info.clear();
  record.order = [];
  const signs = [make("span", { cls: `sign ${doc.status === "ok" ? "good" : "bad"}`, text: doc.status })];
  if (doc.review) signs.push(make("span", { cls: "sign warn", text: "needs review" }));
  if (doc.accepted) signs.push(make("span", { cls: "sign good", text: "\u2713 accepted" }));
  if (doc.corrected.length) signs.push(make("span", { cls: "sign later", text: `${doc.corrected.length} corrected` }));
  const fields = make("div", { cls: "fields", role: "group", ariaLabel: "Fields" }, ...doc.fields.map((node) => drawNode(node, 3)));
  byId("record").replaceChildren(
    make("h2", {}, isolated(doc.name || doc.id.slice(0, 12))), make("p", { cls: "signs" }, ...signs),
    make("p", { cls: "soft" }, isolated(doc.source), ` \u00b7 ${doc.model} \u00b7 ${doc.extracted_at}`),
    make("p", { cls: "note", id: "record-warning", role: "alert", hidden: true }),
    drawProblems(), drawChecks(), source.canWrite ? drawActions() : "", fields, drawHistory());
  if (record.order.length) record.info.get(record.order[0]).element.tabIndex = 0;
}

function drawProblems() {
  const { problems } = record.doc;
  if (!problems.length) return "";
  return make("section", { cls: "told", ariaLabel: "Problems" }, make("h3", { text: many(problems.length, "problem") }),
    make("ul", {}, ...problems.map((text) => {
      const [, field] = text.match(/^(\/.*?): /) || [];
      const [about, number] = text.match(/^(?:record: )?page (\d+)(?=: )/) || [];
      if (field) return make("li", {}, button(labelOf(field), () => choose(field, "problem"), { cls: "link" }), text.slice(field.length));
      if (number && pageFacts(Number(number))) {
        return make("li", {}, button(`page ${number}`, () => showPage(Number(number)), { cls: "link" }), text.slice(about.length));
      }
      return make("li", { text: text.replace(/^record: /, "") });
    })));
}

function drawChecks() {
  const { checks } = record.doc;
  if (!checks.length) return "";
  return make("section", { cls: "told", ariaLabel: "Checks" }, make("h3", { text: "Checks" }), make("ul", { cls: "checks" }, ...checks.map((each) => {
    const text = each.ok ? `${plain(each.check)}: ${each.found}` : `${plain(each.check)}: ${each.found} found, ${each.expected} expected`;
    return make("li", { cls: each.ok ? "good" : "bad", text: `${each.ok ? "\u2713" : "\u2717"} ${text}` });
  })));
}

function drawActions() {
  return make("div", { cls: "actions" },
    make("label", { cls: "field-label" }, "Note, kept with the next change ", make("input", { id: "note", maxLength: 2000, autocomplete: "off" })),
    button("Accept", accept, { cls: "main", id: "accept", title: "No further correction is needed (a)" }));
}

function drawHistory() {
  const { history: changes } = record.doc;
  if (!changes.length) return "";
  return make("details", { cls: "history" }, make("summary", { text: many(changes.length, "change") }), make("ol", {}, ...changes.map((each) =>
    make("li", {}, make("b", { text: each.field === "" ? "accepted" : labelOf(each.field) }),
      each.field === "" ? "" : make("span", {}, ": ", make("del", { text: each.old ?? "null" }), " \u2192 ", make("ins", { text: each.new ?? "null" })),
      each.note ? make("q", { text: each.note }) : "",
      make("small", { text: `${each.by}, ${each.at}` })))));
}

function drawNode(node, level) {
  if (node.fields) {
    return make("section", { cls: "group", ariaLabel: plain(node.name) }, make(`h${Math.min(level, 6)}`, { text: plain(node.name) }),
      ...node.fields.map((child) => drawNode(child, level + 1)));
  }
  if (node.columns) return drawTable(node, level);
  if (node.values) return drawValues(node, level);
  const value = valueButton(node.at, node, node.value);
  const name = make("span", { cls: "name", text: plain(node.name), title: node.about || "" });
  if (node.required) name.append(make("abbr", { text: "*", title: "required" }));
  if (node.unit) name.append(make("small", { text: ` ${node.unit}` }));
  const line = make("div", { cls: "field" }, name, value, chipOf(node.at));
  record.info.get(node.at).line = line;
  return line;
}

const isNumber = (spec) => ["decimal", "integer", "number"].includes(spec.kind);

function valueButton(at, spec, value) {
  const place = record.doc.places[at];
  const corrected = record.doc.corrected.includes(at) ? "corrected" : "";
  const match = place ? place.match : corrected;
  const element = button(null, (event) => {
    if (record.chosen === at && event.detail === 0) edit(at); else choose(at, "record");
  }, { cls: `value ${match ? matchClass(match) : ""} ${place && place.confidence !== null && place.confidence < told.low ? "low" : ""} ${value && value.length > 16 ? "long" : ""} ${isNumber(spec) ? "number" : ""}`, tabIndex: -1,
    ondblclick: () => edit(at) });
  element.append(value === null ? make("em", { text: "null" }) : isolated(value));
  element.setAttribute("aria-label", `${labelOf(at)}: ${value ?? "null"}${match ? `, ${match}` : ""}`);
  record.info.set(at, { spec, value, element, line: element });
  record.order.push(at);
  return element;
}

function chipOf(at) {
  const place = record.doc.places[at];
  if (!place) return make("span", { cls: "chip" });
  const [cls, sign] = MATCHES.get(place.match) || ["unknown", ""];
  const where = [place.page ? `p. ${place.page}` : "", place.confidence === null || place.confidence === undefined ? "" : percent(place.confidence)];
  return make("span", { cls: `chip ${cls}` }, make("b", { text: `${sign} ${place.match}` }), ` ${where.filter(Boolean).join(" \u00b7 ")}`);
}

function drawTable(node, level) {
  const count = Math.min(node.rows.length, record.rows.get(node.at) || ROWS);
  const body = make("tbody", {}, ...node.rows.slice(0, count).flatMap((row, at) => drawRow(node, row, at, level)));
  const head = make("tr", {}, make("th", { scope: "col", text: "#" }), ...node.columns.map((column) =>
    make("th", { scope: "col", cls: isNumber(column) ? "number" : "", text: plain(column.name), title: column.about || "" })));
  const table = make("div", { cls: "wide", role: "region", tabIndex: 0, ariaLabel: `${plain(node.name)}, a table` },
    make("table", {}, make("thead", {}, head), body));
  return make("section", { cls: "group", ariaLabel: plain(node.name) },
    make(`h${Math.min(level, 6)}`, {}, plain(node.name), make("small", { text: ` ${many(node.rows.length, "row")}` })),
    node.rows.length ? table : "", more(node, count), adding(node));
}

function drawRow(node, row, at, level) {
  const here = `${node.at}/${at}`;
  const cells = node.columns.map((column, place) => make("td", {}, valueButton(`${here}${column.steps}`, column, row.cells[place])));
  const line = make("tr", {}, make("th", { scope: "row", text: at + 1 }), ...cells);
  for (const column of node.columns) Object.assign(record.info.get(`${here}${column.steps}`), { line, row: here, columns: node.columns.length + 1 });
  if (!row.lists) return [line];
  const below = make("td", { colSpan: node.columns.length + 1, cls: "below" }, ...row.lists.map((child) => drawNode(child, level + 1)));
  return [line, make("tr", {}, below)];
}

function drawValues(node, level) {
  const count = Math.min(node.values.length, record.rows.get(node.at) || ROWS);
  const items = node.values.slice(0, count).map((value, at) => {
    const here = `${node.at}/${at}`;
    const entry = make("li", { cls: "field" }, valueButton(here, node.item, value), chipOf(here));
    Object.assign(record.info.get(here), { line: entry, row: here });
    return entry;
  });
  return make("section", { cls: "group", ariaLabel: plain(node.name) },
    make(`h${Math.min(level, 6)}`, {}, plain(node.name), make("small", { text: ` ${many(node.values.length, "value")}` })),
    make("ol", { cls: "values" }, ...items), more(node, count), adding(node));
}

// The rest of a long list, a piece at a time.
function more(node, count) {
  const all = (node.rows || node.values).length;
  if (count >= all) return "";
  return button(`Show more: ${(all - count).toLocaleString("en")} are left`, () => {
    record.rows.set(node.at, count + ROWS);
    takeDocument(record.doc);
  }, { cls: "small" });
}

function adding(node) {
  if (!source.canWrite) return "";
  const holder = make("div", { cls: "adding" });
  const close = () => { holder.replaceChildren(open); open.focus(); };
  const open = button("Add a row", () => {
    const form = addForm(node, close);
    holder.replaceChildren(form);
    form.querySelector("input, select, textarea").focus();
  }, { cls: "small" });
  holder.append(open);
  return holder;
}

// Choose a field: its page comes, its box is marked and scrolled to, and what is known of it is told beside it.
async function choose(field, from) {
  showRowOf(field);
  if (!record.info.has(field)) return;
  if (editing && editing !== field) editing = null;
  record.chosen = field;
  drawChosen();
  focusField(field, from);
  const place = record.doc.places[field];
  if (place && place.page && place.page !== sheet.page && from !== "sheet") await showPage(place.page);
  if (record.chosen === field) drawSelection();
}

// A row of a long list that is not drawn yet is drawn.
function showRowOf(field) {
  if (record.info.has(field)) return;
  const step = field.match(/^(.*?)\/(\d+)(\/|$)/);
  if (!step) return;
  record.rows.set(step[1], Math.ceil((Number(step[2]) + 1) / ROWS) * ROWS);
  takeDocument(record.doc);
}

function drawChosen() {
  for (const [field, { element }] of record.info) {
    const isChosen = field === record.chosen;
    element.classList.toggle("chosen", isChosen);
    if (isChosen) element.setAttribute("aria-current", "true"); else element.removeAttribute("aria-current");
  }
  if (record.chosen !== null) {
    for (const { element } of record.info.values()) element.tabIndex = -1;
    record.info.get(record.chosen).element.tabIndex = 0;
  }
  drawDetails();
  drawSelection(false);
}

function focusField(field, from) {
  const known = record.info.get(field);
  if (!known) return;
  if (editing === field && byId("edit-value")) {
    byId("edit-value").focus({ preventScroll: true });
    if (byId("edit-value").select) byId("edit-value").select();
  } else {
    known.element.focus({ preventScroll: true });
  }
  const target = byId("details") || known.line;
  target.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "auto" });
  known.element.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "auto" });
}

// What is known of the chosen field, under its line; with the form where it is edited.
function drawDetails() {
  const old = byId("details");
  if (old) (old.closest("tr.details") || old).remove();
  if (editing === null) {
    sheet.take = null;
    drawWords();
  }
  const known = record.info.get(record.chosen);
  if (!known) return;
  const field = record.chosen;
  const place = record.doc.places[field];
  const parts = [];
  if (place) {
    const [, sign, meaning] = MATCHES.get(place.match) || ["", "", ""];
    const sure = place.confidence === null || place.confidence === undefined ? "" : `, ${percent(place.confidence)} sure`;
    parts.push(make("p", {}, `${sign} ${place.match}: ${meaning}${place.page ? `, page ${place.page}` : ""}${sure}`));
    if (place.quote) parts.push(make("blockquote", { text: place.quote }));
  }
  for (const each of record.doc.conflicts.filter((conflict) => conflict.field === field)) {
    parts.push(make("p", { cls: "conflicting" }, `elsewhere${each.page ? `, page ${each.page}` : ""}: `, isolated(each.value ?? "null")));
  }
  if (known.spec.about) parts.push(make("p", { cls: "soft", text: known.spec.about }));
  if (editing === field) {
    parts.push(editForm(field));
  } else if (source.canWrite) {
    const tools = [button("Edit", () => edit(field), { cls: "small" })];
    if (known.row) {
      const label = labelOf(known.row);
      tools.push(twiceButton("Remove row", `Remove ${label} for sure`, () => send({ field: known.row, value: null }, null, `${label} is removed`)));
    }
    parts.push(make("div", { cls: "turn" }, ...tools));
  }
  if (!parts.length) return;
  const details = make("div", { id: "details", cls: "details", role: "group", ariaLabel: `About ${labelOf(field)}` }, ...parts);
  if (known.line.tagName === "TR") {
    known.line.after(make("tr", { cls: "details" }, make("td", { colSpan: known.columns }, details)));
  } else {
    known.line.after(details);
  }
}

function stepField(by) {
  if (!record.order.length) return;
  const at = record.order.indexOf(record.chosen);
  const next = at < 0 ? (by > 0 ? 0 : record.order.length - 1) : Math.min(record.order.length - 1, Math.max(0, at + by));
  choose(record.order[next], "keys");
}
