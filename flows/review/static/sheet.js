// The page: its picture, or an empty sheet of its size, with a box over each value that stands on it.
const UNREAD = { width: 595, height: 842 }; // points, A4: for a page that could not be read
const sheet = { page: 1, zoom: 1, boxes: new Map(), words: [], take: null, asked: 0 };

const pageFacts = (number) => record.doc.pages.find((page) => page.page === number);

async function showPage(number) {
  const doc = record.doc;
  sheet.page = number;
  sheet.words = [];
  const mine = ++sheet.asked;
  drawBar();
  const facts = pageFacts(number);
  drawSheet(facts, null);
  let found;
  try {
    found = doc.pages.length ? await source.page(doc.id, number) : { note: "No page of this document is in the tables.", text: "" };
  } catch (error) {
    found = { note: error.message, text: "" };
  }
  if (mine !== sheet.asked) return;
  sheet.words = found.words || [];
  byId("page-note").hidden = !found.note;
  byId("page-note").textContent = found.note || "";
  byId("page-text").hidden = !found.text;
  byId("page-text").textContent = found.text || "";
  drawSheet(found.picture && found.width ? found : facts, found.picture || null);
  drawSelection(false);
}

function drawBar() {
  const count = record.doc.pages.length;
  byId("page-number").textContent = count ? `page ${sheet.page} of ${count}` : "no page";
  byId("page-back").disabled = sheet.page <= 1;
  byId("page-on").disabled = sheet.page >= count;
}

function drawSheet(facts, address) {
  const size = facts && facts.width > 0 && facts.height > 0 ? facts : UNREAD;
  const paper = byId("sheet");
  paper.style.aspectRatio = `${size.width} / ${size.height}`;
  paper.style.width = `${100 * sheet.zoom}%`;
  paper.replaceChildren();
  sheet.boxes.clear();
  if (address) {
    paper.append(make("img", { src: address, alt: `Page ${sheet.page}` }));
  }
  for (const [field, place] of Object.entries(record.doc.places)) addBox(paper, size, field, place);
  for (const place of record.doc.conflicts) addBox(paper, size, place.field, place);
  byId("legend").replaceChildren(...[...new Set([...sheet.boxes.values()].map((box) => box.match))].map((match) => {
    const [cls, sign, meaning] = MATCHES.get(match) || ["unknown", "", ""];
    return make("li", {}, make("i", { cls: `swatch ${cls}`, ariaHidden: "true" }), `${sign} ${match}: ${meaning}`);
  }));
  drawWords();
}

function addBox(paper, size, field, place) {
  if (place.page !== sheet.page || !place.box) return;
  const [x0, y0, x1, y1] = place.box;
  const isOther = place.match === "conflict";
  const label = `${labelOf(field)}: ${place.value ?? "null"}, ${place.match}`;
  const element = button(null, () => choose(field, "sheet"), { cls: `box ${matchClass(place.match)}`, title: label, ariaLabel: label, tabIndex: -1 });
  const pad = 2; // points: the line stands beside the words
  Object.assign(element.style, {
    left: `${(100 * (x0 - pad)) / size.width}%`, top: `${(100 * (y0 - pad)) / size.height}%`,
    width: `${(100 * (x1 - x0 + 2 * pad)) / size.width}%`, height: `${(100 * (y1 - y0 + 2 * pad)) / size.height}%`,
  });
  paper.append(element);
  sheet.boxes.set(isOther ? `conflict ${field} ${place.value}` : field, { element, match: place.match });
}

// Mark the box of the chosen field, and bring it into sight.
function drawSelection(scrolls = true) {
  for (const [field, box] of sheet.boxes) {
    const isChosen = field === record.chosen;
    box.element.classList.toggle("chosen", isChosen);
    if (isChosen) box.element.setAttribute("aria-current", "true"); else box.element.removeAttribute("aria-current");
    if (isChosen && (scrolls || !inSight(box.element))) bringInto(byId("scroll"), box.element);
  }
}

function inSight(element) {
  const outer = byId("scroll").getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  return inner.top >= outer.top && inner.bottom <= outer.bottom;
}

function turnPage(by) {
  const number = sheet.page + by;
  if (record.doc && number >= 1 && number <= record.doc.pages.length) {
    showPage(number);
    byId("scroll").scrollTo({ top: 0 });
    say(`page ${number}`);
  }
}

function zoom(by) {
  sheet.zoom = Math.min(4, Math.max(0.5, sheet.zoom * by));
  byId("sheet").style.width = `${100 * sheet.zoom}%`;
  drawSelection();
}

// While a value is edited, a click on words of the page takes them over: one word, and with Shift as many as follow.
function drawWords() {
  const { take } = sheet;
  const paper = byId("sheet");
  paper.querySelectorAll(".word").forEach((each) => each.remove());
  paper.classList.toggle("picking", Boolean(take));
  if (!take) return;
  const size = pageFacts(sheet.page) || UNREAD;
  sheet.words.forEach(([text, x0, y0, x1, y1]) => {
    const word = button(null, (event) => take(text, event.shiftKey), { cls: "word", tabIndex: -1, title: text, ariaLabel: `take over ${text}` });
    Object.assign(word.style, {
      left: `${(100 * x0) / size.width}%`, top: `${(100 * y0) / size.height}%`,
      width: `${(100 * (x1 - x0)) / size.width}%`, height: `${(100 * (y1 - y0)) / size.height}%`,
    });
    word.onmousedown = (event) => event.preventDefault(); // what is edited keeps the focus
    paper.append(word);
  });
}
