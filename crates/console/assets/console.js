// The overview renews itself every 3 s; what is typed in the search stays. When no answer comes the page says so.
"use strict";
async function renew() {
  const live = document.getElementById("live");
  try {
    const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(5000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    live.replaceChildren(...page.getElementById("live").childNodes);
    live.classList.remove("stale");
  } catch {
    live.classList.add("stale");
  }
  setTimeout(renew, 3000);
}
setTimeout(renew, 3000);
