// Where documents come from: a server, or the file itself, which can only be read.

class Refused extends Error {
  constructor(message, answer) { super(message); this.answer = answer; }
}

async function fetched(address, body) {
  const asked = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body),
    headers: { "content-type": "application/json", "x-pagemill-token": told.token },
  };
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...asked });
  } catch {
    throw new Refused("no answer from the server; check that `pagemill review` is still running", {});
  }
  const said = (answer.headers.get("content-type") || "").startsWith("application/json")
    ? await answer.json() : { error: (await answer.text()).trim() || `the server answered ${answer.status}` };
  if (!answer.ok) throw new Refused(said.error || `the server answered ${answer.status}`, said);
  return said;
}

const served = {
  canWrite: true,
  documents(wanted, start) {
    const query = new URLSearchParams({ marks: [...wanted.marks].join(","), search: wanted.search, start });
    if (wanted.group) query.set("group", wanted.group);
    return fetched(`api/documents?${query}`);
  },
  document: (id) => fetched(`api/documents/${id}`),
  page: (id, number) => fetched(`api/documents/${id}/pages/${number}`),
  change: (id, change) => fetched(`api/documents/${id}/corrections`, change),
};

const held = {
  canWrite: false,
  async documents(wanted, start) {
    const search = wanted.search.toLowerCase();
    const fits = told.rows.filter((row) => [...wanted.marks].every((mark) => row[mark])
      && (!wanted.group || row.group === wanted.group) && row.name.toLowerCase().includes(search));
    return { rows: fits.slice(start, start + told.page), start, total: fits.length, documents: told.rows.length, counts: told.counts };
  },
  document: async (id) => told.shown[id],
  page: async (id, number) => told.pages[`${id}/${number}`] || { note: "The picture of this page is not in this file.", text: "" },
};

const source = told.shown ? held : served;
