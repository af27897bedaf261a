// Changing a value: a form beside the field, saved by the server or refused with its reason; nothing is decided here.
let editing = null; // the pointer of the field whose form is open
let isSaving = false;

const noteText = () => { const note = byId("note"); return note ? note.value.trim() : ""; };

// Send a change. True when it was made; else the reason stands in `where`, beside what was typed.
async function send(change, where, saved) {
  if (isSaving) return false;
  isSaving = true;
  const id = record.doc.id;
  try {
    const answer = await source.change(id, { note: noteText() || null, version: record.doc.version, page: sheet.page, ...change });
    if (record.doc.id === id) {
      editing = null;
      if (byId("note")) byId("note").value = "";
      takeDocument(answer.document);
    }
    updateRow(answer.document);
    say(saved);
    return true;
  } catch (error) {
    if (error.answer && error.answer.document && record.doc.id === id) {
      editing = null;
      takeDocument(error.answer.document);
      warn(error.message);
    } else if (where) {
      where.hidden = false;
      where.textContent = error.message;
    } else {
      warn(error.message);
    }
    say(`refused: ${error.message}`);
    return false;
  } finally {
    isSaving = false;
  }
}

function warn(text) {
  const place = byId("record-warning");
  place.hidden = false;
  place.textContent = text;
}

function edit(field) {
  if (!source.canWrite || !record.info.has(field)) return;
  editing = field;
  choose(field, "edit");
}

function leave() {
  editing = null;
  drawDetails();
  focusField(record.chosen);
}

// The input that suits a field: its choices, yes or no, a long text, or one line.
function inputFor(spec, value, id) {
  if (spec.choices || spec.kind === "boolean") {
    const options = ["", ...(spec.choices || ["true", "false"])].map((each) => make("option", { value: each, text: each || "null" }));
    const select = make("select", { id }, ...options);
    select.value = value ?? "";
    return select;
  }
  const isLong = spec.kind === "json" || (value || "").length > 60 || (value || "").includes("\n");
  const input = make(isLong ? "textarea" : "input", { id, value: value ?? "", autocomplete: "off", spellcheck: false });
  if (isLong) input.rows = 4;
  if (isNumber(spec)) input.inputMode = "decimal";
  if (spec.kind === "date") input.placeholder = "2026-03-31";
  return input;
}

function editForm(field) {
  const { spec, value } = record.info.get(field);
  const input = inputFor(spec, value, "edit-value");
  const refused = make("p", { cls: "refused", id: "edit-refused", role: "alert", hidden: true });
  input.setAttribute("aria-describedby", "edit-refused edit-hint");
  const save = async (text) => {
    input.removeAttribute("aria-invalid");
    refused.hidden = true;
    if (await send({ field, value: text }, refused, `saved: ${labelOf(field)} is ${text || "null"}`)) focusField(field);
    else if (document.contains(input)) { input.setAttribute("aria-invalid", "true"); input.focus(); }
  };
  const form = make("form", { cls: "edit", onsubmit: (event) => { event.preventDefault(); save(input.value === "" ? null : input.value); } },
    make("label", { htmlFor: "edit-value", text: `New value of ${labelOf(field)}` }), input, refused,
    make("div", { cls: "turn" }, make("button", { text: "Save" }), button("Set to null", () => save(null)), button("Leave", leave)),
    make("p", { cls: "hint", id: "edit-hint", text: hintOf(spec) }));
  form.onkeydown = (event) => {
    if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); leave(); }
    if (event.key === "Enter" && !event.shiftKey && input === event.target && input.tagName !== "INPUT") { event.preventDefault(); form.requestSubmit(); }
  };
  sheet.take = input.tagName === "SELECT" ? null : (text, adds) => {
    input.value = adds && input.value ? `${input.value} ${text}` : text;
    input.focus();
  };
  drawWords();
  return form;
}

function hintOf(spec) {
  const said = [spec.kind === "string" ? "" : spec.kind, spec.unit ? `in ${spec.unit}` : "", spec.limits || "", spec.required ? "required" : ""];
  return [...said.filter(Boolean), sheet.words.length ? "a click on words of the page takes them over" : ""].filter(Boolean).join("; ");
}

async function accept() {
  if (!source.canWrite || !record.doc) return;
  const { id } = record.doc;
  if (await send({ field: "", value: null }, null, "accepted") && record.doc.id === id) await step(1);
}

// A button that does what cannot be taken back at one click only when it is pressed a second time.
function twiceButton(text, sure, act) {
  const element = button(text, () => {
    if (element.dataset.sure) return act();
    element.dataset.sure = "yes";
    element.textContent = sure;
    say(sure);
    setTimeout(() => { delete element.dataset.sure; element.textContent = text; }, 4000);
    return undefined;
  }, { cls: "small" });
  return element;
}

// The form for a new item of a list: an input for each column, or one for a list of values.
function addForm(node, close) {
  const specs = node.columns || [{ ...node.item, name: "value", steps: "" }];
  const refused = make("p", { cls: "refused", role: "alert", hidden: true });
  const inputs = specs.map((spec, at) => inputFor(spec, "", `add-${at}`));
  const typed = () => {
    const item = {};
    specs.forEach((spec, at) => {
      if (inputs[at].value === "") return;
      const keys = spec.steps.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
      let here = item;
      for (const key of keys.slice(0, -1)) here = here[key] ??= {};
      here[keys.at(-1)] = inputs[at].value;
    });
    return item;
  };
  const form = make("form", { cls: "edit add", onsubmit: async (event) => {
    event.preventDefault();
    const value = JSON.stringify(node.columns ? typed() : inputs[0].value);
    await send({ field: `${node.at}/-`, value }, refused, `a row of ${plain(node.name)} is added`);
  } },
    ...specs.map((spec, at) => make("p", {}, make("label", { htmlFor: `add-${at}`, text: plain(spec.name) }), inputs[at])), refused,
    make("div", { cls: "turn" }, make("button", { text: "Add" }), button("Leave", close)));
  form.onkeydown = (event) => { if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); } };
  return form;
}
