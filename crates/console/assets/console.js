// "/" puts the cursor into the search, from anywhere but a field.
"use strict";
const search = document.getElementById("q");
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!search || event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  search.focus();
  search.select();
});
