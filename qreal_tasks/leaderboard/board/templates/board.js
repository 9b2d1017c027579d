"use strict";
for (const button of document.querySelectorAll("table.board thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const column = head.cellIndex;
    const first = head.dataset.first || "descending";
    const turned = first === "descending" ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === first ? turned : first;
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => row.cells[column].dataset.v;
    const rows = [...body.rows].sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      return head.dataset.text !== undefined ? sign * x.localeCompare(y) : sign * (Number(x) - Number(y));
    });
    body.append(...rows);
    for (const other of table.tHead.rows[0].cells) {
      if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", other === head ? order : "none");
    }
  });
}
const search = document.getElementById("search"), paper = document.getElementById("paper"), choice = document.getElementById("choice");
function filter() {
  const words = search ? search.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
  const seen = new Set();
  for (const row of document.querySelectorAll("table.board tbody tr")) {
    const fits = words.every((word) => row.dataset.name.includes(word));
    row.hidden = !fits || (row.classList.contains("paper") && paper && !paper.checked);
    if (!row.hidden && row.classList.contains("entry")) seen.add(row.querySelector("th a").href);
  }
  const said = document.getElementById("shown");
  if (said) said.textContent = `${seen.size} ${seen.size === 1 ? "submission" : "submissions"}`;
}
if (search) search.addEventListener("input", filter);
if (paper) paper.addEventListener("change", filter);
if (choice) {
  const show = () => {
    for (const section of document.querySelectorAll("section.card[data-choice]")) section.hidden = section.id !== choice.value;
  };
  const follow = () => {
    const wanted = location.hash.slice(1);
    if ([...choice.options].some((option) => option.value === wanted)) choice.value = wanted;
    show();
  };
  choice.addEventListener("change", () => { show(); history.replaceState(null, "", "#" + choice.value); });
  window.addEventListener("hashchange", follow);
  document.querySelector("[data-needs-script]").hidden = false;
  follow();
}
for (const one of document.querySelectorAll(".controls[hidden]")) one.hidden = false;
filter();
