// Elements are made here and nowhere else. What a document says only ever becomes a text node or a form's value.
const byId = (id) => document.getElementById(id);
const told = JSON.parse(byId("data").textContent);

function make(tag, { cls, text, ...props } = {}, ...children) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("aria") || name === "role") element.setAttribute(name.replace(/^aria([A-Z])/, (_, x) => `aria-${x.toLowerCase()}`), value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function button(text, onclick, props = {}) {
  return make("button", { type: "button", text, onclick, ...props });
}

// Text whose direction (a right-to-left name) does not touch what stands around it.
const isolated = (text, cls) => make("bdi", { text, cls });

// Said to who cannot see it; the same words twice are said twice.
function say(text) {
  const live = byId("live");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

const many = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
const moves = () => !matchMedia("(prefers-reduced-motion: reduce)").matches;
const wide = () => matchMedia("(min-width: 60rem)").matches;

// How a value was found: a sign and a word beside the colour. What is not in here is shown as a word alone.
const MATCHES = new Map(Object.entries({
  exact: ["exact", "\u2713", "as printed"],
  normalized: ["normalized", "\u2248", "printed in another form"],
  fuzzy: ["fuzzy", "~", "printed with small differences"],
  image: ["image", "\u25a3", "only a picture shows it"],
  absent: ["absent", "\u2717", "not on the page"],
  rejected: ["rejected", "\u2717", "the answer did not fit the field"],
  unanswered: ["unanswered", "?", "the model left it out"],
  conflict: ["conflict", "\u2260", "another value elsewhere"],
  corrected: ["corrected", "\u270e", "set by a person"],
}));
const matchClass = (match) => (MATCHES.has(match) ? MATCHES.get(match)[0] : "unknown");
