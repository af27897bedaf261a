// Keys for going fast. What is typed into an input is the input's, and keys with Ctrl, Alt or Meta are the browser's.
const KEYS = {
  j: () => step(1), k: () => step(-1), n: () => turnPage(1), p: () => turnPage(-1),
  e: () => record.chosen !== null && edit(record.chosen), a: () => accept(),
  "+": () => zoom(1.25), "-": () => zoom(0.8), "?": () => byId("keys").showModal(),
  "/": () => { byId("search").focus(); byId("search").select(); },
};

function arrow(by) {
  if (byId("documents").contains(document.activeElement)) return step(by).then(focusOpen);
  return stepField(by);
}

function focusOpen() {
  const open = byId("documents").querySelector('[aria-current="true"]');
  if (open) open.focus({ preventScroll: true });
}

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.altKey || event.metaKey || byId("keys").open) return;
  if (target.matches("input:not([type=checkbox]), textarea, select")) {
    if (key === "Escape") target.blur();
    return;
  }
  const scrolls = target.id === "scroll" || target.id === "page-text";
  const act = key === "ArrowDown" && !scrolls ? () => arrow(1) : key === "ArrowUp" && !scrolls ? () => arrow(-1) : KEYS[key];
  if (!act) return;
  event.preventDefault();
  act();
});
