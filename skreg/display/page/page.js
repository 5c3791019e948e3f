"use strict";
// Makes every table with the class "sortable" sortable by its column heads. Without JavaScript
// the heads are plain text, and the table keeps the order in which it was written.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const status = document.createElement("p");
  status.className = "hidden";
  status.setAttribute("role", "status");
  table.parentElement.after(status);

  const keyOf = (row, column, numeric) => {
    const text = row.cells[column].dataset.value;
    return numeric ? (text === "" ? NaN : Number(text)) : text;
  };

  const sortBy = (column, direction) => {
    const numeric = heads[column].dataset.kind === "number";
    const sign = direction === "ascending" ? 1 : -1;
    const rows = Array.from(body.rows, (row) => [keyOf(row, column, numeric), row]);
    rows.sort(([a], [b]) => {
      if (!numeric) {
        // What is missing stays below in both directions.
        if (a === "" || b === "") return (a === "") - (b === "");
        return sign * a.localeCompare(b, "en", { numeric: true });
      }
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * (a - b);
    });
    body.append(...rows.map(([, row]) => row));
    heads.forEach((head, place) => {
      if (place === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
    status.textContent = `Sorted by ${heads[column].textContent.trim()}, ${direction}.`;
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.dataset.kind === "number" ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      sortBy(column, head.getAttribute("aria-sort") === first ? second : first);
    });
  });
}
