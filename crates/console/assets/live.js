// The overview renews itself by server-sent events; what is typed in the search stays. When no answer comes the page says so.
"use strict";
const live = document.getElementById("live");
const source = new EventSource("/live");
const links = (root) => [...root.querySelectorAll("a")];
let heard = Date.now();
source.addEventListener("page", (event) => {
  heard = Date.now();
  live.classList.remove("stale");
  const page = new DOMParser().parseFromString(event.data, "text/html");
  // Whoever is on a link by keyboard stays on it. Whoever is about to press a button sees what they saw.
  const focused = document.activeElement;
  const again = links(page)[links(live).indexOf(focused)];
  if (live.contains(focused) && again?.getAttribute("href") !== focused.getAttribute("href")) return;
  live.replaceChildren(...page.body.childNodes);
  again?.focus({ preventScroll: true });
});
source.addEventListener("stale", () => live.classList.add("stale"));
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) location.reload();
});
setInterval(() => live.classList.toggle("stale", Date.now() - heard > 10000), 1000);
