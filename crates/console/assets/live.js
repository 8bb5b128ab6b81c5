// The overview renews itself by server-sent events; what is typed in the search stays. When no answer comes the page says so.
"use strict";
const live = document.getElementById("live");
const source = new EventSource("/live");
let heard = Date.now();
// The links that lead where this one leads: several may, and their number tells them apart.
const twins = (root, link) => [...root.querySelectorAll("a")].filter((one) => one.getAttribute("href") === link.getAttribute("href"));
const again = (page, link) => {
  const there = twins(page, link);
  return there[twins(live, link).indexOf(link)] ?? there[0];
};
source.addEventListener("page", (event) => {
  const page = new DOMParser().parseFromString(event.data, "text/html");
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  const link = focused?.matches("a[href]") ? again(page, focused) : null;
  // Whoever is on a link by keyboard stays on it, wherever it has gone. Whoever is about to press a button, or is on a link that is there no
  // more, sees what they saw, and soon that it is old.
  if (focused && !link) return;
  heard = Date.now();
  live.classList.remove("stale");
  live.replaceChildren(...page.body.childNodes);
  link?.focus({ preventScroll: true });
});
source.addEventListener("stale", () => live.classList.add("stale"));
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) location.reload();
});
setInterval(() => live.classList.toggle("stale", Date.now() - heard > 10000), 1000);
