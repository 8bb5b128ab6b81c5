// The overview renews itself by server-sent events; what is typed in the search stays. When no answer comes the page says so.
"use strict";
const live = document.getElementById("live");
const source = new EventSource("/live");
let heard = Date.now();
source.addEventListener("page", (event) => {
  heard = Date.now();
  live.classList.remove("stale");
  if (live.contains(document.activeElement)) return;
  const page = new DOMParser().parseFromString(event.data, "text/html");
  live.replaceChildren(...page.body.childNodes);
});
source.addEventListener("stale", () => live.classList.add("stale"));
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) location.reload();
});
setInterval(() => live.classList.toggle("stale", Date.now() - heard > 10000), 1000);
