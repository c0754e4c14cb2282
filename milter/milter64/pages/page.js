// Tables are sorted by their headings, and longer ones filtered by what is typed. Without this all is there to read.
"use strict";

const FILTERED = 8; // rows from which on a table has a filter
const order = new Intl.Collator("en", { numeric: true });

function key(row, column) {
  const cell = row.cells[column];
  const by = cell.dataset.by;
  return by === undefined ? cell.textContent : Number(by);
}

// What has no value stands last, whichever way round.
function compared(first, second, sign) {
  if (typeof first === "number" && typeof second === "number") return sign * (first - second);
  if (typeof first !== typeof second) return typeof first === "number" ? -1 : 1;
  return sign * order.compare(first, second);
}

function sortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    const text = heading.className === "text";
    button.addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const ascending = now ? now === "descending" : text; // of numbers the greatest come first
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
      rows.sort(([first], [second]) => compared(first, second, ascending ? 1 : -1));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

function filtered(table, box) {
  const words = (row) => [...row.cells].map((cell) => cell.textContent.toLowerCase()).join("\n");
  const rows = [...table.tBodies[0].rows].map((row) => [words(row), row]);
  const label = document.createElement("label");
  const input = document.createElement("input");
  const status = document.createElement("span");
  const filter = document.createElement("div");
  input.type = "search";
  label.append("Filter ", input);
  status.setAttribute("role", "status");
  filter.className = "filter";
  filter.append(label, status);
  box.before(filter);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const [text, row] of rows) {
      row.hidden = !wanted.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    status.textContent = `${shown} of ${rows.length}`;
  });
}

for (const box of document.querySelectorAll(".table")) {
  const table = box.querySelector("table");
  const rows = table.tBodies[0].rows.length;
  if (rows > 1) sortable(table);
  if (rows >= FILTERED) filtered(table, box);
}
