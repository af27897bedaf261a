// What the page begins with.
function start() {
  document.title = `Review: ${told.type}`;
  byId("about").append(`${plain(told.type)} in `, isolated(told.dataset), told.by ? " \u00b7 corrected by " : "", told.by ? isolated(told.by) : "");
  byId("help").onclick = () => byId("keys").showModal();
  byId("page-back").onclick = () => turnPage(-1);
  byId("page-on").onclick = () => turnPage(1);
  byId("smaller").onclick = () => zoom(0.8);
  byId("larger").onclick = () => zoom(1.25);
  document.body.classList.toggle("reads-only", !source.canWrite);
  if (told.left_out && told.left_out.length) {
    byId("left-out").hidden = false;
    byId("left-out").textContent = told.left_out.join(" ");
  }
  drawFilters();
  const asked = location.hash.slice(1);
  if (/^[0-9a-f]{64}$/.test(asked)) {
    load(0).then(() => openDocument(asked));
  } else {
    load(0, true);
  }
}

start();
