// The documents, worst first: filters, a page of them at a time, which one is open.
const MARKS = [
  ["partial", "partial"], ["absent", "absent values"], ["low", "low confidence"], ["review", "needs review"],
  ["corrected", "corrected"],
];
const wanted = { marks: new Set(), group: "", search: "" };
const list = { rows: [], start: 0, total: 0, open: null };

const percent = (share) => `${Math.round(100 * share)} %`;

function drawFilters() {
  byId("marks").replaceChildren(...MARKS.map(([mark, label]) => {
    const box = make("input", { type: "checkbox", id: `mark-${mark}`, onchange: () => {
      if (box.checked) wanted.marks.add(mark); else wanted.marks.delete(mark);
      load(0, true);
    } });
    return make("label", { cls: "mark" }, box, `${label} `, make("span", { cls: "count", id: `count-${mark}` }));
  }));
  if (told.group && told.groups.length) {
    byId("group-label").hidden = false;
    byId("group-name").textContent = told.group.replace(/[._]/g, " ");
    byId("group").replaceChildren(make("option", { value: "", text: "all" }),
      ...told.groups.map(([name, count]) => make("option", { value: name, text: `${name} (${count})` })));
    byId("group").onchange = () => { wanted.group = byId("group").value; load(0, true); };
  }
  let waiting;
  byId("search").oninput = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { wanted.search = byId("search").value.trim(); load(0, true); }, 200);
  };
  byId("filters").onsubmit = (event) => event.preventDefault();
  byId("earlier").onclick = () => load(Math.max(0, list.start - PAGE));
  byId("later").onclick = () => load(list.start + PAGE);
}

let asked = 0;

// Ask for the documents from place `start` on; with `opens` the first of them is opened where the open one is not among them.
async function load(start, opens = false) {
  const mine = ++asked;
  let found;
  try {
    found = await source.documents(wanted, start);
  } catch (error) {
    say(error.message);
    byId("total").textContent = error.message;
    return;
  }
  if (mine !== asked) return; // a later one was asked for meanwhile
  Object.assign(list, { rows: found.rows, start: found.start, total: found.total });
  for (const [mark] of MARKS) byId(`count-${mark}`).textContent = (found.counts[mark] || 0).toLocaleString("en");
  const all = many(found.documents, "document");
  const what = found.total === found.documents ? all : `${found.total.toLocaleString("en")} of ${all}`;
  const last = found.start + found.rows.length;
  byId("total").textContent = found.total > PAGE ? `${found.start + 1} to ${last} of ${what}, worst first` : `${what}, worst first`;
  say(what);
  drawList();
  if (opens && list.rows.length && !list.rows.some((row) => row.id === list.open)) await openDocument(list.rows[0].id);
}

function drawList() {
  byId("documents").replaceChildren(...list.rows.map(item));
  byId("earlier").disabled = list.start === 0;
  byId("later").disabled = list.start + list.rows.length >= list.total;
  byId("earlier").parentElement.hidden = list.total <= list.rows.length;
}

function item(row) {
  const signs = [];
  if (row.accepted) signs.push(["good", "\u2713 accepted"]);
  if (row.partial) signs.push(["bad", "partial"]);
  if (row.review) signs.push(["warn", "needs review"]);
  if (row.absences) signs.push(["warn", `${row.absences} absent`]);
  if (row.corrected && !row.accepted) signs.push(["later", "corrected"]);
  if (!signs.length) signs.push(["good", "ok"]);
  if (row.confidence !== null) signs.push([row.low ? "warn" : "plain", `lowest ${percent(row.confidence)}`]);
  const entry = button(null, () => openDocument(row.id), { cls: "doc" });
  entry.append(isolated(row.name || row.id.slice(0, 12), "doc-name"), row.group ? isolated(row.group, "doc-group") : "",
    make("span", { cls: "signs" }, ...signs.map(([cls, text]) => make("span", { cls: `sign ${cls}`, text }))));
  if (row.id === list.open) entry.setAttribute("aria-current", "true");
  return make("li", {}, entry);
}

// Mark the open document in the list, and bring it into sight.
function showOpen() {
  [...byId("documents").children].forEach((entry, at) => {
    const isOpen = list.rows[at].id === list.open;
    const doc = entry.firstChild;
    if (isOpen) doc.setAttribute("aria-current", "true"); else doc.removeAttribute("aria-current");
    if (isOpen) bringInto(byId("documents"), doc);
  });
}

// Tell the list what a change has made of a document, where it stands: the order is made anew when the list is asked for again.
function updateRow(doc) {
  const row = list.rows.find((each) => each.id === doc.id);
  if (!row) return;
  Object.assign(row, { review: doc.review, partial: doc.status === "partial", accepted: doc.accepted, corrected: doc.corrected.length > 0 });
  drawList();
}

// The next document (or with -1 the one before), on the next page of the list where this one ends.
async function step(by) {
  let at = list.rows.findIndex((row) => row.id === list.open) + by;
  if (at < 0 && list.start > 0) {
    await load(list.start - PAGE);
    at = list.rows.length - 1;
  } else if (at >= list.rows.length && list.start + list.rows.length < list.total) {
    await load(list.start + PAGE);
    at = 0;
  }
  if (at < 0 || at >= list.rows.length) return say(by > 0 ? "this is the last document" : "this is the first document");
  return openDocument(list.rows[at].id);
}

// Scroll `box` so that `element` is in sight in it, and nothing else.
function bringInto(box, element) {
  const outer = box.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  if (inner.top >= outer.top && inner.bottom <= outer.bottom && inner.left >= outer.left && inner.right <= outer.right) return;
  box.scrollTo({
    top: box.scrollTop + (inner.top + inner.bottom - outer.top - outer.bottom) / 2,
    left: box.scrollLeft + (inner.left + inner.right - outer.left - outer.right) / 2,
    behavior: moves() ? "smooth" : "auto",
  });
}
