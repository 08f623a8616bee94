// Gives the cells of a table the names of their columns, for narrow screens. SPDX-License-Identifier: MIT
document.querySelectorAll(".md-typeset table:not([class])").forEach(function (table) {
  var heads = Array.from(table.querySelectorAll("thead th"), function (head) { return head.textContent; });
  table.querySelectorAll("tbody tr").forEach(function (row) {
    Array.from(row.children).forEach(function (cell, column) {
      if (column > 0 && heads[column] && cell.textContent) cell.dataset.label = heads[column];
    });
  });
});
